"""What the study's tables and figures read its evaluations as: one value a run and look.

A run is a (method, reference, β, target) of one seed. Where targets are named in the prompt, a run has many
of them and counts as two: what it is worth on those that it was trained on, and on others.
"""

from typing import Any

import pandas as pd

# What tells runs of a method apart, beside the seed. target: MANY where there are many.
GROUPS = ["reference", "beta", "target", "split"]
MANY = "many"
VALUES = (
    "tv",
    "valid_mass",
    "reward",
    "p_target",
    "kl_to_reference_nats",
    "kl_from_optimum_nats",
)
# A run below and above these has reached the optimum.
TV_REACHED, VALID_MASS_REACHED = 0.10, 0.97


def grouped(table: pd.DataFrame, many: Any) -> pd.DataFrame:
    """A gathered table with GROUPS as its runs have them. many: the setting, null or not."""
    return table if many is None else table.assign(target=MANY)


def looks(evaluations: pd.DataFrame, many: Any) -> pd.DataFrame:
    """Of gathered `evaluations`, one row a run and step, means over the targets of each split.

    Columns: method, GROUPS, seed, step, epoch, samples, seconds (NaN if not measured), VALUES, kept.
    """
    keys = ["method", *GROUPS, "seed", "step"]
    shared = ["epoch", "samples", "seconds", *VALUES, "kept"]
    rows = grouped(evaluations, many).astype({"seconds": float, "kept": float})
    found = rows.groupby(keys, sort=False)[shared].mean().reset_index()
    return found.astype({"samples": int, "kept": bool})


def reached(runs: pd.DataFrame) -> pd.Series:
    """Whether each row of `looks` is one of a policy that has reached the optimum."""
    return (runs["tv"] < TV_REACHED) & (runs["valid_mass"] > VALID_MASS_REACHED)
