"""What a soft-policy study ran, in a few rows."""

from collections.abc import Mapping
from typing import Any

from prefgrid.report.words import training_label, values
from prefgrid.studies.words import worded_alike


def rows(spec: Mapping[str, Any], names: Mapping[str, str], runs: int) -> list[tuple[str, str]]:
    """(label, value) rows: grid and training. `spec` as in `soft_policy.section`; `names`: label → display
    name; `runs`: how many were trained."""
    many = spec["many"]
    targets = values(spec["targets"])
    if many:
        targets = f"{many['trained']} trained on and {many['tested']} others, named in the prompt"
    recipes = {label: recipe_words(recipe) for label, recipe in spec["recipes"]}
    return [
        ("Methods", ", ".join(names.values())),
        ("Grid", f"{runs:,} runs, one a method × reference × target × β × seed"),
        ("Seeds", f"{spec['seeds']:,}, numbered from 0"),
        ("References", ", ".join(spec["references"])),
        ("Targets", targets),
        ("β", values(spec["betas"])),
        *(
            (training_label([names[label] for label in alike], len(names)), words)
            for alike, words in worded_alike(spec["methods"], recipes)
        ),
    ]


def recipe_words(recipe: Mapping[str, Any]) -> str:
    """A method's training as the report words it."""
    mix = " + ".join(f"{100 * share:g} % {name}" for name, share in recipe["mix"])
    value = f", Q̂₀ {recipe['value']}" if recipe["value"] else ""
    return (
        f"{recipe['loss']}{value}, {mix}, {recipe['samples']:,} samples, "
        f"{recipe['group_size']} a step, lr {recipe['learning_rate']:g}, "
        f"{'LoRA' if recipe['adapter'] else 'all weights'}"
    )
