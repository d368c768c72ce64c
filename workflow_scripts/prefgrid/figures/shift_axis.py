"""An axis with a place for each link shift, as figures of every study that has shifts draw it."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from prefgrid.figures.style import QUIET

# Of a shift's place, what the marks of all methods may take.
WIDTH_OF_A_SHIFT = 0.66


def shift_axis(axis: Axes, shifts: Sequence[float]) -> None:
    axis.set_xticks(range(len(shifts)), [f"{shift:g}" for shift in shifts])
    axis.set_xlim(-0.5, len(shifts) - 0.5)
    axis.set_xlabel("Link shift s (0 = logistic)")
    axis.grid(axis="x", visible=False)
    for boundary in np.arange(len(shifts) - 1) + 0.5:
        axis.axvline(boundary, color=QUIET, linewidth=0.6, alpha=0.5)
