"""Draw how well the learned index of the single-index study orders held-out pairs.

Inputs: runs (CSV of the whole grid). Outputs: svg, png.
Spec: methods.
"""

from prefgrid.figures import style
from prefgrid.files import reading, table_rows
from prefgrid.job import jobs
from prefgrid.studies.single_index.figures import correlation


def main(job: jobs.Job) -> None:
    drawn = correlation.draw(
        reading.read_csv(job.inputs["runs"], table_rows.SingleRun), job.spec["methods"]
    )
    style.save(drawn, job.outputs["svg"], job.outputs["png"])


if __name__ == "__main__":
    jobs.run(main, inputs=("runs",), outputs=("svg", "png"), shared_folder=True)
