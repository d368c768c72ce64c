"""Draw the training curves, chosen and rejected log-ratios among them.

Inputs: training (parquet of the whole grid). Outputs: svg, png.
Spec: methods.
"""

from prefgrid.figures import style
from prefgrid.files import reading, table_rows
from prefgrid.job import jobs
from prefgrid.studies.link_robustness.figures import training


def main(job: jobs.Job) -> None:
    drawn = training.draw(
        reading.read_parquet(job.inputs["training"], table_rows.TrainingCurve), job.spec["methods"]
    )
    style.save(drawn, job.outputs["svg"], job.outputs["png"])


if __name__ == "__main__":
    jobs.run(main, inputs=("training",), outputs=("svg", "png"), shared_folder=True)
