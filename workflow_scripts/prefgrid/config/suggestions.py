"""The second half of every message about an unknown name."""

import difflib
from collections.abc import Iterable


def allowed(name: str, names: Iterable[str]) -> str:
    """What `name` could be: "did you mean 'pspo'? allowed: dpo, pspo"; no question if none is close."""
    listed = [str(one) for one in names]  # YAML has keys of other types
    close = difflib.get_close_matches(name, listed, n=1)
    question = f"did you mean {close[0]!r}? " if close else ""
    return f"{question}allowed: {', '.join(listed) or 'none'}"
