"""Draw one figure of a study.

Inputs: files (of the artifacts that the figure's READS names). Outputs: svg, png.
Spec: module (the figure's), reads ([name, number of files] each, in the order of `files`), sources
(which run, models and data: names and words), and what the figure's USES names.
"""

import importlib

from prefgrid.figures import saving
from prefgrid.job import jobs, reads
from prefgrid.studies import sources


def main(job: jobs.Job) -> None:
    module = importlib.import_module(job.spec["module"])
    files = reads.by_name(job.inputs["files"], job.spec["reads"])
    saving.save(
        module.figure(files, job.spec),
        job.outputs["svg"],
        job.outputs["png"],
        module.TITLE,
        sources.line(job.spec["sources"]),
    )


if __name__ == "__main__":
    jobs.run(main, inputs=("files**",), outputs=("svg", "png"), shared_folder=True)
