"""Marks of the study's tables, the same in several figures."""

import numpy as np
import pandas as pd

from prefgrid.figures.intervals import Point
from prefgrid.figures.style import MethodStyle


def point(row: pd.Series, column: str, x: float, seeds: np.ndarray, style: MethodStyle) -> Point:
    """The point of one table row whose columns start with `column`."""
    return Point(
        x=x,
        mean=row[column],
        over_seeds=(row[f"{column}_seeds_low"], row[f"{column}_seeds_high"]),
        over_prompts=(
            row[f"{column}_prompts_low_given_seeds"],
            row[f"{column}_prompts_high_given_seeds"],
        ),
        style=style,
        seeds=seeds,
    )
