"""What a policy's job is told of its method: how it is optimised, and by which draw."""

from collections.abc import Mapping
from functools import cache
from typing import Any


def of(learner: Mapping[str, Any], replicate: int) -> dict[str, Any]:
    """`Wiring.learner` of a method with the seed of its policy on the data of a replicate.

    It draws first weights, order of the data, dropout and what the objective draws.
    """
    options = dict(learner["training"])
    seed = _seed(replicate, options.pop("seed"))
    return {**learner, "seed": seed, "training": options}


@cache
def _seed(replicate: int, own: int) -> int:
    """The replicate's; another where the method's training has a seed of its `own`, not 0."""
    if own == 0:
        return replicate
    from prefgrid import seeding  # it loads numpy, which planning does without

    return seeding.torch_seed(replicate, "training", own)
