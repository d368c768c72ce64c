"""Parts of a prompt pool: which prompts an iteration answers, by the prompts' own ids.

A part of so many prompts does not depend on how many parts follow, so none changes when a run gets longer. A
share of the pool does not depend on what else is in it, but on the number of shares: another number of them divides
all anew. The same prompts are answered whoever trains.
"""

from collections.abc import Sequence

from prefgrid.data.pools import Prompt


def numbered(
    pool: Sequence[Prompt], number: int, size: int | None, shares: int | None
) -> list[Prompt]:
    """Part `number` (1, 2, …) of the pool, in the order of the ids, which are hashes.

    size: the prompts of a part, those after the parts before; None: one of so many `shares` of the pool,
    by the low bits of the id, which the split into training and evaluation (`pools.is_evaluation`) knows nothing
    of; shares None: all of it. ValueError saying what the pool allows if it is too small.
    """
    ordered = sorted(pool, key=lambda row: row["prompt_id"])
    if size is not None:
        found = ordered[(number - 1) * size : number * size]
        if len(found) < size:
            raise ValueError(
                f"{number} x {size} = {number * size} prompts are asked for, the pool holds {len(pool)}; "
                f"allowed: at most {len(pool) // number} prompts each"
            )
        return found
    found = [
        row for row in ordered if shares is None or int(row["prompt_id"], 16) % shares == number - 1
    ]
    if not found and shares is None:
        raise ValueError("no prompt is left to train on; allowed: at least one")
    if not found:
        raise ValueError(
            f"share {number} of {shares} has none of the {len(pool)} prompts of the pool; allowed: fewer "
            "shares, or more prompts"
        )
    return found
