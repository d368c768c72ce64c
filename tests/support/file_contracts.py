"""What files may hold, spelled out by hand, and a reader's two ways to meet a damaged one."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import settings

from prefgrid.files import store

IDS = ("0123456789abcdef", "fedcba9876543210", "00000000000000aa")
EXAMPLES = settings(max_examples=120, deadline=None, derandomize=True, database=None)


def is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**31


def is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < math.inf


def is_id(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{16}", value) is not None


def is_text(value: Any) -> bool:
    return isinstance(value, str) and value.encode(errors="ignore").decode() == value


def are_tokens(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(map(is_count, value))


def read_or_named(path: Path, content: bytes, read: Callable[[Path], Any], where: str = "") -> Any:
    """What the reader makes of the content; None if it refused and said which file, and where."""
    path.write_bytes(content)
    try:
        return read(path)
    except store.DataError as error:
        assert str(path) in str(error)
        assert re.search(where, str(error)) or "no rows" in str(error), str(error)
        assert len(str(error)) < 1000 and "\n" not in str(error)
        return None
