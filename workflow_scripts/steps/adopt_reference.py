"""Take the base model as the reference, unchanged; its weights are not stored a second time.

Inputs: base (manifest.json of the base model).
Outputs: weights, config, tokenizer, manifest (and the tokenizer's other files). Spec: empty.
"""

import shutil

from prefgrid.files import artifacts, store
from prefgrid.job import jobs


def main(job: jobs.Job) -> None:
    weights = job.outputs["weights"].name
    for path in artifacts.files(job.inputs["base"].parent):
        # Of a small file the date is its own: Snakemake renews it, and asks for it of inputs.
        take = store.link_or_copy if path.name == weights else shutil.copyfile
        take(path, job.folder("manifest") / path.name)


if __name__ == "__main__":
    jobs.run(main, inputs=("base",), outputs=("weights", "config", "tokenizer", "manifest"))
