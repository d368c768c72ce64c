"""Which prompts a seed answers, in which order, and which shard answers which."""

from collections.abc import Sequence
from typing import Any, Protocol

from prefgrid import seeding
from prefgrid.data.pools import Prompt


class Response(Protocol):
    """What a sampler returns: token ids and why they end ("stop" or "length")."""

    tokens: list[int]
    finish: str


def seed_prompts(pool: list[Prompt], seed: int, pairs: int) -> list[Prompt]:
    """The seed's own order of the pool, first `pairs` prompts: n prompts are a prefix of more.

    Each prompt carries its own random sort key, so the order does not depend on the pool's.
    """
    if pairs > len(pool):
        raise ValueError(f"{pairs} pairs asked for, but the pool holds {len(pool)} prompts")
    keys = seeding.uniforms(seed, "prompt order", [(row["prompt_id"],) for row in pool], width=1)
    order = sorted(range(len(pool)), key=lambda i: (keys[i, 0], pool[i]["prompt_id"]))
    return [pool[i] for i in order[:pairs]]


def shard_range(pairs: int, shards: int, shard: int) -> range:
    """The pairs of one shard: contiguous, and no shard has more than one pair above another."""
    if not 0 <= shard < shards:
        raise ValueError(f"shard {shard}: allowed are 0 to {shards - 1}")
    return range(shard * pairs // shards, (shard + 1) * pairs // shards)


def response_row(
    pair: int, prompt: Prompt, prompt_tokens: list[int], sampled: Sequence[tuple[str, Response]]
) -> dict[str, Any]:
    """One row of responses.jsonl from the (text, response) of each sample."""
    row: dict[str, Any] = {"pair": pair, **prompt, "prompt_tokens": prompt_tokens}
    row |= {f"response_{k}": text for k, (text, _) in enumerate(sampled)}
    row |= {f"tokens_{k}": response.tokens for k, (_, response) in enumerate(sampled)}
    row |= {f"finish_{k}": response.finish for k, (_, response) in enumerate(sampled)}
    return row
