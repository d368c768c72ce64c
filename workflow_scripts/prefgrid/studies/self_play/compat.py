"""What `compat` sets: sampling, targets, pairs and choice as the SPPO paper or its released code has them.

Where both agree it is said twice, so that each is whole. Sources: arXiv 2405.00675 and the public repository;
docs/self_play_targets.md has them side by side. How long and with which optimizer is trained is
`training`'s to say.
"""

import functools
import operator
from collections.abc import Iterator, Sequence
from typing import Any

from prefgrid.studies.self_play.config import Config

_PAIRS = {
    "targets.include_self": True,
    "targets.opponent": "previous",
    "targets.soften": 0.0,
    "targets.length_control": False,
    "selection.mode": "best_worst",
    "selection.by": "mean_logit",
    "selection.epsilon": 0.0,
    "selection.drop_duplicates": False,
    "selection.drop_truncated": False,
}
KEYS: dict[str, dict[str, Any]] = {
    "fixed": {},
    "paper": {
        "generation.temperature": 1.0,
        "generation.top_p": 1.0,
        "targets.estimator": "matrix",
        "targets.symmetrise": False,
        "targets.logit_scale": 1.0,
        **_PAIRS,
        "select": "best",
    },
    "released": {
        "generation.temperature": 0.7,
        "generation.top_p": 0.9,
        "targets.estimator": "aggregated",
        "targets.symmetrise": True,
        "targets.logit_scale": 2.0,
        **_PAIRS,
        "select": "last",
    },
}


def applied(section: Config) -> Config:
    """`section` with the keys that its `compat` sets; itself where that is `fixed`."""
    dumped = section.model_dump()
    for key, value in KEYS[section.compat].items():
        *parents, last = key.split(".")
        _at(dumped, parents)[last] = value
    return Config.model_validate(dumped)


def conflicts(section: Config) -> Iterator[tuple[str, str]]:
    """(key, what is wrong) of each key that `compat` sets and that has neither its default nor that value,
    those of `overrides` too. Keys are below the section's own."""
    defaults, given = Config().model_dump(), section.model_dump()
    for key, wanted in KEYS[section.compat].items():
        parts = key.split(".")
        value = _at(given, parts)
        if value not in (wanted, _at(defaults, parts)):
            yield key, _message(section, value, wanted)
        room, _, name = key.partition(".")
        for label, override in given["overrides"].items():
            if override.get(room, {}).get(name, wanted) != wanted:
                yield f"overrides.{label}.{key}", _message(section, override[room][name], wanted)


def _at(section: dict[str, Any], parts: Sequence[str]) -> Any:
    return functools.reduce(operator.getitem, parts, section)


def _message(section: Config, value: Any, wanted: Any) -> str:
    return (
        f"{value!r}, but compat: {section.compat} sets it to {wanted!r}; allowed: that, to leave it out, or "
        "compat: fixed"
    )
