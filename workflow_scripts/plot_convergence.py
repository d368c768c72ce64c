"""Draw the reward at one KL against the number of preference pairs.

Inputs: summary, runs (CSV tables), reference_samples (parquet). Outputs: svg, png.
Spec: methods, kappa.
"""

import pandas

from prefgrid import jobs
from prefgrid.figures import convergence, style
from prefgrid.statistics import reference


def main(job: jobs.Job) -> None:
    samples = pandas.read_parquet(job.inputs["reference_samples"], columns=["prompt_id", "reward"])
    drawn = convergence.draw(
        pandas.read_csv(job.inputs["summary"]),
        pandas.read_csv(job.inputs["runs"]),
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
