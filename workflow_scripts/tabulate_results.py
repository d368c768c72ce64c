"""Tabulate a grid: reward at one KL, differences to the baseline, index calibration.

Inputs: evaluations (CSV), samples, indices (parquet), all of the whole grid; reference_samples
(parquet). Outputs: summary, differences, calibration, runs (CSV).
Spec: methods, seeds, baseline, kappa.
"""

import pandas

from prefgrid import jobs, store
from prefgrid.statistics import calibration, comparison, reference

SAMPLE_COLUMNS = [*comparison.RUN, "beta", "prompt_id", "reward", "kl_nats"]


def main(job: jobs.Job) -> None:
    methods, kappa = job.spec["methods"], job.spec["kappa"]
    base = reference.summarise(
        pandas.read_parquet(job.inputs["reference_samples"], columns=["prompt_id", "reward"])
    )
    runs = comparison.runs_at_kl(pandas.read_csv(job.inputs["evaluations"]), kappa, base)
    samples = pandas.read_parquet(job.inputs["samples"], columns=SAMPLE_COLUMNS)
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
