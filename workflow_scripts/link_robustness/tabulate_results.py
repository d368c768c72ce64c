"""Tabulate a grid: reward at one KL, differences to the baseline, calibration, what labels can tell.

Inputs: evaluations (CSV), samples, indices (parquet), all of the whole grid; reference_samples
(JSONL of scored groups, one a prompt); rewards (JSONL of scored groups of two, one file a seed).
Outputs: summary, differences, calibration, identifiability, runs (CSV).
Spec: methods, seeds, shifts, n, link_temperature, baseline, kappa, samples (a prompt, of the scans).
"""

import numpy
import pandas

from prefgrid.data import preferences
from prefgrid.files import reading, store
from prefgrid.job import jobs
from prefgrid.statistics import calibration, comparison, identifiability, prompts, reference
from prefgrid.studies.link_robustness import inputs

SAMPLE_COLUMNS = [*prompts.RUN, "beta", "prompt_id", "reward", "kl_nats"]


def main(job: jobs.Job) -> None:
    spec = job.spec
    methods, kappa = spec["methods"], spec["kappa"]
    reference_samples = inputs.reference_samples(
        [job.inputs["reference_samples"]], ["prompt_id", "sample", "reward"]
    )
    base = reference.summarise(reference_samples)
    noise = reference.scan_noise(reference_samples, spec["samples"])
    evaluations = reference.controlled_evaluations(
        reading.read_table(job.inputs["evaluations"]), noise
    )
    samples = reference.controlled_samples(
        reading.read_table(job.inputs["samples"], SAMPLE_COLUMNS),
        noise,
    )
    runs = comparison.runs_at_kl(evaluations, kappa, base)
    by_prompt = prompts.prompts_at_kl(samples, kappa, base)
    tables = {
        "summary": comparison.summarise(runs, by_prompt, base, kappa, methods, spec["seeds"]),
        "differences": comparison.differences(runs, by_prompt, base, methods, spec["baseline"]),
        "calibration": calibration.table(reading.read_table(job.inputs["indices"]), methods),
        "identifiability": identifiability.table(
            utilities(inputs.scored_pairs(job.inputs["rewards"])),
            spec["shifts"],
            spec["n"],
            spec["link_temperature"],
        ),
        "runs": runs.join(by_prompt.of_runs(), on=prompts.RUN),
    }
    for name, table in tables.items():
        store.write_csv(job.outputs[name], table)
    missing = int(runs["reward"].isna().sum())
    store.log(f"{len(runs)} runs, {missing} of them do not reach KL {kappa:g}")


def utilities(pairs: pandas.DataFrame) -> dict[int, numpy.ndarray]:
    """Seed → u of its pairs, as they were labelled: the first n are the training set of size n."""
    found = {}
    for seed, own in pairs.groupby("seed"):
        first, second = own["reward_0"].to_numpy(), own["reward_1"].to_numpy()
        found[int(seed)] = (second - first) * preferences.reward_scale(first, second)
    return found


if __name__ == "__main__":
    jobs.run(
        main,
        inputs=("evaluations", "samples", "indices", "reference_samples", "rewards*"),
        outputs=("summary", "differences", "calibration", "identifiability", "runs"),
    )
