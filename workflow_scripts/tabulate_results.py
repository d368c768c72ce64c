"""Tabulate a grid: reward at one KL, differences to the baseline, index calibration.

Inputs: evaluations (CSV), samples, indices (parquet), all of the whole grid; reference_samples
(parquet). Outputs: summary, differences, calibration, runs (CSV).
Spec: methods, seeds, baseline, kappa, samples (a prompt, of the scans).
"""

import pandas

from prefgrid import jobs, store
from prefgrid.statistics import calibration, comparison, reference

SAMPLE_COLUMNS = [*comparison.RUN, "beta", "prompt_id", "reward", "kl_nats"]


def main(job: jobs.Job) -> None:
    methods, kappa = job.spec["methods"], job.spec["kappa"]
    reference_samples = pandas.read_parquet(
        job.inputs["reference_samples"], columns=["prompt_id", "sample", "reward"]
    )
    base = reference.summarise(reference_samples)
    noise = reference.scan_noise(reference_samples, job.spec["samples"])
    evaluations = reference.controlled_evaluations(
        pandas.read_csv(job.inputs["evaluations"]), noise
    )
    samples = reference.controlled_samples(
        pandas.read_parquet(job.inputs["samples"], columns=SAMPLE_COLUMNS), noise
    )
    runs = comparison.runs_at_kl(evaluations, kappa, base)
    prompt_values = comparison.prompts_at_kl(samples, kappa, base)
    indices = pandas.read_parquet(job.inputs["indices"])
    tables = {
        "summary": comparison.summarise(
            runs, prompt_values, base, kappa, methods, job.spec["seeds"]
        ),
        "differences": comparison.differences(
            runs, prompt_values, base, methods, job.spec["baseline"]
        ),
        "calibration": calibration.table(indices, methods),
        "runs": runs,
    }
    for name, table in tables.items():
        store.write_csv(job.outputs[name], table)
    missing = int(runs["reward"].isna().sum())
    store.log(f"{len(runs)} runs, {missing} of them do not reach KL {kappa:g}")


if __name__ == "__main__":
    jobs.run(
        main,
        inputs=("evaluations", "samples", "indices", "reference_samples"),
        outputs=("summary", "differences", "calibration", "runs"),
    )
