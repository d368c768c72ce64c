"""Tabulate all runs of self-play: what each of their policies is worth, over seeds, and at equal KL.

Inputs: run_iterations, run_contests, run_classes, run_best_of (CSV), run_prompts (parquet), run_selection
(JSON), as `measure_run` makes them; of every run, in the order of the spec's.
Outputs: iterations, contests, classes, selected, summary, equal_kl, best_of (CSV).
Spec: runs (their axes method, judge, seed), seeds, baseline (a method), kappas (nats), sources (which
models and data: names and words, on every row).
"""

from typing import Any

import numpy
import pandas

from prefgrid.files import reading, store
from prefgrid.job import jobs
from prefgrid.statistics.contrasts import over_seeds
from prefgrid.studies.self_play import equal_kl

# Shares, whose intervals are cut to [0, 1].
RATES = ("win_base", "win_previous", "lc_win_base", "training_win_base")
SUMMARISED = (
    *("kl_base_nats", *RATES, "judge_gap", "tokens", "characters"),
    *("entropy_per_token_nats", "exploitability", "exploitability_change", "loss"),
)
GROUPS = ["judge", "iteration", "average"]


def main(job: jobs.Job) -> None:
    spec = job.spec
    found = {
        name: _together(job, name) for name in ("iterations", "contests", "classes", "best_of")
    }
    chosen = [reading.read_json(path, dict[str, Any]) for path in job.inputs["run_selection"]]
    tables = found | {
        "selected": pandas.DataFrame(
            [{**run, **one} for run, one in zip(spec["runs"], chosen, strict=True)]
        ),
        "summary": summary(found["iterations"], spec["seeds"]),
        "equal_kl": equal_kl.table(
            _together(job, "prompts"),
            spec["runs"],
            spec["seeds"],
            spec["baseline"],
            spec["kappas"],
        ),
    }
    for name, table in tables.items():
        store.write_csv(job.outputs[name], table.assign(**spec["sources"]))


def summary(iterations: pandas.DataFrame, seeds: list[int]) -> pandas.DataFrame:
    """One row a (method, judge, iteration, average): of each of SUMMARISED and of scores the mean over seeds with
    its t interval, `…_low/high`."""
    keys = ["method", *GROUPS]
    methods = list(dict.fromkeys(iterations["method"]))
    # Not every method is of every judge.
    table = iterations[keys].drop_duplicates()
    labels = [name.removeprefix("score_") for name in iterations if name.startswith("score_")]
    scored = [f"{kind}_{label}" for label in labels for kind in ("score", "change")]
    for name in (*SUMMARISED, *scored):
        ends = {"mean": name, "low": f"{name}_low", "high": f"{name}_high"}
        # A study without classes has no exploitability.
        own = iterations if name in iterations else iterations.assign(**{name: numpy.nan})
        means = over_seeds(own, name, GROUPS, methods, seeds).rename(columns=ends)
        if name in RATES:
            means[[ends["low"], ends["high"]]] = means[[ends["low"], ends["high"]]].clip(0, 1)
        counts = ["seeds", "seeds_missing"] if name == SUMMARISED[0] else []
        table = table.merge(means[[*keys, *counts, *ends.values()]], how="left")
    return table


def _together(job: jobs.Job, name: str) -> pandas.DataFrame:
    """The runs' tables as one; an empty one has no part in it."""
    tables = [reading.read_table(path) for path in job.inputs[f"run_{name}"]]
    filled = [table for table in tables if len(table)]
    return pandas.concat(filled, ignore_index=True) if filled else tables[0]


if __name__ == "__main__":
    jobs.run(
        main,
        inputs=(
            *("run_iterations*", "run_contests*", "run_classes*", "run_best_of*"),
            *("run_prompts*", "run_selection*"),
        ),
        outputs=(
            *("iterations", "contests", "classes", "selected"),
            *("summary", "equal_kl", "best_of"),
        ),
    )
