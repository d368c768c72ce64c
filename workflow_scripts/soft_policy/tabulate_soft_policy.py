"""Tabulate the soft-policy study: how near every method comes to the optimum, and what its Q̂0 is worth.

Inputs: evaluations, estimates (CSV), answers (parquet), all of the whole grid.
Outputs: summary, differences (CSV).
Spec: methods, baseline, seeds, many (null, or targets named in the prompt), sources (which models and
data: names and words, on every row, so that rows of several runs may stand together).
"""

import numpy
import pandas

from prefgrid.files import reading, store
from prefgrid.job import jobs
from prefgrid.statistics import contrasts
from prefgrid.studies.soft_policy.looks import GROUPS, TV_REACHED, VALUES, grouped, looks, reached

CELL = ["method", *GROUPS]


def main(job: jobs.Job) -> None:
    spec, many = job.spec, job.spec["many"]
    runs = looks(reading.read_table(job.inputs["evaluations"]), many)
    estimates = grouped(reading.read_table(job.inputs["estimates"]), many)
    answers = reading.read_table(job.inputs["answers"])
    aims = grouped(answers[answers["number"] == answers["target"]], many)
    kept = runs[runs["kept"]]
    store.log(f"{len(kept)} runs, {int(reached(kept).sum())} of them reach the optimum")
    tables = {
        "summary": summary(runs, estimates, aims, spec["methods"], spec["seeds"]),
        "differences": differences(kept, spec["methods"], spec["baseline"]),
    }
    for name, table in tables.items():
        store.write_csv(job.outputs[name], table.assign(**spec["sources"]))


def summary(
    runs: pandas.DataFrame,
    estimates: pandas.DataFrame,
    aims: pandas.DataFrame,
    methods: list[str],
    seeds: int,
) -> pandas.DataFrame:
    """One row a cell of the grid. Of the weights that are kept: mean and t interval over seeds of each value,
    and the share of seeds that reach the optimum. Samples drawn until a look finds TV below `TV_REACHED`,
    where every seed gets there. The estimate of Q̂0 that is farthest off, of all seeds, epochs and targets.

    runs: of `looks`. aims: of the answers, those that are their target.
    """
    kept = runs[runs["kept"]]
    run = [*CELL, "seed"]
    near = runs[runs["tv"] < TV_REACHED].groupby(run)["samples"].min()
    kept = kept.assign(reached=reached(kept)).join(near.rename("samples_to_tv"), on=run)
    cells = kept.groupby(CELL)
    over_seeds = {
        value: contrasts.over_seeds(kept, value, GROUPS, methods, range(seeds)).set_index(CELL)
        for value in (*VALUES, "samples_to_tv")
    }
    counts = over_seeds["tv"][["seeds", "seeds_missing"]]
    parts = [counts, cells["reached"].mean().rename("seeds_reached_share")]
    for value, table in over_seeds.items():
        ends = {"mean": value, "low": f"{value}_low", "high": f"{value}_high"}
        # The mean of the fast ones alone would be too low.
        parts.append(
            table[list(ends)].rename(columns=ends).where(table["seeds"] == counts["seeds"])
        )
    parts += [
        aims.groupby(CELL)["p_optimum"].mean().rename("p_target_optimum"),
        farthest_off(estimates),
    ]
    trained = [cell for cell in counts.index if cell in cells.groups]
    return pandas.concat([part.reindex(trained) for part in parts], axis=1).reset_index()


def farthest_off(estimates: pandas.DataFrame) -> pandas.DataFrame:
    """Of each cell the estimate whose targets are most wrong: by `value_shift_nats` each, the log of its
    `feasibility`. NaN where no estimate is known."""
    shifts = (estimates["exact"] - estimates["value"]) / estimates["step_beta"]
    rows = estimates.assign(
        value_error=estimates["value"] - estimates["exact"],
        value_shift_nats=shifts,
        size=shifts.abs().fillna(-1.0),
    )
    worst = rows.loc[rows.groupby(CELL)["size"].idxmax()].set_index(CELL)
    return worst[["estimator", "value", "value_error", "value_shift_nats", "feasibility"]]


def differences(kept: pandas.DataFrame, methods: list[str], baseline: str) -> pandas.DataFrame:
    """Paired differences in TV of every method to the baseline, where both are trained."""
    table = contrasts.paired(kept, "tv", GROUPS, [(methods, baseline)])
    trained = set(kept[CELL].itertuples(index=False, name=None))
    both = [
        {(method, *group), (baseline, *group)} <= trained
        for method, *group in table[CELL].itertuples(index=False, name=None)
    ]
    return table[numpy.array(both, dtype=bool)].reset_index(drop=True)


if __name__ == "__main__":
    jobs.run(
        main,
        inputs=("evaluations", "estimates", "answers"),
        outputs=("summary", "differences"),
    )
