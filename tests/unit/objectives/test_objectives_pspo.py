"""PSPO: schedule of the fits, the two links, held-out rows."""

import math

import numpy as np
import pytest
import torch
from objective_samples import batch_at, fitted, ratios_at, sample
from published_objectives import OPTIONS as PUBLISHED

from prefgrid.objectives import base, pspo
from prefgrid.objectives.smoothers import SMOOTHERS

SCHEDULE = base.Schedule(rows=100, steps=40, steps_per_epoch=10, seed=0)
IN_SAMPLE = {"link_share": 0.0}


def cdf(x):
    return 0.5 * (1 + math.erf(x / math.sqrt(2)))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [10, 20, 30]),
        ({"warm_start_epochs": 0}, [0, 10, 20, 30]),
        ({"warm_start_epochs": 1.5, "refit_every_steps": 12}, [15, 27, 39]),
        ({"warm_start_epochs": 0, "refit_every_steps": 12.5}, [0, 13, 25, 38]),
        ({"warm_start_epochs": 0, "refit_every_epochs": 1.25}, [0, 13, 25, 38]),
        ({"warm_start_epochs": 0, "refit_every_epochs": 2}, [0, 20]),
        ({"refit_every_steps": 12, "refit_every_epochs": 2}, [10, 22, 34]),
    ],
)
def test_fits_come_after_the_warm_start_then_regularly_and_at_the_end(options, expected):
    """40 steps; step 40 is after the last. Only the link rows, a fifth, are looked at."""
    objective = pspo.Objective(options, SCHEDULE)
    wanted = {step: objective.wanted_rows(step) for step in range(41)}
    assert [step for step in wanted if wanted[step] is not None] == [*expected, 40]
    assert len(objective.link_rows) == SCHEDULE.rows / 5
    assert all(torch.equal(wanted[step], objective.link_rows) for step in [*expected, 40])


def test_published_schedule_refits_every_50_of_500_micro_batches():
    """Micro-batches 0, 50, …, 450; the optimizer step at or after k·50/4: 10 fits in 125 steps."""
    schedule = base.Schedule(rows=2000, steps=125, steps_per_epoch=125, seed=0)
    objective = pspo.Objective(PUBLISHED["pspo_published"], schedule)
    steps = [step for step in range(125) if objective.wanted_rows(step) is not None]
    assert steps == [math.ceil(micro / 4) for micro in range(0, 500, 50)]


def test_smoothed_step_closed_form():
    """Four pairs t = −3 −1 1 3, z = 0 0 1 1: with flips the same points, levels 0 and 1, one jump.

    Levels clipped to .01 and .99; the jump lies midway between −1 and 1, at 0.  sd² = (9+1)/2 = 5,
    so the width is .2·√5 and ψ(t) = .01 + .98·Φ(t / (.2·√5)).
    """
    objective = pspo.Objective(IN_SAMPLE, SCHEDULE)
    objective.link_rows = torch.arange(4)
    objective.update(
        10, ratios_at(torch.tensor([-3.0, -1.0, 1.0, 3.0])), torch.tensor([0.0, 0, 1, 1])
    )
    query = [-2.0, -0.3, 0.0, 0.4]
    expected = [0.01 + 0.98 * cdf(t / (0.2 * math.sqrt(5))) for t in query]
    link = objective.probability(torch.tensor(query))
    np.testing.assert_allclose(link.numpy(), expected, rtol=1e-5)


def test_published_link_closed_form():
    """t = 0 1 2 4, z = 0 1 0 1: blocks {0}, {1, 2}, {4} at 0, ½, 1, midpoints 0, 1.5, 4.

    ψ = .95·Σ softmax(−|t − x̂|/.1)·ŷ + .05·σ(t), ŷ clipped to [1e-4, 1 − 1e-4].
    """
    objective = pspo.Objective(PUBLISHED["pspo_published"], SCHEDULE)
    objective.link_rows = torch.arange(4)
    objective.update(0, ratios_at(torch.tensor([0.0, 1.0, 2.0, 4.0])), torch.tensor([0.0, 1, 0, 1]))
    knots, levels = np.array([0.0, 1.5, 4.0]), np.array([1e-4, 0.5, 1 - 1e-4])
    for t in (-1.0, 0.7, 0.75, 2.9):
        mass = np.exp(-np.abs(t - knots) / 0.1)
        expected = 0.95 * (mass @ levels) / mass.sum() + 0.05 / (1 + math.exp(-t))
        assert objective.probability(torch.tensor([t])).item() == pytest.approx(expected, rel=1e-5)


def test_corrected_link_is_monotone_symmetric_and_inside():
    index, labels = sample(300)
    link = fitted("pspo", {}, index, labels).probability
    grid = torch.linspace(-8, 8, 801)
    assert torch.all(link(grid).diff() >= -1e-6)
    torch.testing.assert_close(link(-grid), 1 - link(grid), rtol=0, atol=2e-6)
    assert 0.01 - 1e-6 <= link(grid).min() < link(grid).max() <= 0.99 + 1e-6


def test_published_synthetic_schedule():
    """1000 pairs in 8 batches, 11 epochs: 3 of DPO, then 4 fits, each followed by 2 epochs."""
    schedule = base.Schedule(rows=1000, steps=88, steps_per_epoch=8, seed=0)
    objective = pspo.Objective({"warm_start_epochs": 3, "refit_every_epochs": 2}, schedule)
    assert [step for step in range(88) if objective.wanted_rows(step) is not None] == [
        24,
        40,
        56,
        72,
    ]


def test_interpolated_link_closed_form():
    """t = 0 1 2 4, z = 0 1 0 1: levels 1e-4 at 0, ½ from 1 to 2, 1 − 1e-4 at 4; linear between.

    At .25: .0001 + .25·.4999;  at 3.5: .5 + .75·.4999.
    """
    options = {"link_share": 0.0, "symmetrize": False, "level_clip": 1e-4}
    objective = pspo.Objective({**options, "smoother": "knot_linear"}, SCHEDULE)
    objective.link_rows = torch.arange(4)
    objective.update(0, ratios_at(torch.tensor([0.0, 1.0, 2.0, 4.0])), torch.tensor([0.0, 1, 0, 1]))
    expected = {-9.0: 1e-4, 0.25: 0.125075, 1.3: 0.5, 3.5: 0.874925, 4.0: 0.9999, 9.0: 0.9999}
    query = torch.tensor(list(expected), requires_grad=True)
    link = objective.probability(query)
    torch.testing.assert_close(link, torch.tensor(list(expected.values())))
    link.sum().backward()
    slopes = [0.0, 0.4999, 0.0, 0.4999 / 2, 0.4999 / 2, 0.0]
    torch.testing.assert_close(query.grad, torch.tensor(slopes))


def test_interpolated_link_equals_numpy_at_every_fitted_point():
    """numpy.interp over all distinct t at the level of their block, knots included."""
    index, labels = sample(300)
    objective = fitted("pspo", {**IN_SAMPLE, "smoother": "knot_linear"}, index, labels)
    knots = torch.cat([index, -index]).sort().values.numpy()
    link = {name: tensor.numpy() for name, tensor in objective.link.items()}
    level = link["level"][np.searchsorted(link["right"], knots)]
    query = np.concatenate([knots, np.linspace(-7, 7, 999)]).astype(np.float32)
    fitted_link = objective.probability(torch.from_numpy(query)).numpy()
    np.testing.assert_allclose(fitted_link, np.interp(query, knots, level), atol=1e-6)


def test_interpolated_link_of_points_closer_than_the_least_gap():
    """Points 1e-7 apart: the slope stays at jump/1e-6 and nothing is infinite."""
    edges = torch.tensor([0.0, 1e-7])
    query = torch.tensor([0.0, 5e-8, 1e-7, 1.0], requires_grad=True)
    link = SMOOTHERS["knot_linear"](query, edges, edges, torch.tensor([0.2, 0.8]), torch.ones(()))
    link.sum().backward()
    assert link[-1] == 0.8 and torch.all(link.diff() >= 0)
    assert query.grad.abs().max() <= 0.6 / 1e-6 * (1 + 1e-6)


@pytest.mark.parametrize(
    "options",
    [IN_SAMPLE, {**IN_SAMPLE, "smoother": "knot_linear"}, PUBLISHED["pspo_published"]],
)
def test_gradient_equals_finite_differences(options):
    """dψ/dt in float64 through the fitted link; the knots are constants."""
    index, labels = sample(200)
    objective = fitted("pspo", options, index, labels)
    objective.link = {name: tensor.double() for name, tensor in objective.link.items()}
    # away from the published link's kinks at the knots
    query = torch.tensor([-2.013, -0.411, 0.237, 1.618], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(objective.probability, (query,), eps=1e-7, atol=1e-5)


def test_held_out_rows_have_no_loss_and_alone_fit_the_link():
    """20 of 100 rows weigh 0, the other 80 weigh 100/80 = 1.25."""
    objective = pspo.Objective({"link_share": 0.2}, SCHEDULE)
    held_out = objective.link_rows
    assert len(held_out) == 20
    index, labels = sample(100)
    batch = batch_at(index, labels)
    batch.log_ratios.requires_grad_()
    objective.loss(batch).backward()
    weight = torch.full((100,), 1.25)
    weight[held_out] = 0
    expected = -(2 * labels - 1) * torch.sigmoid(-(2 * labels - 1) * index) * weight / 100
    torch.testing.assert_close(batch.log_ratios.grad[:, 1], expected)

    objective.update(10, ratios_at(index), labels)
    before = objective.probability(index)
    kept = weight > 0
    objective.update(
        20, ratios_at(torch.where(kept, -7.0, index)), torch.where(kept, 1 - labels, labels)
    )
    torch.testing.assert_close(objective.probability(index), before)


def test_held_out_rows_depend_on_the_seed_alone():
    rows = pspo.Objective({"link_share": 0.2}, SCHEDULE).link_rows
    again = pspo.Objective({"link_share": 0.2, "beta_train": 2.0}, SCHEDULE).link_rows
    other_seed = base.Schedule(rows=100, steps=40, steps_per_epoch=10, seed=1)
    assert torch.equal(rows, again)
    assert not torch.equal(rows, pspo.Objective({"link_share": 0.2}, other_seed).link_rows)


@pytest.mark.parametrize("index", [torch.zeros(100), -torch.linspace(-2, 2, 100)])
def test_a_fit_without_a_jump_leaves_the_link(index):
    """t ≡ 0, or t falling with the label: one block at ½, which would stop every gradient."""
    labels = (torch.arange(100) >= 50).float()
    objective = pspo.Objective(IN_SAMPLE, SCHEDULE)
    objective.update(10, ratios_at(index), labels)
    torch.testing.assert_close(objective.probability(index), torch.sigmoid(index))


def test_finish_fits_the_finished_policy():
    index, labels = sample(300)
    objective = fitted("pspo", IN_SAMPLE, index, labels)
    objective.finish(ratios_at(3 * index), labels)
    again = fitted("pspo", IN_SAMPLE, 3 * index, labels)
    torch.testing.assert_close(objective.probability(index), again.probability(index))
