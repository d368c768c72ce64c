"""How the report words what the config says of a study's runs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def training_words(
    training: Mapping[str, Any], options: Mapping[str, Any], rows: str = "pairs"
) -> str:
    """A method's training as the report words it; rows: what a batch is of."""
    length = f"{training['epochs']:g} epochs" if training["epochs"] else None
    words = [
        length or f"{training['max_steps']} steps",
        f"{training['batch_size']} {rows} a step",
        f"lr {training['learning_rate']:g}",
        f"LoRA rank {training['lora']['rank']}" if training["lora"] else "all weights",
        precision_name(training["precision"]),
    ]
    if training["optimizer"] != "adamw":
        words.append(training["optimizer"])
    if training["schedule_epochs"]:
        words.append(f"scheduled for {training['schedule_epochs']:g} epochs")
    if training["seed"]:
        words.append(f"training seed {training['seed']}")
    # Another's objective may have none of these.
    if "beta_train" in options:
        words.insert(3, f"training β {options['beta_train']:g}")
    if "eta" in options:
        words.insert(3, f"η {options['eta']:g}")
    if options.get("length_power"):
        words.insert(4, f"log-ratios over length^{options['length_power']:g}")
    return ", ".join(words)


def trainings(
    labels: Sequence[str], learner: Callable[[str], Mapping[str, Any]], rows: str = "pairs"
) -> list[list[Any]]:
    """[methods trained alike, their training in words] each."""
    found = {label: learner(label) for label in labels}
    return worded_alike(
        labels,
        {
            label: training_words(one["training"], one["options"], rows)
            for label, one in found.items()
        },
    )


def precision_name(precision: str) -> str:
    """As the report words it."""
    return "float32" if precision == "none" else precision


def worded_alike(labels: Sequence[str], words: Mapping[str, str]) -> list[list[Any]]:
    """[labels worded alike, their words] each, in the order of the first."""
    found: dict[str, list[str]] = {}
    for label in labels:
        found.setdefault(words[label], []).append(label)
    return [[alike, text] for text, alike in found.items()]
