"""One look for every figure: Okabe–Ito colours, one per method everywhere, reproducible bytes.

Figures are built without pyplot, so no global state and no display is involved.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.style

# The first six are from Okabe & Ito, "Color Universal Design" (2008). The others were chosen so that
# simulated protanopia, deuteranopia and tritanopia (Machado et al. 2009) leave every two colours
# at least 14 CIELAB units apart.
FAMILY_COLOURS = {
    "dpo": "#0072B2",
    "pspo": "#E69F00",
    "ospo": "#009E73",
    "rspo": "#CC79A7",
    "ipo": "#D55E00",
    "robust_dpo": "#56B4E9",
    "cdpo": "#332288",
    "hinge": "#5C3A0A",
    "simpo": "#B8B04A",
}
# How a family is written, where it is not its label in capitals.
FAMILY_NAMES = {
    "robust_dpo": "Robust DPO",
    "cdpo": "cDPO",
    "hinge": "Hinge",
    "simpo": "SimPO",
    "true_link": "True link",
    "softpo": "SoftPO",
    "reinforce": "REINFORCE",
}
# Of families that are not listed above, in the order in which they come.
SPARE_COLOURS = ("#882255", "#6B6B6B", "#117733")
INK = "#1F2430"
QUIET = "#7B8190"
HAIRLINE = "#E3E5EA"
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "p", "h")
PUBLISHED = "published"
PUBLISHED_LINE = (0, (5, 1.6))
# First entry: the plain method; the others: further variants (`ipo_mean`, …) in order.
LINES = ("-", (0, (1.4, 1.4)), (0, (6, 1.5, 1.2, 1.5)))
VARIANT_MARKERS = ("d", "H", "8")

# A report column is about 7.5 inches wide; text stays readable at that width.
WIDTH_INCHES = 9.0

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
    family, variant = _parts(label)
    if family not in FAMILY_COLOURS and family not in FAMILY_NAMES:
        return FAMILY_NAMES.get(label, label.replace("_", " "))
    name = FAMILY_NAMES.get(family, family.upper())
    return f"{name} ({variant.replace('_', ' ')})" if variant else name


def method_styles(methods: Sequence[str]) -> dict[str, MethodStyle]:
    """Style of every label. Pass the study's whole list, so that all figures agree.

    Labels of a family (`ospo`, `ospo_published`, `ospo_orthogonal`) share its colour. The plain one
    is solid and filled; the published one has the same marker, hollow, on a dashed line; each
    further variant has a marker and a line of its own.
    """
    colours = dict(FAMILY_COLOURS)
    members: dict[str, list[str]] = {}
    for label in methods:
        family = _parts(label)[0]
        if family not in colours:
            colours[family] = SPARE_COLOURS[
                (len(colours) - len(FAMILY_COLOURS)) % len(SPARE_COLOURS)
            ]
        members.setdefault(family, []).append(label)
    families = list(colours)
    styles = {}
    for family, labels in members.items():
        look = {"colour": colours[family], "marker": MARKERS[families.index(family) % len(MARKERS)]}
        others = [label for label in labels if _parts(label)[1] != PUBLISHED]
        for label in set(labels) - set(others):
            styles[label] = MethodStyle(
                display_name(label), line=PUBLISHED_LINE, filled=False, **look
            )
        for place, label in enumerate(sorted(others, key=lambda label: label != family)):
            if place:
                look["marker"] = VARIANT_MARKERS[(place - 1) % len(VARIANT_MARKERS)]
            line = LINES[place % len(LINES)]
            styles[label] = MethodStyle(display_name(label), line=line, filled=not place, **look)
    return {label: styles[label] for label in methods}


def _parts(label: str) -> tuple[str, str]:
    """(family, variant): the longest known family that the label starts with, else its first word."""
    known = [name for name in FAMILY_COLOURS if f"{label}_".startswith(f"{name}_")]
    family = max(known, key=len, default=label.partition("_")[0])
    return family, label[len(family) + 1 :]


def theme():
    """Context in which figures are built and saved; a personal matplotlibrc changes nothing."""
    return matplotlib.style.context(["default", RC])
