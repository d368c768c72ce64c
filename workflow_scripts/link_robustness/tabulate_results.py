"""Tabulate a grid: reward at one KL, differences to the baseline, calibration, what labels can tell.

Inputs: evaluations (CSV), samples, indices (parquet), all of the whole grid; reference_samples
(JSONL of scored groups, one a prompt); rewards (JSONL of scored groups of two, one file a seed).
Outputs: summary, differences, calibration, identifiability, runs (CSV).
Spec: methods, seeds, shifts, n, link_temperature, identical_responses (keep or drop), baseline,
kappas (a row of each), samples (a prompt, of the scans), sources (which run, models and data: names
and words, on every row, so that rows of several runs may stand together).
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
    methods, baseline = spec["methods"], spec["baseline"]
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

    def at(kappa_nats: float) -> dict[str, pandas.DataFrame]:
        """The tables of rewards at one KL."""
        runs = comparison.runs_at_kl(evaluations, kappa_nats, base)
        by_prompt = prompts.prompts_at_kl(samples, kappa_nats, base)
        missing = int(runs["reward"].isna().sum())
        store.log(f"{len(runs)} runs, {missing} of them do not reach KL {kappa_nats:g}")
        gaps = comparison.differences(runs, by_prompt, base, methods, baseline)
        own = runs.join(by_prompt.of_runs(), on=prompts.RUN)
        gaps.insert(len(prompts.CELL), "kappa_nats", kappa_nats)
        own.insert(len(prompts.RUN), "kappa_nats", kappa_nats)
        return {
            "summary": comparison.summarise(
                runs, by_prompt, base, kappa_nats, methods, spec["seeds"]
            ),
            "differences": gaps,
            "runs": own,
        }

    at_each = [at(kappa_nats) for kappa_nats in spec["kappas"]]
    pairs = inputs.scored_pairs(job.inputs["rewards"])
    evidence = identifiability.table(
        utilities(pairs, drop_identical=spec["identical_responses"] == "drop"),
        spec["shifts"],
        spec["n"],
        spec["link_temperature"],
    )
    tables = {
        **{
            name: pandas.concat([tables[name] for tables in at_each], ignore_index=True)
            for name in at_each[0]
        },
        "calibration": calibration.table(reading.read_table(job.inputs["indices"]), methods),
        "identifiability": evidence.assign(
            identical_share=evidence["n"].map(identical_shares(pairs, spec["n"]))
        ),
    }
    for name, table in tables.items():
        store.write_csv(job.outputs[name], table.assign(**spec["sources"]))


def utilities(pairs: pandas.DataFrame, *, drop_identical: bool) -> dict[int, numpy.ndarray]:
    """Seed → u of its pairs, as they were labelled: the first n are the training set of size n.

    NaN where `drop_identical` keeps a pair from being labelled.
    """
    found = {}
    for seed, own in pairs.groupby("seed"):
        first, second = own["reward_0"].to_numpy(), own["reward_1"].to_numpy()
        own_utilities = (second - first) * preferences.reward_scale(first, second)
        left_out = own["identical"].to_numpy() & drop_identical
        found[int(seed)] = numpy.where(left_out, numpy.nan, own_utilities)
    return found


def identical_shares(pairs: pandas.DataFrame, sizes: list[int]) -> dict[int, float]:
    """n → share of the first n pairs whose two responses are the same text, mean over seeds."""
    by_seed = pairs.groupby("seed")["identical"]
    return {n: float(by_seed.apply(lambda own, n=n: own[:n].mean()).mean()) for n in sizes}


if __name__ == "__main__":
    jobs.run(
        main,
        inputs=("evaluations", "samples", "indices", "reference_samples", "rewards*"),
        outputs=("summary", "differences", "calibration", "identifiability", "runs"),
    )
