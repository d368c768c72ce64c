"""Draw reward against KL, one panel a shift.

Inputs: evaluations (CSV of the whole grid), reference_samples (parquet). Outputs: svg, png.
Spec: methods, baseline, kappa, samples (a prompt, of the scans).
"""

from prefgrid.figures import style
from prefgrid.files import reading, records
from prefgrid.job import jobs
from prefgrid.statistics import oracle, reference
from prefgrid.studies.link_robustness.figures import frontier


def main(job: jobs.Job) -> None:
    samples = reading.read_parquet(
        job.inputs["reference_samples"],
        records.ReferenceSample,
        columns=["prompt_id", "sample", "reward"],
    )
    noise = reference.scan_noise(samples, job.spec["samples"])
    drawn = frontier.draw(
        reference.controlled_evaluations(
            reading.read_csv(job.inputs["evaluations"], records.Evaluation), noise
        ),
        reference.summarise(samples),
        oracle.drawable(samples),
        job.spec["methods"],
        job.spec["baseline"],
        job.spec["kappa"],
    )
    style.save(drawn, job.outputs["svg"], job.outputs["png"])


if __name__ == "__main__":
    jobs.run(
        main,
        inputs=("evaluations", "reference_samples"),
        outputs=("svg", "png"),
        shared_folder=True,
    )
