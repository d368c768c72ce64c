"""Two specs beside each other, in words."""

import os
from typing import Any

from prefgrid.files.formats import canonical_json
from prefgrid.plan.local_sources import CONTENT

# What a spec key has on the side where it is not.
ABSENT = "(none)"
# Characters of a spec's value that are shown.
WIDTH = 80


def spec_changes(old: Any, new: Any) -> list[str]:
    """One text a changed key: `spec training.learning_rate 0.0002 → 0.001`."""
    before, after = _flat(old), _flat(new)
    pairs = {
        key: (before.get(key, ABSENT), after.get(key, ABSENT))
        for key in sorted(before.keys() | after.keys())
    }
    return [_change(key, *pair) for key, pair in pairs.items() if pair[0] != pair[1]]


def _change(key: str, old: str, new: str) -> str:
    if key == CONTENT and ABSENT not in (old, new):
        return "source changed: its local path holds other files than those that were fetched"
    return f"spec {key} {_step(old, new)}"


def _step(old: str, new: str) -> str:
    """old → new; of long values the part from a little before they differ."""
    same = len(os.path.commonprefix([old, new]))
    start = max(same - WIDTH // 4, 0) if max(len(old), len(new)) > WIDTH else 0
    parts = [
        ("…" if start else "")
        + text[start : start + WIDTH]
        + ("…" if len(text) > start + WIDTH else "")
        for text in (old, new)
    ]
    return " → ".join(parts)


def _flat(value: Any, prefix: str = "") -> dict[str, str]:
    """Dotted key → canonical JSON; lists are values."""
    if not isinstance(value, dict) or not value:
        return {prefix: canonical_json(value)}
    items = ((f"{prefix}.{key}" if prefix else key, inner) for key, inner in value.items())
    return {key: text for name, inner in items for key, text in _flat(inner, name).items()}
