"""How judges and what they are measured on are named and coloured, in the section and all figures."""

from collections.abc import Sequence

import pandas as pd

from prefgrid.figures.style import FAMILY_COLOURS, MARKERS

NAMES = {"bt": "Bradley–Terry", "gpm": "GPM"}


def display_name(label: str) -> str:
    return NAMES.get(label, label.replace("_", " "))


def looks(labels: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Label → (colour, marker); of many labels colours come again, with other markers."""
    colours = list(FAMILY_COLOURS.values())
    return {
        label: (colours[place % len(colours)], MARKERS[place % len(MARKERS)])
        for place, label in enumerate(labels)
    }


def over_seeds(summary: pd.DataFrame, column: str) -> pd.Series:
    """(judge, on) → mean over seeds."""
    return summary.groupby(["judge", "on"], sort=False)[column].mean()
