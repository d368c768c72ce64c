"""Made-up gathered tables of the soft-policy study, of policies whose measures are known.

A policy lies on the way from the reference to the optimum: π = w·π_ref + (1 − w)·π*, so its TV is w times
the reference's. The reference is uniform or peaked over 12 numbers and writes one with probability 0.99.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import made_up
import numpy as np
import pandas as pd

from prefgrid.files import store
from prefgrid.studies.soft_policy import exact
from prefgrid.studies.soft_policy.looks import GROUPS, looks
from prefgrid.studies.soft_policy.task import NumberTask
from soft_policy import tabulate_soft_policy

TASK = {"lo": 1, "hi": 12, "r_invalid": -1.0}
METHODS = [
    "softpo",
    "softpo_squared",
    "softpo_published",
    "softpo_published_exact",
    "reinforce",
    "dpo",
]
LOOKS = 4
SAMPLES_A_LOOK = 100
VALID = 0.99
# Where a method is at its end; the others reach the optimum.
FAR = {"softpo_squared": 0.9, "softpo_published": 0.5, "softpo_published_exact": 1.0}
RECIPES = {
    "softpo": ("cross_entropy", "exact", [["uniform", 0.5], ["policy", 0.5]]),
    "softpo_squared": ("squared", "exact", [["uniform", 1.0]]),
    "softpo_published": ("published_squared", "published", [["uniform", 1.0]]),
    "softpo_published_exact": ("published_squared", "exact", [["uniform", 1.0]]),
    "reinforce": ("reinforce", "group", [["policy", 1.0]]),
    "dpo": ("dpo", "exact", [["policy", 1.0]]),
}


def reference_logps(kind: str) -> np.ndarray:
    """[12] nats."""
    numbers = np.arange(TASK["lo"], TASK["hi"] + 1)
    heights = np.ones(numbers.size) if kind == "uniform" else np.exp(-np.abs(numbers - 8.0))
    return np.log(VALID * heights / heights.sum())


def weight(method: str, seed: int, look: int) -> float:
    """Of the reference in the policy: 1 before training."""
    end = FAR.get(method, 0.02) * (1 + 0.1 * (seed % 2))
    return 1 + (min(end, 1.0) - 1) * look / LOOKS


def tables(
    methods: Sequence[str] = METHODS,
    references: Sequence[str] = ("uniform", "peaked"),
    betas: Mapping[str, Sequence[float]] | Sequence[float] = (0.1,),
    targets: Sequence[int] = (1,),
    seeds: int = 2,
    many: Mapping[str, int] | None = None,
    seconds: bool = False,
) -> dict[str, pd.DataFrame]:
    """evaluations, values, answers, samples; betas: of all methods, or of each."""
    found: dict[str, list] = {name: [] for name in ("evaluations", "values", "answers", "samples")}
    for method in methods:
        own = betas[method] if isinstance(betas, Mapping) else betas
        cells = [(r, b, t) for r in references for b in own for t in ([None] if many else targets)]
        for reference, beta, target in cells:
            for seed in range(seeds):
                chosen = [(target, "train")]
                if many:
                    order = np.random.default_rng(seed).permutation(TASK["hi"]) + 1
                    chosen = [
                        (int(number), "train" if place < many["trained"] else "test")
                        for place, number in enumerate(order[: many["trained"] + many["tested"]])
                    ]
                cell = {"method": method, "reference": reference, "beta": beta, "seed": seed}
                for number, split in chosen:
                    _run(found, cell | {"target": number, "split": split}, seconds)
    return {name: pd.DataFrame(rows) for name, rows in found.items()}


def _run(found: dict[str, list], run: dict[str, Any], seconds: bool) -> None:
    task = NumberTask(target=run["target"], **TASK)
    known = reference_logps(run["reference"])
    star = exact.optimum(task, known, run["beta"])[:-1]
    method, value = run["method"], RECIPES[run["method"]][1]
    exact_value = float(run["beta"] * (known[0] + task.reward("1") / run["beta"] - star[0]))
    for look in range(LOOKS + 1):
        share = weight(method, run["seed"], look)
        policy = np.log(share * np.exp(known) + (1 - share) * np.exp(star))
        place = {
            "step": 10 * look,
            "epoch": float(look),
            "samples": SAMPLES_A_LOOK * look,
            "seconds": 1.5 * look + 0.1 * run["seed"] if seconds else None,
        }
        measures = exact.metrics(task, known, policy, run["beta"])
        found["evaluations"].append({**run, **place, **measures, "kept": look == LOOKS})
        if run["split"] == "train":
            error = -0.5 - exact_value if value == "published" and look else 0.0
            estimate = {"estimator": value, "step_beta": run["beta"], "value": exact_value + error}
            estimate |= {"standard_error": np.nan, "effective_samples": np.nan}
            with np.errstate(over="ignore"):
                feasibility = float(np.exp(-error / run["beta"]))
            estimate |= {"feasibility": feasibility, "exact": exact_value}
            found["values"].append({**run, **place, **estimate})
    found["answers"] += [
        {
            **run,
            "number": number,
            "p_policy": float(np.exp(policy[row])),
            "p_optimum": float(np.exp(star[row])),
            "p_reference": float(np.exp(known[row])),
        }
        for row, number in enumerate(task.numbers())
    ]
    for when, texts in (("before", ["8", "7", "007"]), ("after", ["1", "", "2"])):
        for sample, text in enumerate(texts):
            number = task.parse(text)
            written = {"sample": sample, "text": text, "number": number}
            written |= {"score": task.reward(text), "logp": -1.0}
            found["samples"].append({**run, "when": when, **written})


def write(folder: Path, made: Mapping[str, pd.DataFrame]) -> dict[str, Path]:
    """As jobs of the workflow leave them."""
    paths = {}
    for name, frame in made.items():
        form = "parquet" if name in ("answers", "samples") else "csv"
        paths[name] = folder / f"{name}.{form}"
        (store.write_parquet if form == "parquet" else store.write_csv)(paths[name], frame)
    made_up.record(*paths.values())
    return paths


def tabulated(
    made: Mapping[str, pd.DataFrame],
    methods: Sequence[str] = METHODS,
    seeds: int = 2,
    many: Any = None,
) -> dict[str, pd.DataFrame]:
    """summary and differences."""
    runs = looks(made["evaluations"], many)
    values, answers = made["values"], made["answers"]
    aims = answers[answers["number"] == answers["target"]]
    if many:
        values, aims = (frame.assign(target="many") for frame in (values, aims))
    return {
        "summary": tabulate_soft_policy.summary(runs, values, aims, list(methods), seeds),
        "differences": tabulate_soft_policy.differences(
            runs[runs["kept"]], list(methods), "softpo"
        ),
    }


def rows(*changes: Mapping[str, Any]) -> pd.DataFrame:
    """Rows of evaluations, each with what differs from a run that has reached the optimum."""
    usual = {"method": "softpo", "reference": "uniform", "beta": 0.01, "seed": 0, "target": 1}
    usual |= {"split": "train", "step": 10, "epoch": 1.0, "samples": 100, "seconds": None}
    usual |= {"tv": 0.02, "valid_mass": 0.99, "reward": -0.01, "kl_to_reference_nats": 3.0}
    usual |= {"kl_from_optimum_nats": 0.01, "p_target": 0.6, "mean_number": 1.5, "kept": True}
    return pd.DataFrame([usual | change for change in changes])


__all__ = ["GROUPS", "METHODS", "RECIPES", "TASK", "rows", "tables", "tabulated", "write"]
