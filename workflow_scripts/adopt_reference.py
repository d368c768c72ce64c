"""Take the base model as the reference, unchanged.

Inputs: base (manifest.json of the base model).
Outputs: weights, config, tokenizer, manifest (and the tokenizer's other files). Spec: empty.
"""

import shutil

from prefgrid import jobs


def main(job: jobs.Job) -> None:
    for path in job.inputs["base"].parent.iterdir():
        if path.is_file() and not path.name.startswith(jobs.PRIVATE_PREFIXES):
            shutil.copyfile(path, job.folder("manifest") / path.name)


if __name__ == "__main__":
    jobs.run(main, inputs=("base",), outputs=("weights", "config", "tokenizer", "manifest"))
