"""Write a study's section of the report.

Inputs: figures (SVGs, in reading order), files (of the artifacts that the section's READS names).
Outputs: section (JSON). Spec: module (the section's), reads ([name, number of files] each, in the
order of `files`), figures (their modules, in the order of the SVGs), and what the section's USES
names.
"""

import importlib

from prefgrid.files import store
from prefgrid.job import jobs, reads


def main(job: jobs.Job) -> None:
    module = importlib.import_module(job.spec["module"])
    files = reads.by_name(job.inputs["files"], job.spec["reads"])
    figures = {path.stem: path for path in job.inputs["figures"]}
    store.write_json(job.outputs["section"], module.section(files, figures, job.spec))


if __name__ == "__main__":
    jobs.run(main, inputs=("figures**", "files**"), outputs=("section",))
