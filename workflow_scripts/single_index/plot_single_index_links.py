"""Draw the learned link of the single-index study beside the true one, at the chosen shifts.

Inputs: links (parquet of the whole grid). Outputs: svg, png.
Spec: methods, pareto_shifts.
"""

from prefgrid.figures import style
from prefgrid.files import reading, table_rows
from prefgrid.job import jobs
from prefgrid.studies.single_index.figures import links


def main(job: jobs.Job) -> None:
    drawn = links.draw(
        reading.read_parquet(job.inputs["links"], table_rows.SingleLink),
        job.spec["methods"],
        job.spec["pareto_shifts"],
    )
    style.save(drawn, job.outputs["svg"], job.outputs["png"])


if __name__ == "__main__":
    jobs.run(main, inputs=("links",), outputs=("svg", "png"), shared_folder=True)
