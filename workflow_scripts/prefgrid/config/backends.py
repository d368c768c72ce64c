"""What a sampling backend promises, read from its source without importing it."""

from functools import cache
from typing import Annotated

from pydantic import AfterValidator

from prefgrid.config import modules

_KIND = modules.Kind(
    "sampling backend",
    "sampling",
    ("KEYED_NOISE",),
    ("load", "sample_responses"),
    suffix="_backend",
)
module_name, known = _KIND.module_name, _KIND.known


@cache
def keyed_noise(backend: str) -> bool:
    """Whether a response depends on its prompt and its own noise alone, so that runs can share noise.

    ValueError if there is no such backend, or it does not say.
    """
    keyed = _KIND.read(backend)["KEYED_NOISE"]
    if not isinstance(keyed, bool):
        raise ValueError(f"{_KIND.called(backend)}: KEYED_NOISE must be True or False")
    return keyed


def _is_one(name: str) -> str:
    keyed_noise(name)
    return name


# As a key of the config names it.
Backend = Annotated[str, AfterValidator(_is_one)]
