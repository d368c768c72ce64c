"""The yardstick that is told the link: against the link that labels are drawn with, in numpy."""

import numpy as np
import pytest
import torch
from objective_samples import batch_at, fitted, ratios_at, sample

from prefgrid import links
from prefgrid.objectives import base, true_link
from prefgrid.objectives.true_link import estimated_scale, log_link

SCHEDULE = base.Schedule(rows=60, steps=40, steps_per_epoch=10, seed=7)


def drawn(shift: float, rows: int, scale: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Indices t = v/scale of utilities v ~ N(0, 4²) in units of T, and labels drawn from Ψ_s(v)."""
    random = np.random.default_rng(3)
    v = random.normal(0, 4, rows)
    labels = random.random(rows) < links.mixture(v, shift, temperature=1.0)
    return torch.tensor(v / scale), torch.tensor(labels, dtype=torch.float64)


@pytest.mark.parametrize("shift", [0.0, 1.0, 4.0])
def test_the_loss_is_the_nll_under_the_link_that_draws_the_labels(shift):
    index, labels = sample(60)
    objective = fitted("true_link", {"link_shift": shift, "link_share": 0.0}, index, labels)
    chosen = links.mixture(objective.scale * index.numpy(), shift, temperature=1.0)
    nll = -np.where(labels.numpy() == 1, np.log(chosen), np.log1p(-chosen)).mean()
    assert objective.loss(batch_at(index, labels)).item() == pytest.approx(nll, rel=1e-5)
    assert objective.probability(index).numpy() == pytest.approx(chosen, abs=1e-6)


@pytest.mark.parametrize("shift", [0.0, 4.0])
@pytest.mark.parametrize("scale", [0.05, 3.0, 200.0])
def test_the_scale_of_the_data_is_found_again(shift, scale):
    """t is v/scale, so a is `scale`: here within 5 % of it, at 20,000 labels."""
    index, labels = drawn(shift, 20_000, scale)
    found = estimated_scale((2 * labels - 1) * index, shift)
    assert found == pytest.approx(scale, rel=0.05)
    # And no scale near or far is likelier.
    nll = [
        -np.log(links.mixture(((2 * labels - 1) * index).numpy() * one, shift, 1.0) + 1e-300).mean()
        for one in (found, *(found * np.geomspace(1e-2, 1e2, 81)))
    ]
    assert nll[0] <= min(nll) + 1e-9


def test_far_out_logs_are_sound_where_probabilities_are_not():
    """log Ψ_s(v) → v + log(½(e^s + e^−s)) for v → −∞, whose Ψ float32 has not."""
    v = torch.tensor([-1e4, -300.0])
    expected = v.double() + np.log(np.cosh(4.0))
    torch.testing.assert_close(log_link(v, 4.0).double(), expected, rtol=1e-6, atol=0)


def test_with_a_logistic_link_it_is_dpo_at_the_estimated_scale():
    index, labels = sample(60)
    objective = fitted("true_link", {"link_shift": 0.0, "link_share": 0.0}, index, labels)
    dpo = base.create("dpo", {"beta_train": objective.scale}, SCHEDULE)
    batch = batch_at(index, labels)
    torch.testing.assert_close(objective.loss(batch), dpo.loss(batch))


def test_the_scale_is_estimated_on_rows_that_are_not_trained_on():
    index, labels = sample(60)
    objective = fitted("true_link", {"link_shift": 4.0}, index, labels)
    held_out = objective.link_rows
    assert len(held_out) == 12
    margin = (2 * labels - 1) * index
    assert objective.scale == pytest.approx(estimated_scale(margin[held_out], 4.0))
    t = index.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(objective.loss(batch_at(t, labels)), t)
    assert set((gradient == 0).nonzero().flatten().tolist()) == set(held_out.tolist())


def test_indices_that_say_nothing_leave_the_scale():
    objective = true_link.Objective({"link_shift": 4.0}, SCHEDULE)
    labels = torch.ones(60)
    objective.update(10, ratios_at(torch.zeros(60)), labels)
    assert not objective.fitted
    objective.update(10, ratios_at(torch.ones(60)), labels)
    scale = objective.scale
    objective.update(20, ratios_at(torch.zeros(60)), labels)
    assert objective.scale == scale is not None


def test_a_study_without_a_link_of_its_own_is_told_what_is_lacking():
    with pytest.raises(ValueError, match="link_shift is null, .*; allowed: a number in"):
        true_link.Objective({}, SCHEDULE)
