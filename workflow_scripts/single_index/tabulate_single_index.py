"""Tabulate the single-index study: rewards at one KL, paired differences, what labels can tell.

Inputs: runs, evidence (CSV), curves (parquet), all of the whole grid.
Outputs: summary, differences, identifiability (CSV).
Spec: methods, baseline, variants (pairs [label, label it is compared with]), seeds, kappas (a row of
each), sources (which run: names and words, on every row).
"""

import pandas

from prefgrid.files import reading, store
from prefgrid.job import jobs
from prefgrid.statistics import area, contrasts
from prefgrid.studies.single_index.names import GROUPS, ORACLE

VALUES = ("reward", "mean_height", "index_correlation", "pair_accuracy")
EVIDENCE = ["excess_kl_nats", "evidence_nats", "bayes_accuracy", "power"]


def main(job: jobs.Job) -> None:
    spec = job.spec
    runs = reading.read_table(job.inputs["runs"])
    curves = reading.read_table(job.inputs["curves"])

    def at(kappa_nats: float) -> dict[str, pandas.DataFrame]:
        """The tables of rewards at one KL."""
        heights = area.mean_heights(curves, "avg_reward", GROUPS, kappa_nats)
        limits = heights.groupby(GROUPS)[["area_kl_low", "area_kl_high"]].first().reset_index()
        own = runs[runs["kappa_nats"] == kappa_nats]
        own = own.merge(heights, on=["method", "seed", *GROUPS], validate="one_to_one")
        missing = int(own["reward"].isna().sum())
        store.log(f"{len(own)} runs, {missing} of them do not reach KL {kappa_nats:g}")
        found = {
            "summary": summary(own, [*spec["methods"], ORACLE], spec["seeds"]).merge(
                limits, on=GROUPS
            ),
            "differences": differences(own, spec["methods"], spec["baseline"], spec["variants"]),
        }
        for table in found.values():
            table.insert(1 + len(GROUPS), "kappa_nats", kappa_nats)
        return found

    at_each = [at(kappa_nats) for kappa_nats in spec["kappas"]]
    evidence = reading.read_table(job.inputs["evidence"]).groupby(GROUPS)
    tables = {
        **{
            name: pandas.concat([tables[name] for tables in at_each], ignore_index=True)
            for name in at_each[0]
        },
        "identifiability": evidence[EVIDENCE].mean().assign(seeds=evidence.size()).reset_index(),
    }
    for name, table in tables.items():
        store.write_csv(job.outputs[name], table.assign(**spec["sources"]))


def summary(runs: pandas.DataFrame, methods: list[str], seeds: int) -> pandas.DataFrame:
    """One row a cell: mean and t interval over seeds of each value."""
    parts = []
    for value in VALUES:
        means = contrasts.over_seeds(runs, value, GROUPS, methods, range(seeds))
        means = means.set_index(["method", *GROUPS])
        names = {"mean": value, "low": f"{value}_low", "high": f"{value}_high"}
        counts = means[["seeds", "seeds_missing"]] if value == "reward" else None
        parts += [counts, means[list(names)].rename(columns=names)]
    return pandas.concat(parts, axis=1).reset_index()


def differences(
    runs: pandas.DataFrame, methods: list[str], baseline: str, variants: list[list[str]]
) -> pandas.DataFrame:
    """Paired differences in reward: of every method to the baseline, then of the `variants`."""
    pairs = [([label, other], other) for label, other in variants if other != baseline]
    return contrasts.paired(runs, "reward", GROUPS, [(methods, baseline), *pairs])


if __name__ == "__main__":
    jobs.run(
        main,
        inputs=("runs", "curves", "evidence"),
        outputs=("summary", "differences", "identifiability"),
    )
