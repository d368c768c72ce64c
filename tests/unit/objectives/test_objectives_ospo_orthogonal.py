"""Orthogonal OSPO: the projected gradient against loops, and what it is orthogonal to."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from objective_samples import batch_at, fitted, ratios_at, sample

from prefgrid.objectives import base, ospo, ospo_orthogonal
from prefgrid.objectives.ospo_orthogonal import projected

SHARED = set(ospo.OPTIONS)


def linear_model(rows: int, options: dict) -> tuple:
    """A fitted objective, features x [rows, 3] and weights with t = x·w, float64, and labels."""
    generator = torch.Generator().manual_seed(3)
    features = torch.randn(rows, 3, generator=generator, dtype=torch.float64)
    weights = torch.tensor([1.0, -0.5, 0.3], dtype=torch.float64, requires_grad=True)
    index = (features @ weights).detach()
    noise = torch.rand(rows, generator=generator)
    labels = (noise < torch.sigmoid(2 * index)).double()
    objective = fitted("ospo_orthogonal", options, index.float(), labels.float())
    objective.index, objective.labels = objective.index.double(), objective.labels.double()
    return objective, features, weights, labels


def batch_of(features, weights, labels, rows) -> base.Batch:
    index = features[rows] @ weights
    ratios = torch.stack([-0.5 * index, 0.5 * index], dim=1)
    return base.Batch(rows, ratios, ratios, torch.ones(len(rows), 2), labels[rows])


@pytest.mark.parametrize("symmetrize", [True, False])
def test_gradient_equals_the_projected_jacobian_by_loops(symmetrize):
    """∇L = Σ_i dL/dt_i (x_i − Σ_j W_ij x_j) for t = x·w, whose Jacobian is x.

    dL/dt is that of plug-in OSPO; h = 1.5·24^(−1/5)·(sd + 1e-6); a flipped twin has −t and −x.
    """
    objective, features, weights, labels = linear_model(120, {"symmetrize": symmetrize})
    rows = torch.arange(24)
    batch = batch_of(features, weights, labels, rows)
    (found,) = torch.autograd.grad(objective.loss(batch), weights)

    index = batch.index.detach().requires_grad_()
    ratios = torch.stack([torch.zeros_like(index), index], dim=1)
    plug_in = ospo.Objective.loss(objective, replace(batch, log_ratios=ratios))
    slopes = torch.autograd.grad(plug_in, index)[0].numpy()

    t, jacobian = index.detach().numpy(), features[rows].numpy()
    twins = (1, -1) if symmetrize else (1,)
    spread = np.concatenate([sign * t for sign in twins]).std() + 1e-6
    h = 1.5 * 24 ** (-1 / 5) * spread
    expected = np.zeros(3)
    for i in range(24):
        total, mean = 0.0, np.zeros(3)
        for j in range(24):
            for sign in twins:
                weight = math.exp(-0.5 * ((t[i] - sign * t[j]) / h) ** 2)
                total, mean = total + weight, mean + weight * sign * jacobian[j]
        expected += slopes[i] * (jacobian[i] - mean / total)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9)


def test_value_is_that_of_plug_in():
    index, labels = sample(200)
    batch = batch_at(1.1 * index[:32], labels[:32])
    one, two = (fitted(name, {}, index, labels) for name in ("ospo", "ospo_orthogonal"))
    assert one.loss(batch) == two.loss(batch)


@pytest.mark.parametrize("direction", [lambda t: t, torch.tanh, lambda t: t**3 / 4])
def test_functions_of_the_index_do_not_change_the_loss(direction):
    """t → t + ε·a(t): dL/dε is about 0 with a narrow kernel, and clearly not for plug-in.

    One batch of 400 of 1000 rows; ĝ is wrong on purpose, fitted to labels that fall more slowly.
    """
    index, labels = sample(1000)
    batch = batch_at(index[:400], labels[:400])
    stretch = torch.zeros((), requires_grad=True)
    moved = index[:400] + stretch * direction(index[:400])
    ratios = torch.stack([torch.zeros_like(moved), moved], dim=1)
    slopes = []
    for name, options in (("ospo", {}), ("ospo_orthogonal", {"projection_bandwidth": 0.05})):
        objective = fitted(name, options, 0.5 * index, labels)
        loss = objective.loss(replace(batch, log_ratios=ratios))
        slopes.append(torch.autograd.grad(loss, stretch, retain_graph=True)[0].abs().item())
    assert slopes[0] > 0.02
    assert slopes[1] < 0.03 * slopes[0]


def test_other_directions_are_kept():
    """A direction that is independent of t with mean 0 keeps its gradient: 400 rows, ±1 at random.

    Σ_j W_ij a_j averages some 80 signs, so the projected direction differs by about 1/√80 a row.
    """
    index, _ = sample(400)
    signs = (torch.rand(400, generator=torch.Generator().manual_seed(5)) < 0.5).float() * 2 - 1
    _, direction = torch.func.jvp(lambda t: projected(t, t, 0.3), (index,), (signs,))
    assert torch.nn.functional.cosine_similarity(direction, signs, dim=0) > 0.98


def test_a_row_without_neighbours_has_no_gradient():
    """Rows at 0 ± .1 and one at 50: it is its own estimate, 1 − W_ii = 0."""
    index = torch.cat([torch.linspace(-0.1, 0.1, 9), torch.tensor([50.0])]).requires_grad_()
    (gradient,) = torch.autograd.grad(projected(index, index, 1.0)[-1], index)
    assert torch.equal(gradient, torch.zeros(10))


@pytest.mark.parametrize("rows", [1, 2, 10])
def test_equal_indices_are_finite(rows):
    """t ≡ 0: a row and its flipped twin cancel, so the gradient is that of plug-in."""
    objective, plug_in = (
        base.create(name, {"warm_start_epochs": 0}, base.Schedule(100, 40, 10, seed=0))
        for name in ("ospo_orthogonal", "ospo")
    )
    labels = (torch.arange(100) % 2).float()
    gradients = []
    for one in (objective, plug_in):
        one.update(0, ratios_at(torch.zeros(100)), labels)
        batch = batch_at(torch.zeros(rows), labels[:rows])
        batch.log_ratios.requires_grad_()
        gradients.append(torch.autograd.grad(one.loss(batch), batch.log_ratios)[0])
    assert torch.isfinite(gradients[0]).all()
    torch.testing.assert_close(*gradients)


def test_options_are_those_of_ospo_and_one_more():
    assert {name: ospo_orthogonal.OPTIONS[name] for name in SHARED} == ospo.OPTIONS
    assert set(ospo_orthogonal.OPTIONS) - SHARED == {"projection_bandwidth"}
