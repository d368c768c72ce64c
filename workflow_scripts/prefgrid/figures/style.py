"""One look for every figure: Okabe–Ito colours, one per method everywhere, reproducible bytes.

Figures are built without pyplot, so no global state and no display is involved.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from prefgrid import store

# Okabe & Ito, "Color Universal Design" (2008): distinguishable with any colour vision.
FAMILY_COLOURS = {"dpo": "#0072B2", "pspo": "#E69F00", "ospo": "#009E73", "rspo": "#CC79A7"}
SPARE_COLOURS = ("#D55E00", "#56B4E9", "#7A5195", "#8C6D1F", "#6B6B6B")
INK = "#1F2430"
QUIET = "#7B8190"
HAIRLINE = "#E3E5EA"
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
# First entry: the plain method; the others: its variants (`pspo_published`, …) in order.
LINES = ("-", (0, (5, 1.6)), (0, (1.4, 1.4)), (0, (6, 1.5, 1.2, 1.5)))

# A report column is about 7.5 inches wide; text stays readable at that width.
WIDTH_INCHES = 9.0
PNG_DPI = 160

RC = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": INK,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.labelsize": 10,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": HAIRLINE,
    "grid.linewidth": 0.8,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "lines.linewidth": 2.0,
    "lines.solid_capstyle": "round",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "prefgrid",
}


@dataclass(frozen=True)
class MethodStyle:
    """How a method is drawn and named, in every figure."""

    name: str
    colour: str
    line: str | tuple
    marker: str
    filled: bool


def display_name(label: str) -> str:
    """`pspo_published` → "PSPO (published)"; an unknown family keeps its own spelling."""
    family, _, variant = label.partition("_")
    if family not in FAMILY_COLOURS:
        return label.replace("_", " ")
    return f"{family.upper()} ({variant.replace('_', ' ')})" if variant else family.upper()


def method_styles(methods: Sequence[str]) -> dict[str, MethodStyle]:
    """Style of every label. Pass the study's whole list, so that all figures agree.

    Variants of a family (`pspo`, `pspo_published`) share its colour and marker shape; the plain
    one is solid and filled, later ones are dashed and hollow.
    """
    colours = dict(FAMILY_COLOURS)
    members: dict[str, list[str]] = {}
    for label in methods:
        family = label.partition("_")[0]
        if family not in colours:
            colours[family] = SPARE_COLOURS[
                (len(colours) - len(FAMILY_COLOURS)) % len(SPARE_COLOURS)
            ]
        members.setdefault(family, []).append(label)
    families = list(colours)
    styles = {}
    for family, labels in members.items():
        for position, label in enumerate(sorted(labels, key=lambda label: label != family)):
            styles[label] = MethodStyle(
                name=display_name(label),
                colour=colours[family],
                line=LINES[position % len(LINES)],
                marker=MARKERS[families.index(family) % len(MARKERS)],
                filled=position == 0,
            )
    return {label: styles[label] for label in methods}


def theme():
    """Context in which figures are built and saved."""
    return matplotlib.rc_context(RC)


def save(figure: Figure, svg: Path | str, png: Path | str) -> None:
    """Write both files atomically; the same figure gives the same bytes."""
    metadata = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}
    with theme():
        for path, kind in ((svg, "svg"), (png, "png")):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=kind, dpi=PNG_DPI, metadata=metadata[kind])
            with store.replacing(path) as temporary:
                temporary.write_bytes(buffer.getvalue())
