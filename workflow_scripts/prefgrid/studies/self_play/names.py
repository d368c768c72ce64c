"""How methods, judges and policies of self-play are named and drawn, in the section and all figures."""

from collections.abc import Sequence
from dataclasses import replace

from prefgrid.figures import style
from prefgrid.figures.style import MethodStyle

NAMES = {
    "sppo": "SPPO",
    "sppo_single": "SPPO (single)",
    "sppo_hard": "SPPO (hard)",
    "gpo": "GPO",
    "kto_pair": "KTO (pairs)",
    "iterated_dpo": "iterated DPO",
    "iterated_ipo": "iterated IPO",
}
# Wide enough for a number inside.
MARKERS = ("o", "s", "D", "h", "p", "8")


def display_name(method: str) -> str:
    return NAMES.get(method, style.display_name(method))


def judge_name(label: str) -> str:
    return label.replace("_", " ")


def run_name(method: str, judge: str) -> str:
    return f"{display_name(method)} with {judge_name(judge)}"


def policy_name(iteration: int, *, average: bool) -> str:
    if average:
        return f"average of 1 to {iteration}"
    return f"iterate {iteration}" if iteration else "base"


def styles(methods: Sequence[str]) -> dict[str, MethodStyle]:
    """Style of every label; the study's whole list, so that all figures agree."""
    return {
        label: replace(
            own, name=display_name(label), marker=MARKERS[place % len(MARKERS)], filled=True
        )
        for place, (label, own) in enumerate(style.method_styles(methods).items())
    }
