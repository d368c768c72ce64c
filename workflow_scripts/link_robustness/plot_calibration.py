"""Draw the learned link beside the true one, per method and shift.

Inputs: indices (parquet of the whole grid). Outputs: svg, png.
Spec: methods, link_temperature.
"""

from prefgrid.figures import style
from prefgrid.files import reading, table_rows
from prefgrid.job import jobs
from prefgrid.studies.link_robustness.figures import calibration


def main(job: jobs.Job) -> None:
    drawn = calibration.draw(
        reading.read_parquet(job.inputs["indices"], table_rows.GatheredIndex),
        job.spec["methods"],
        job.spec["link_temperature"],
    )
    style.save(drawn, job.outputs["svg"], job.outputs["png"])


if __name__ == "__main__":
    jobs.run(main, inputs=("indices",), outputs=("svg", "png"), shared_folder=True)
