"""Take the base model as the reference, unchanged.

Inputs: base (manifest.json of the base model).
Outputs: weights, config, tokenizer, manifest (and the tokenizer's other files). Spec: empty.
"""

import shutil

from prefgrid.files import artifacts
from prefgrid.job import jobs


def main(job: jobs.Job) -> None:
    for path in artifacts.files(job.inputs["base"].parent):
        shutil.copyfile(path, job.folder("manifest") / path.name)


if __name__ == "__main__":
    jobs.run(main, inputs=("base",), outputs=("weights", "config", "tokenizer", "manifest"))
