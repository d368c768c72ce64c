"""Kernel regression against statsmodels, and OSPO's leave-one-out against a direct double loop."""

import math

import numpy as np
import pytest
import torch
from statsmodels.nonparametric.kernel_regression import KernelReg

from prefgrid.objectives import base, ospo
from prefgrid.objectives.kernel import nadaraya_watson


@pytest.fixture
def sample():
    generator = np.random.default_rng(1)
    t = generator.normal(size=200)
    z = (generator.random(200) < 1 / (1 + np.exp(-2 * t))).astype(np.float64)
    return t, z


def test_nadaraya_watson_equals_statsmodels(sample):
    t, z = sample
    query = np.linspace(-3, 3, 41)
    bandwidth = 0.5 * (t.std() + 1e-6)
    expected, _ = KernelReg(z, t, var_type="c", reg_type="lc", bw=[bandwidth]).fit(query)
    points, values = torch.from_numpy(t), torch.from_numpy(z)
    fitted = nadaraya_watson(torch.from_numpy(query), points, values, bandwidth, 0.0, 0.0)
    np.testing.assert_allclose(fitted.numpy(), expected, atol=1e-10)
    in_float32 = nadaraya_watson(
        torch.from_numpy(query).float(), points.float(), values.float(), bandwidth, 0.0, 0.0
    )
    np.testing.assert_allclose(in_float32.numpy(), expected, atol=2e-6)


def test_ospo_equals_statsmodels_without_corrections(sample):
    """Flips switched off, prior and floor next to nothing, ĝ is the plain estimator with h = 1.5·m^(−1/5)·sd."""
    t, z = sample
    options = {
        "warm_start_epochs": 0,
        "symmetrize": False,
        "prior_mass": 1e-9,
        "bandwidth_floor": 1e-9,
        "clip": 1e-6,
    }
    objective = ospo.Objective(options, base.Schedule(200, 10, 5, seed=0))
    ratios = torch.from_numpy(np.stack([0 * t, t], axis=1)).float()
    objective.update(0, ratios, torch.from_numpy(z).float())
    query = np.linspace(-2, 2, 21)
    bandwidth = 1.5 * 200 ** (-1 / 5) * t.std()
    expected, _ = KernelReg(z, t, var_type="c", reg_type="lc", bw=[bandwidth]).fit(query)
    fitted = objective.probability(torch.from_numpy(query).float())
    np.testing.assert_allclose(fitted.numpy(), expected, atol=5e-6)


def test_kernel_derivatives_equal_autograd_through_the_formula(sample):
    """In float64, with pairs left out and a prior that moves with t; float32 within rounding."""
    points, values = torch.from_numpy(sample[0]), torch.from_numpy(sample[1])
    query = torch.linspace(-3, 3, 40, dtype=torch.float64).requires_grad_()
    excluded = (torch.arange(40).repeat(2), torch.cat([torch.arange(40), torch.arange(100, 140)]))

    distance = (query[:, None] - points) / 0.4
    weight = torch.exp(-0.5 * distance**2)
    weight = weight * torch.ones_like(weight).index_put(excluded, torch.zeros(()).double())
    direct = (weight @ values + 2 * torch.sigmoid(query)) / (weight.sum(dim=1) + 2)
    (expected,) = torch.autograd.grad(direct.sum(), query)

    def fitted(t):
        y, x = values.to(t.dtype), points.to(t.dtype)
        return nadaraya_watson(t, x, y, 0.4, torch.sigmoid(t), 2.0, excluded)

    torch.testing.assert_close(fitted(query), direct)
    (found,) = torch.autograd.grad(fitted(query).sum(), query)
    torch.testing.assert_close(found, expected)
    assert torch.autograd.gradcheck(fitted, (query,))
    (rounded,) = torch.autograd.grad(fitted(query.float()).sum(), query)
    torch.testing.assert_close(rounded, expected, rtol=0, atol=2e-6)


def test_ospo_leave_one_out_equals_double_loop(sample):
    """Default options: flipped copies, a row and its copy left out, prior σ(t) of mass 1."""
    t, z = sample[0][:60], sample[1][:60]
    objective = ospo.Objective({"warm_start_epochs": 0}, base.Schedule(60, 10, 5, seed=0))
    ratios = torch.from_numpy(np.stack([0 * t, t], axis=1)).float()
    objective.update(0, ratios, torch.from_numpy(z).float())
    rows = [3, 50, 7, 12]
    query = [t[row] + 0.3 for row in rows]  # the policy has moved since the memory was filled

    # h = c · m^(−1/5) · sd of the 120 points; their mean is 0, so sd² = mean t².
    bandwidth = 1.5 * 60 ** (-1 / 5) * (math.sqrt(np.mean(t**2)) + 1e-6)
    total = 0.0
    for row, at in zip(rows, query, strict=True):
        mass, hits = 1.0, 1.0 / (1.0 + math.exp(-at))
        for j in range(60):
            if j == row:
                continue
            for point, label in ((t[j], z[j]), (-t[j], 1 - z[j])):
                weight = math.exp(-0.5 * ((at - point) / bandwidth) ** 2)
                mass, hits = mass + weight, hits + weight * label
        estimate = hits / mass
        total -= math.log(estimate if z[row] == 1 else 1 - estimate)

    ratios = torch.stack([torch.zeros(4), torch.tensor(query, dtype=torch.float32)], dim=1)
    labels = torch.from_numpy(z[rows]).float()
    batch = base.Batch(torch.tensor(rows), ratios, ratios, torch.ones(4, 2), labels)
    assert objective.loss(batch).item() == pytest.approx(total / 4, rel=1e-5)
