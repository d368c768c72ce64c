"""Every option of every objective at the ends of its range: losses and gradients are numbers.

The kind: a value that the range lets pass and float32 does not carry.
"""

import re
from itertools import combinations

import pytest
import torch
from objective_samples import batch_at, fitted, sample

from prefgrid.config import objectives
from prefgrid.objectives import softpo

NUMBER = r"-?[\d.]+(?:e-?\d+)?"


def ends(bound: str) -> list[float]:
    """The finite ends of a range, that behind a round bracket a little inside."""
    found = re.search(rf"\[({NUMBER}), ({NUMBER})([])])", bound)
    assert found, f"{bound} has no two ends"
    low, high = float(found[1]), float(found[2])
    return [low, high if found[3] == "]" else high - 1e-6]


def cases():
    """(objective, options): every option of a range at each end, alone and with each other one."""
    for name in objectives.known():
        tried = [
            {option: int(value) if bound.startswith("integer") else value}
            for option, bound in objectives.constants(name).bounds.items()
            # A warm start ends within the run, whatever its range; a hundred million slots are many.
            if isinstance(bound, str) and option not in ("warm_start_epochs", "fifo_capacity")
            for value in ends(bound)
        ]
        pairs = (one | other for one, other in combinations(tried, 2) if one.keys() != other.keys())
        yield from ((name, options) for options in (*tried, *pairs) if falls(options))


def falls(options: dict) -> bool:
    """Whether a β that is to fall does: softpo refuses one that rises."""
    beta = options.get("beta", softpo.OPTIONS["beta"][0])
    return options.get("beta_start", beta) >= beta


def spelt(value: object) -> str:
    return value if isinstance(value, str) else ",".join(f"{k}={v:g}" for k, v in value.items())


@pytest.mark.parametrize(("name", "options"), list(cases()), ids=spelt)
def test_the_ends_of_a_range_give_finite_losses_and_gradients(name, options):
    """At indices up to 100 times as far out as those that the state was fitted to; and where training
    starts, at which all indices are 0."""
    index, labels = sample(60)
    targets = objectives.constants(name).needs["targets"]
    if targets == "scores":
        labels = torch.stack([-labels, labels - 1], dim=1)
    if targets.endswith("probabilities"):
        labels = torch.stack([1 - labels, labels], dim=1)
    for fitted_to in (index, torch.zeros(60)):
        objective = fitted(name, options, fitted_to, labels)
        t = torch.cat([fitted_to[:10], 100 * index[10:20]]).requires_grad_()
        loss = objective.loss(batch_at(t, labels[:20]))
        (gradient,) = torch.autograd.grad(loss, t)
        assert loss.isfinite() and gradient.isfinite().all()
