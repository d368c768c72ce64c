"""Where a preference model puts responses: the angle of an embedding decides who beats whom."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from prefgrid.figures.layout import frame
from prefgrid.figures.style import INK, QUIET, theme
from prefgrid.files.reading import read_table
from prefgrid.studies.pairwise_judges.names import looks

READS = ("embeddings",)
USES = ("ring",)
TITLE = "The ring of responses"
CAPTION = (
    "Embeddings of the measured responses in the plane that counts most in the logits, of the first seed, "
    "coloured by kind where the comparisons name one. A response beats those that lie up to half a turn "
    "ahead of it, counter-clockwise, and loses to those behind: the logit is the product of both lengths and "
    "the sine of the angle between. So three kinds a third of a turn apart beat each other in a ring, which no "
    "score can say. Right: how many responses have which angle."
)
PANEL_INCHES = 3.6
BINS = 48
UNIT = {"color": QUIET, "linewidth": 0.9, "linestyle": (0, (4, 2)), "zorder": 1}
UNNAMED = "responses"


def figure(files: Mapping[str, list[Path]], spec: Mapping[str, Any]) -> Figure:
    """From the files that READS names and the settings that USES names."""
    return draw(read_table(*files["embeddings"]), spec["ring"])


def plane(embeddings: pd.DataFrame) -> tuple[np.ndarray, int, float]:
    """([N, 2] coordinates with the gate's scale in them, number of the plane, its share of all).

    The plane whose λ·|v|² is largest on average. embeddings: of `embed_responses`.
    """
    planes = [name for name in embeddings if name.startswith("scale")]
    found = []
    for number in range(1, len(planes) + 1):
        pair = embeddings[[f"v{2 * number - 1}", f"v{2 * number}"]].to_numpy(np.float64)
        root = np.sqrt(embeddings[f"scale{number}"].to_numpy(np.float64))
        found.append(root[:, None] * pair)
    sizes = np.array([(pair**2).sum(axis=1).mean() for pair in found])
    best = int(sizes.argmax())
    return found[best], best + 1, float(sizes[best] / sizes.sum())


def draw(embeddings: pd.DataFrame, ring: Mapping[str, str]) -> Figure:
    """The plane, and beside it the angles; ring: `model` and `comparisons`, by their labels."""
    pairs, number, share = plane(embeddings)
    kinds = embeddings["kind"].replace("", UNNAMED).astype(str)
    styles = looks(sorted(kinds.unique()))
    handles = [
        Line2D([], [], color=colour, marker=marker, linestyle="", markersize=5, label=kind)
        for kind, (colour, marker) in styles.items()
    ]
    with theme():
        figure, axes = frame(
            [PANEL_INCHES],
            2,
            TITLE,
            f"{ring['model']} trained on {ring['comparisons']}, {len(pairs):,} responses; plane {number}, "
            f"with {share:.0%} of the squared length".replace("%", " %"),
            [handles],
            column_gap=0.75,
            share_y=False,
        )
        left, right = axes[0]
        for kind, (colour, marker) in styles.items():
            own = pairs[(kinds == kind).to_numpy()]
            left.scatter(
                *own.T, s=9, color=colour, marker=marker, alpha=0.5, linewidths=0, zorder=3
            )
            angles = np.degrees(np.arctan2(own[:, 1], own[:, 0]))
            edges = np.linspace(-180, 180, BINS + 1)
            right.hist(angles, edges, color=colour, alpha=0.5, label=kind)
        _unit(left, float(np.hypot(*pairs.T).max()))
        right.set_xlim(-180, 180)
        right.set_xticks([-180, -90, 0, 90, 180], ["−180°", "−90°", "0°", "90°", "180°"])
        right.yaxis.set_major_locator(MaxNLocator(integer=True))
        right.set_xlabel("Angle")
        right.set_ylabel("Responses")
        return figure


def _unit(axis: Axes, radius: float) -> None:
    """Axes through 0, and the circle of the longest embedding."""
    turn = np.linspace(0, 2 * np.pi, 200)
    axis.plot(radius * np.cos(turn), radius * np.sin(turn), **UNIT)
    axis.plot([0], [0], marker="+", color=INK, markersize=8)
    limit = 1.1 * radius if radius else 1.0
    axis.set_xlim(-limit, limit)
    axis.set_ylim(-limit, limit)
    axis.set_aspect("equal", adjustable="box")
    axis.set_xlabel("First coordinate")
    axis.set_ylabel("Second coordinate")
