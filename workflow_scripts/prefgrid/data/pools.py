"""Prompt pools: which prompts train and which evaluate, decided by a hash of the prompt itself.

The split knows no seed and no file order, so every cell of every study agrees on it, and a prompt
that evaluates can never train, in any run, however the dataset grows.
"""

import hashlib
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import TypedDict

HASH_BITS = 64


class Prompt(TypedDict):
    """A row of a prompt pool."""

    prompt_id: str
    prompt: str


def prompt_id(prompt: str) -> str:
    """16 hex digits naming a prompt; white space does not make two prompts different, nor does the
    Unicode spelling of the same characters (é as one code point or as e and an accent)."""
    spelling = " ".join(unicodedata.normalize("NFC", prompt).split())
    return hashlib.sha256(spelling.encode()).hexdigest()[: HASH_BITS // 4]


def is_evaluation(identity: str, eval_share: float) -> bool:
    """Whether the prompt of this id belongs to the evaluation side of the split."""
    return int(identity, 16) < eval_share * 2**HASH_BITS


def distinct(prompts: Iterable[str]) -> Iterator[Prompt]:
    """Each different prompt once, as its first spelling, in the order of the ids."""
    first: dict[str, str] = {}
    for prompt in prompts:
        first.setdefault(prompt_id(prompt), prompt)
    for identity in sorted(first):
        yield Prompt(prompt_id=identity, prompt=first[identity])


def split(prompts: Iterable[str], eval_share: float) -> tuple[list[Prompt], list[Prompt]]:
    """(training pool, evaluation pool): disjoint, deduplicated, in the order of the ids."""
    train: list[Prompt] = []
    evaluation: list[Prompt] = []
    for prompt in distinct(prompts):
        side = evaluation if is_evaluation(prompt["prompt_id"], eval_share) else train
        side.append(prompt)
    return train, evaluation


def check_size(pool: Sequence[Prompt], count: int, key: str) -> None:
    """ValueError if a pool is smaller than `key` of the config asks."""
    if len(pool) < count:
        raise ValueError(
            f"{key}: the pool holds {len(pool)} prompts, but {count} are asked for; allowed: at most "
            f"{len(pool)} (see data.eval_share too)"
        )
