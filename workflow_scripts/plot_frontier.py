"""Draw reward against KL, one panel a shift.

Inputs: evaluations (CSV of the whole grid), reference_samples (parquet). Outputs: svg, png.
Spec: methods, baseline, kappa, samples (a prompt, of the scans).
"""

import pandas

from prefgrid import jobs
from prefgrid.figures import frontier, style
from prefgrid.statistics import oracle, reference


def main(job: jobs.Job) -> None:
    samples = pandas.read_parquet(
        job.inputs["reference_samples"], columns=["prompt_id", "sample", "reward"]
    )
    noise = reference.scan_noise(samples, job.spec["samples"])
    drawn = frontier.draw(
        reference.controlled_evaluations(pandas.read_csv(job.inputs["evaluations"]), noise),
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
