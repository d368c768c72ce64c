"""What a study of pairwise judges ran, in a few rows."""

from collections.abc import Mapping
from typing import Any


def rows(spec: Mapping[str, Any], names: Mapping[str, str]) -> list[tuple[str, str]]:
    """(label, value) rows; `spec` as in `pairwise_judges.section`; names: label → display name."""
    models, samples = spec["preference_models"], spec["samples"]
    judges = [names[label] for label in spec["judges"] if label not in models]
    split = "on what trained them" if spec["measure_on"] == "train" else "on held-out prompts"
    found = [
        ("Comparisons", f"{', '.join(spec['comparisons'])}, measured {split}"),
        *((names[label], recipe_words(recipe)) for label, recipe in spec["recipes"]),
        ("Other judges", ", ".join(judges) or "none"),
    ]
    if models:
        found.append(("Seeds", ", ".join(map(str, spec["seeds"]))))
    if samples:
        words = f"{samples['responses']} responses of the reference to each of {samples['prompts']} prompts"
        found.append(("Circles among", words))
    return found


def recipe_words(recipe: Mapping[str, Any]) -> str:
    """A preference model as the report words it."""
    if recipe["dimension"] == 1:
        kind = "one score a response"
    else:
        kind = f"embeddings of {recipe['dimension']} numbers"
        kind += " of length 1" if recipe["normalize"] else ""
        kind += f", gate {recipe['gate']}" if recipe["gate"] != "none" else ""
    loss = recipe["loss"] + (" with margins" if recipe["margin"] else "")
    words = [kind, _temperature_words(recipe), f"loss {loss}"]
    if recipe["ptx"] is not None:
        words.append(
            f"{recipe['ptx']['share']:g} of it of the language model ({recipe['ptx']['loss']})"
        )
    return ", ".join(words)


def _temperature_words(recipe: Mapping[str, Any]) -> str:
    found = f"τ = {recipe['temperature']:g}"
    if recipe["anneal"] is not None:
        share = f"{recipe['anneal']['share']:.0%}".replace("%", " %")
        found = f"τ from {recipe['anneal']['start']:g} to {recipe['temperature']:g} in the first {share} of the steps"
    return found + (", learned from there" if recipe["learn_temperature"] else "")
