"""Draw the reward at one KL against the number of preference pairs.

Inputs: summary, runs (CSV tables), reference_samples (parquet). Outputs: svg, png.
Spec: methods, kappa.
"""

from prefgrid.figures import style
from prefgrid.files import reading, records, table_rows
from prefgrid.job import jobs
from prefgrid.statistics import reference
from prefgrid.studies.link_robustness.figures import convergence


def main(job: jobs.Job) -> None:
    samples = reading.read_parquet(
        job.inputs["reference_samples"], records.ReferenceSample, columns=["prompt_id", "reward"]
    )
    drawn = convergence.draw(
        reading.read_csv(job.inputs["summary"], table_rows.Summary),
        reading.read_csv(job.inputs["runs"], table_rows.Run),
        reference.summarise(samples),
        job.spec["methods"],
        job.spec["kappa"],
    )
    style.save(drawn, job.outputs["svg"], job.outputs["png"])


if __name__ == "__main__":
    jobs.run(
        main,
        inputs=("summary", "runs", "reference_samples"),
        outputs=("svg", "png"),
        shared_folder=True,
    )
