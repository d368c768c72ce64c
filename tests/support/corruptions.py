"""Ways to damage a file, as hypothesis strategies over its bytes."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

# What a field may turn into. Texts of JSON, because JSON can spell more than Python can dump.
WRONG_VALUES = (
    *("null", "true", "-1", "0.5", "1e999", "-1e999", "NaN", "Infinity", '"x"', '""', '"1"'),
    *("[]", "[[]]", "{}", "[null]", '["1"]', "[1.5]", "[-1]", "[true]", '{"a": 1}'),
    *('"\\ud800"', "1" * 400, "-" + "9" * 30, "9" * 5000, "[" * 100_000),
)
MARK = "\0wrong"
OTHER_BYTES = (
    *(
        b"",
        b"\n",
        b"\0" * 64,
        b"\xff\xfe",
        b"null\n",
        b"[]\n",
        b"{}\n",
        b'{"a"\n',
        b"version https",
    ),
    b"\xef\xbb\xbf",
)


@st.composite
def damaged(draw: st.DrawFn, sound: bytes) -> bytes:
    """`sound` after one accident that could happen to any file."""
    kind = draw(st.sampled_from(("cut", "flip", "insert", "drop", "replace", "encode", "twice")))
    start = draw(st.integers(0, len(sound) - 1))
    end = draw(st.integers(start, min(len(sound), start + 40)))
    if kind == "cut":
        return sound[:start]
    if kind == "flip":
        return (
            sound[:start]
            + bytes([sound[start] ^ 1 << draw(st.integers(0, 7))])
            + sound[start + 1 :]
        )
    if kind == "insert":
        return sound[:start] + draw(st.binary(min_size=1, max_size=8)) + sound[start:]
    if kind == "drop":
        return sound[:start] + sound[end:]
    if kind == "replace":
        return draw(st.sampled_from(OTHER_BYTES)) + draw(st.sampled_from((b"", sound)))
    if kind == "encode":
        encoding = draw(st.sampled_from(("utf-16", "utf-8-sig", "utf-32")))
        return sound.decode("latin-1").encode(encoding)
    return sound + sound[start:]


@st.composite
def damaged_lines(draw: st.DrawFn, sound: bytes) -> bytes:
    """`sound`, JSON lines, after lines were lost, doubled or moved."""
    lines = sound.splitlines(keepends=True)
    kept = draw(st.lists(st.sampled_from(lines), max_size=len(lines) + 2))
    return b"".join(kept)


@st.composite
def damaged_fields(draw: st.DrawFn, sound: bytes) -> bytes:
    """`sound`, JSON lines or one JSON value, after a field was lost, renamed or changed."""
    lines = sound.splitlines(keepends=True)
    one_value = lines[0].strip() == b"{"
    number = draw(st.integers(0, len(lines) - 1))
    value = json.loads(sound if one_value else lines[number])
    *parents, last = draw(st.sampled_from(places(value)))
    holder = value
    for part in parents:
        holder = holder[part]
    kind = draw(st.sampled_from(("lose", "rename", "change", "change", "change")))
    if kind == "lose":
        del holder[last]
    elif kind == "rename" and isinstance(holder, dict):
        holder[f"{last}_"] = holder.pop(last)
    else:
        holder[last] = MARK
    changed = _spelled(value, draw(st.sampled_from(WRONG_VALUES)))
    return changed if one_value else b"".join([*lines[:number], changed, *lines[number + 1 :]])


def wrong_values(sound: bytes) -> Iterator[bytes]:
    """`sound`, a line of JSON, with every wrong value in every one of its fields."""
    for *parents, last in places(json.loads(sound)):
        holder = value = json.loads(sound)
        for part in parents:
            holder = holder[part]
        holder[last] = MARK
        yield from (_spelled(value, wrong) for wrong in WRONG_VALUES)


def _spelled(value: Any, wrong: str) -> bytes:
    """JSON of `value`, with the JSON text `wrong` in the place of `MARK`."""
    return json.dumps(value).replace(json.dumps(MARK), wrong).encode() + b"\n"


def places(value: Any) -> list[tuple]:
    """Paths to everything inside a JSON value; of long lists the first three."""
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value[:3]))
    else:
        return []
    return [path for key, item in items for path in [(key,), *((key, *p) for p in places(item))]]


def any_damage(sound: bytes, *more: Callable[[bytes], Any]) -> st.SearchStrategy[bytes]:
    return st.one_of(damaged(sound), *(kind(sound) for kind in more))
