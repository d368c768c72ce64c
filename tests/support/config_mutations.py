"""Seeded mutations of a config: what a slip of the hand, of the editor or of a generator writes."""

import copy
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from prefgrid.config import judges, objectives

Path = tuple[str | int, ...]

NUMBERS = (
    *(0, 1, 2, 3, 7, 10, 100, 1000, 10**5, 10**6, 10**9, 2**31 - 1, 2**31, 2**63, 10**30, 10**400),
    *(-1, -0.0, 0.5, 0.999999999, 1.0, 1 + 1e-9, 2.5, 1e-3, 1e-5, 1e-8, 1e-16, 1e-37, 1e-45),
    *(5e-324, 1e-320, 1e-300, 1e8, 1e20, 1e38, 3.5e38, 1e300, 1.7e308, -1e300, -5e-324),
    *(float("nan"), float("inf"), float("-inf")),
)
EXPONENTS = (-300, -30, -12, -6, -3, 3, 6, 12, 30, 290)
TEXTS = (
    *(
        "",
        " ",
        "x",
        "dpo",
        "all-linear",
        "1e-5",
        "null",
        "true",
        "ü",
        "u\u0308",
        "日本",
        "\u202edpo",
    ),
    *(
        "a\x00b",
        "a\nb",
        "\ud800",
        "😀",
        "../..",
        "~",
        "{n}",
        "a" * 5000,
        "no_such_package.module",
        "json.decoder",
        ".",
        "a..b",
        "-1",
    ),
)
OTHERS = (None, True, False, [], {}, [[]], [None], {"a": 1}, {1: 2}, {"": ""}, [1, "x"], ["dpo"])


@dataclass(frozen=True)
class Mutation:
    """path: of the changed place. names: what a message about it may name, its own key or its new
    one. found: the value now there."""

    kind: str
    path: Path
    names: tuple[str, ...]
    found: Any

    def __str__(self) -> str:
        return f"{self.kind} at {'.'.join(map(str, self.path))}: {self.found!r:.80}"


def complete(raw: dict[str, Any]) -> dict[str, Any]:
    """`raw` with every option of every method and judge written out, so that all can be mutated."""
    full = copy.deepcopy(raw)
    for method in full["methods"].values():
        defaults = objectives.constants(method["objective"]).defaults
        method["options"] = defaults | method["options"]
    for judge in full["judges"].values():
        judge["options"] = judges.constants(judge["judge"])[0] | judge["options"]
    return full


def mutated(raw: dict[str, Any], source: random.Random) -> tuple[dict[str, Any], Mutation]:
    """A copy of `raw` with one place changed."""
    changed = copy.deepcopy(raw)
    # A section first: else the many options of methods would be nearly all that is ever changed.
    section = source.choice(list(changed))
    places = [(section,), *_places(changed[section], (section,))]
    path = source.choice(places)
    parent: Any = changed
    for part in path[:-1]:
        parent = parent[part]
    old = parent[path[-1]]
    kind = source.choice(_kinds(parent, old))
    names = tuple(str(part) for part in path if isinstance(part, str))[-1:]
    if kind == "misspelt":
        new = _misspelt(str(path[-1]), source)
        parent[new] = parent.pop(path[-1])
        return changed, Mutation(kind, path, (new, *names), new)
    if kind == "extra":
        key = source.choice((*TEXTS, "beta", "lr", 3, None))
        old[key] = source.choice((*NUMBERS, *OTHERS))
        return changed, Mutation(kind, path, (str(key), *names), key)
    parent[path[-1]] = _value(kind, old, source)
    found = parent[path[-1]]
    # Of a dictionary in the place of another the keys are what is wrong.
    inside = tuple(map(str, found)) if isinstance(found, dict) else ()
    return changed, Mutation(kind, path, (*names, *inside), found)


def _kinds(parent: Any, old: Any) -> list[str]:
    kinds = ["number", "number", "text", "other", "wrapped", "nested"]
    kinds += ["misspelt"] * isinstance(parent, dict)
    kinds += ["extra"] * isinstance(old, dict)
    kinds += ["unwrapped", "doubled", "emptied"] * bool(isinstance(old, list) and old)
    kinds += ["number", "scaled", "scaled", "scaled"] * (type(old) in (int, float))
    return kinds


def _places(value: Any, above: Path) -> Iterator[Path]:
    entries: Any = ()
    if isinstance(value, dict):
        entries = value.items()
    elif isinstance(value, list):
        entries = enumerate(value)
    for key, inner in entries:
        yield (*above, key)
        yield from _places(inner, (*above, key))


def _value(kind: str, old: Any, source: random.Random) -> Any:
    match kind:
        case "text":
            return source.choice(TEXTS)
        case "other":
            return copy.deepcopy(source.choice(OTHERS))
        case "wrapped":
            return [old]
        case "unwrapped":
            return old[0]
        case "doubled":
            return old + old
        case "emptied":
            return []
        case "nested":
            for _ in range(source.choice((1, 3, 50))):
                old = source.choice(([old], {"a": old}))
            return old
        case "scaled":
            factor = source.choice((0.1, 0.5, 2.0, 10.0, 10.0 ** source.choice(EXPONENTS)))
            return round(old * factor) if type(old) is int else old * factor
    number = source.choice(NUMBERS)
    # Of the old one's type, so that ranges are tried and not types alone.
    if type(old) is float and type(number) is int and abs(number) < 1e300:
        return float(number)
    return [number] if isinstance(old, list) else number


def _misspelt(key: str, source: random.Random) -> str:
    at = source.randrange(len(key))
    return source.choice((key[:at] + key[at + 1 :], key[:at] + key[at] + key[at:], key + "_", ""))
