"""Draw the single-index study's reward against KL, one panel a chosen shift.

Inputs: curves (parquet of the whole grid). Outputs: svg, png.
Spec: methods, baseline, kappa, pareto_shifts.
"""

from prefgrid.figures import style
from prefgrid.files import reading, table_rows
from prefgrid.job import jobs
from prefgrid.studies.single_index.figures import frontier


def main(job: jobs.Job) -> None:
    drawn = frontier.draw(
        reading.read_parquet(job.inputs["curves"], table_rows.SingleCurve),
        job.spec["methods"],
        job.spec["baseline"],
        job.spec["kappa"],
        job.spec["pareto_shifts"],
    )
    style.save(drawn, job.outputs["svg"], job.outputs["png"])


if __name__ == "__main__":
    jobs.run(main, inputs=("curves",), outputs=("svg", "png"), shared_folder=True)
