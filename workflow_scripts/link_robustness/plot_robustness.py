"""Draw the reward at one KL against the link's shift.

Inputs: summary, differences, runs (CSV tables), reference_samples (parquet). Outputs: svg, png.
Spec: methods, baseline, kappa.
"""

from prefgrid.figures import style
from prefgrid.files import reading, records, table_rows
from prefgrid.job import jobs
from prefgrid.statistics import reference
from prefgrid.studies.link_robustness.figures import robustness

TABLES = {
    "summary": table_rows.Summary,
    "differences": table_rows.Difference,
    "runs": table_rows.Run,
}


def main(job: jobs.Job) -> None:
    samples = reading.read_parquet(
        job.inputs["reference_samples"], records.ReferenceSample, columns=["prompt_id", "reward"]
    )
    drawn = robustness.draw(
        *(reading.read_csv(job.inputs[name], kind) for name, kind in TABLES.items()),
        reference.summarise(samples),
        job.spec["methods"],
        job.spec["baseline"],
        job.spec["kappa"],
    )
    style.save(drawn, job.outputs["svg"], job.outputs["png"])


if __name__ == "__main__":
    jobs.run(
        main,
        inputs=(*TABLES, "reference_samples"),
        outputs=("svg", "png"),
        shared_folder=True,
    )
