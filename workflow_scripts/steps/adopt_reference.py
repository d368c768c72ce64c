"""Take the base model as the reference, unchanged; its weights are not stored a second time.

Inputs: base (manifest.json of the base model).
Outputs: weights, config, tokenizer, manifest (and the tokenizer's other files). Spec: empty.
"""

from prefgrid.job import jobs
from prefgrid.models.adopting import adopt_model


def main(job: jobs.Job) -> None:
    adopt_model(job.inputs["base"].parent, job.outputs["weights"])


if __name__ == "__main__":
    jobs.run(main, inputs=("base",), outputs=("weights", "config", "tokenizer", "manifest"))
