"""The data-generating process of SPO's synthetic experiment (arXiv 2512.21917), for many seeds.

Contexts x ~ N(0, I); K actions under a uniform reference; a random teacher network defines the
reward r*(x, y) = ν·(log π_teacher(y|x) + log K), so that the teacher itself is the optimum of
E[r*] − ν·KL.  A pair is two actions drawn uniformly and independently (equal ones are pure noise);
its label is 1 with probability Ψ(u), u = r*(x, y₁) − r*(x, y₀).

A seed draws the numbers of the published code, in its order, so that results can be compared seed
by seed: teacher weights, label noise, student weights and epoch permutations from one torch stream
(label noise and what follows begin where the teacher's weights end), contexts and actions from one
numpy stream.  Both are generators of their own; nothing touches a global one.  Learners, shifts
and temperatures of a seed share all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from prefgrid import links
from prefgrid.studies.single_index import network
from prefgrid.studies.single_index.network import Parameters


@dataclass(frozen=True)
class Size:
    """dimension d of x, actions K, hidden width (two layers), held-out contexts m."""

    dimension: int
    actions: int
    hidden: int
    contexts: int

    @property
    def widths(self) -> list[int]:
        return [self.dimension, self.hidden, self.hidden, self.actions]


@dataclass(frozen=True)
class Draws:
    """Everything random of S seeds, stacked; n training pairs, m evaluation contexts.

    teacher, student: stacks of networks, the student's being its initial weights.
    contexts: float32 [S, n, d]; actions: int64 [S, n, 2]; noise: float32 [S, n] in [0, 1).
    held_out: float32 [S, m, d].
    generator_state: uint8 [S, …], the torch stream from which the epochs' permutations come.
    """

    teacher: Parameters
    student: Parameters
    contexts: Tensor
    actions: Tensor
    noise: Tensor
    held_out: Tensor
    generator_state: Tensor


def draw(seeds: Sequence[int], pairs: int, size: Size) -> Draws:
    """The draws of each seed for `pairs` training pairs."""
    drawn = [_draw_one(seed, pairs, size) for seed in seeds]
    fields = {name: [getattr(one, name) for one in drawn] for name in Draws.__dataclass_fields__}
    return Draws(
        **{
            name: network.stack(values) if isinstance(values[0], dict) else torch.stack(values)
            for name, values in fields.items()
        }
    )


def _draw_one(seed: int, pairs: int, size: Size) -> Draws:
    numbers = np.random.default_rng(seed)
    contexts = numbers.normal(size=(pairs, size.dimension)).astype(np.float32)
    held_out = numbers.normal(size=(size.contexts, size.dimension)).astype(np.float32)
    first = numbers.integers(0, size.actions, pairs)
    second = numbers.integers(0, size.actions, pairs)

    generator = torch.Generator().manual_seed(seed)
    teacher = network.initial(size.widths, generator)
    # One float32 uniform a label is what torch.bernoulli draws from this stream.
    noise = torch.rand(pairs, generator=generator)
    student = network.initial(size.widths, generator)
    return Draws(
        teacher=teacher,
        student=student,
        contexts=torch.from_numpy(contexts),
        actions=torch.from_numpy(np.stack([first, second], axis=1)),
        noise=noise,
        held_out=torch.from_numpy(held_out),
        generator_state=generator.get_state(),
    )


def rewards(teacher: Parameters, contexts: Tensor, reward_scale: float) -> Tensor:
    """r*(x, y) of every action, Tensor[S, N, K], at contexts Tensor[S, N, d]."""
    with torch.no_grad():
        policy = network.log_policy(teacher, contexts)
    return reward_scale * network.reference_log_ratio(policy)


def utility_diffs(draws: Draws, reward_scale: float) -> np.ndarray:
    """u = r*(x, y₁) − r*(x, y₀) of every training pair, float32 [S, n]."""
    reward = rewards(draws.teacher, draws.contexts, reward_scale).gather(2, draws.actions)
    return (reward[..., 1] - reward[..., 0]).numpy()


def labels(draws: Draws, reward_scale: float, shift: float, tau: float) -> Tensor:
    """z = [noise < Ψ(u)], float32 [S, n], with Ψ(u) = ½σ((u − s)/τ) + ½σ((u + s)/τ)."""
    probability = links.mixture(utility_diffs(draws, reward_scale), shift / tau, tau)
    return (draws.noise < torch.from_numpy(probability).float()).float()
