"""What a link-robustness study ran, in a few rows."""

from collections.abc import Mapping
from typing import Any

from prefgrid.report.blocks import number
from prefgrid.report.words import compared_at, training_label, values
from prefgrid.statistics.reference import Reference


def rows(
    spec: Mapping[str, Any], names: Mapping[str, str], reference: Reference
) -> list[tuple[str, str]]:
    """(label, value) rows: grid, link, training. `spec` as in `link_robustness.section`; `names`:
    label → display name.
    """

    runs = len(spec["methods"]) * len(spec["seeds"]) * len(spec["shifts"]) * len(spec["n"])
    return [
        ("Methods", ", ".join(names.values())),
        ("Grid", f"{runs} policies, one a method × seed × shift × n"),
        ("Seeds", ", ".join(str(seed) for seed in spec["seeds"])),
        (
            "Link",
            f"½σ(u/T − s) + ½σ(u/T + s), T = {spec['link_temperature']:g}, s = {values(spec['shifts'])}",
        ),
        ("Preference pairs", values(spec["n"])),
        (
            "Compared at",
            f"{compared_at(spec['kappas'])}, {len(reference.prompt_reward)} held-out prompts",
        ),
        (
            "Reference",
            f"mean reward {number(reference.reward_mean)}, sd {number(reference.reward_sd)}",
        ),
        *(
            (training_label([names[label] for label in labels], len(names)), words)
            for labels, words in spec["trainings"]
        ),
    ]
