"""Draw the single-index study's reward at one KL against the link's shift.

Inputs: runs (CSV of the whole grid). Outputs: svg, png.
Spec: methods, baseline, kappa.
"""

from prefgrid.figures import style
from prefgrid.files import reading, table_rows
from prefgrid.job import jobs
from prefgrid.studies.single_index.figures import robustness


def main(job: jobs.Job) -> None:
    drawn = robustness.draw(
        reading.read_csv(job.inputs["runs"], table_rows.SingleRun),
        job.spec["methods"],
        job.spec["baseline"],
        job.spec["kappa"],
    )
    style.save(drawn, job.outputs["svg"], job.outputs["png"])


if __name__ == "__main__":
    jobs.run(main, inputs=("runs",), outputs=("svg", "png"), shared_folder=True)
