"""Which prompts a seed answers, in which order, and which shard answers which."""

from prefgrid import seeding
from prefgrid.data.pools import Prompt


def seed_prompts(pool: list[Prompt], seed: int, groups: int) -> list[Prompt]:
    """The seed's own order of the pool, first `groups` prompts: n prompts are a prefix of more.

    Each prompt carries its own random sort key, so the order does not depend on the pool's.
    """
    if groups > len(pool):
        raise ValueError(f"{groups} groups asked for, but the pool holds {len(pool)} prompts")
    keys = seeding.uniforms(seed, "prompt order", [(row["prompt_id"],) for row in pool], width=1)
    order = sorted(range(len(pool)), key=lambda i: (keys[i, 0], pool[i]["prompt_id"]))
    return [pool[i] for i in order[:groups]]


def shard_range(groups: int, shards: int, shard: int) -> range:
    """The groups of one shard: contiguous, and no shard has more than one group above another; ValueError
    for one that would have none."""
    if not 0 <= shard < shards:
        raise ValueError(f"shard {shard}: allowed are 0 to {shards - 1}")
    if shards > groups:
        raise ValueError(
            f"generation.shards: {shards} shards for {groups} prompts; allowed: at most one a prompt"
        )
    return range(shard * groups // shards, (shard + 1) * groups // shards)
