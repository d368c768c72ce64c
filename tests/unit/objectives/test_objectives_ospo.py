"""OSPO: warm start, the two memories, the kernel link, ζ."""

import math

import numpy as np
import pytest
import torch
from objective_samples import batch_at, fitted, ratios_at, sample
from published_objectives import OPTIONS as PUBLISHED

from prefgrid.objectives import base, ospo

SCHEDULE = base.Schedule(rows=100, steps=40, steps_per_epoch=10, seed=0)
FIFO = PUBLISHED["ospo_published"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [10, 20, 30, 40]),
        ({"warm_start_epochs": 0}, [0, 10, 20, 30, 40]),
        ({"warm_start_epochs": 1.5}, [15, 20, 30, 40]),
        (FIFO, [40]),
    ],
)
def test_memory_is_refreshed_when_an_epoch_begins_and_at_the_end(options, expected):
    """40 steps; step 40 is after the last, when the sign is told from all rows."""
    objective = ospo.Objective(options, SCHEDULE)
    wanted = {step: objective.wanted_rows(step) for step in range(41)}
    assert [step for step in wanted if wanted[step] is not None] == expected
    assert all(wanted[step].tolist() == list(range(SCHEDULE.rows)) for step in expected)


def test_warm_start_is_dpo():
    """10 steps of DPO with β_train, then the kernel."""
    index, labels = sample(100)
    objective = ospo.Objective({"beta_train": 0.5}, SCHEDULE)
    batch = batch_at(index[:10], labels[:10])
    dpo_loss = base.create("dpo", {"beta_train": 0.5}, SCHEDULE).loss(batch)
    for _ in range(10):
        assert objective.loss(batch) == dpo_loss
        objective.observe(batch)
    objective.update(10, ratios_at(index), labels)
    assert objective.loss(batch) != dpo_loss


def test_visited_rows_are_updated_in_place():
    index, labels = sample(100)
    objective = fitted("ospo", {}, index, labels)
    objective.observe(batch_at([9.0, -9.0], [1, 0], rows=[70, 4]))
    expected = index.clone()
    expected[70], expected[4] = 9.0, -9.0
    assert torch.equal(objective.index, expected)


def test_visited_rows_may_stay_as_the_epoch_found_them():
    """Without refresh_visited only the beginning of an epoch changes the memory."""
    index, labels = sample(100)
    objective = fitted("ospo", {"refresh_visited": False}, index, labels)
    objective.observe(batch_at([9.0, -9.0], [1, 0], rows=[70, 4]))
    assert torch.equal(objective.index, index)
    objective.update(20, ratios_at(2 * index), labels)
    assert torch.equal(objective.index, 2 * index)


def test_own_row_is_left_out_by_its_id():
    """The loss of row 17 does not change with the label the memory holds of row 17."""
    index, labels = sample(100)
    relabelled = labels.clone()
    relabelled[17] = 1 - relabelled[17]
    batch = batch_at([0.4], [1], rows=[17])
    for options, same in (({}, True), ({"exclude_own_row": False}, False)):
        first = fitted("ospo", options, index, labels)
        second = fitted("ospo", options, index, relabelled)
        assert (first.loss(batch) == second.loss(batch)) == same


def test_prior_where_there_is_no_mass():
    """All t in the memory within ±6; at t = 60 the kernel is silent: σ(.1·60) = .9975."""
    index, labels = sample(100)
    link = fitted("ospo", {"beta_train": 0.1, "clip": 1e-6}, index, labels).probability
    expected = 1 / (1 + math.exp(-6.0))
    assert link(torch.tensor([60.0])).item() == pytest.approx(expected, rel=1e-6)


def test_link_is_symmetric():
    index, labels = sample(300)
    link = fitted("ospo", {}, index, labels).probability
    grid = torch.linspace(-8, 8, 201)
    torch.testing.assert_close(link(-grid), 1 - link(grid), rtol=0, atol=2e-6)


def test_published_starts_at_one_half_with_the_blend():
    """Empty memory: ĝ = .95·½ + .05·σ(t); at t = 2, z = 1: σ(2) = .8808, ĝ = .5190."""
    loss = ospo.Objective(FIFO, SCHEDULE).loss(batch_at([2.0], [1]))
    assert loss.item() == pytest.approx(-math.log(0.475 + 0.05 / (1 + math.exp(-2.0))), rel=1e-6)


def test_published_link_closed_form():
    """h = .5·(sd + 1e-6), ĝ = Σwz/(Σw + 1e-6) clipped to 1e-4, blended; own row kept."""
    index, labels = sample(8)
    objective = ospo.Objective(FIFO, SCHEDULE)
    objective.observe(batch_at(index[:4], labels[:4]))
    objective.observe(batch_at(index[4:], labels[4:]))
    t, z = index.numpy().astype(float), labels.numpy()
    bandwidth = 0.5 * (t.std() + 1e-6)
    total = 0.0
    for at, label in zip(t[:2], z[:2], strict=True):
        weight = np.exp(-0.5 * ((at - t) / bandwidth) ** 2)
        kernel = np.clip((weight @ z) / (weight.sum() + 1e-6), 1e-4, 1 - 1e-4)
        link = 0.95 * kernel + 0.05 / (1 + math.exp(-at))
        total -= math.log(link if label == 1 else 1 - link)
    loss = objective.loss(batch_at(index[:2], labels[:2], rows=[0, 1]))
    assert loss.item() == pytest.approx(total / 2, rel=1e-5)


def test_fifo_forgets_the_oldest():
    """Capacity 5: after 3, 3 and 7 entries it holds the last five."""
    objective = ospo.Objective({**FIFO, "fifo_capacity": 5}, SCHEDULE)
    objective.observe(batch_at([1.0, 2, 3], [0, 0, 0]))
    assert sorted(objective.index[:3].tolist()) == [1, 2, 3]
    objective.observe(batch_at([4.0, 5, 6], [1, 1, 1]))
    assert sorted(objective.index.tolist()) == [2, 3, 4, 5, 6]
    assert objective.labels.sum() == 3
    objective.observe(batch_at(torch.arange(7.0, 14.0), torch.zeros(7)))
    assert sorted(objective.index.tolist()) == [9, 10, 11, 12, 13]


@pytest.mark.parametrize("options", [{}, FIFO, {**FIFO, "exclude_own_row": True}])
def test_gradient_equals_finite_differences(options):
    """dL/dt in float64, with the memory constant."""
    index, labels = sample(100)
    objective = fitted("ospo", options, index, labels)
    objective.index, objective.labels = objective.index.double(), objective.labels.double()
    rows = torch.arange(6)

    def loss(log_ratios):
        ones = torch.ones(6, 2)
        return objective.loss(base.Batch(rows, log_ratios, log_ratios, ones, labels[:6].double()))

    start = torch.stack([torch.zeros(6), index[:6]], dim=1).double().requires_grad_()
    assert torch.autograd.gradcheck(loss, (start,), eps=1e-6, atol=1e-8)


def test_no_gradient_enters_the_memory():
    index, labels = sample(100)
    objective = fitted("ospo", {}, index, labels)
    batch = batch_at(index[:5], labels[:5])
    batch.log_ratios.requires_grad_()
    objective.observe(batch)
    assert not objective.index.requires_grad


@pytest.mark.parametrize("options", [{}, FIFO])
@pytest.mark.parametrize("direction", [1, -1])
def test_sign_is_that_of_the_covariance(options, direction):
    index, labels = sample(300)
    objective = ospo.Objective(options, SCHEDULE)
    assert objective.sign() == 1
    objective.finish(ratios_at(direction * index), labels)
    assert objective.sign() == direction


def test_sign_of_the_published_learner_is_centred():
    """t = 1 2 3, z = 0 1 1: means 2 and 2/3; covariance (−1·−2/3 + 0 + 1·1/3)/3 = 1/3 ≥ 0.

    With t − 10 it is the same, although mean t·(2z − 1) is then negative.
    """
    objective = ospo.Objective(FIFO, SCHEDULE)
    objective.finish(ratios_at(torch.tensor([-9.0, -8.0, -7.0])), torch.tensor([0.0, 1.0, 1.0]))
    assert objective.sign() == 1


def test_all_indices_equal_is_finite():
    """No warm start and t ≡ 0: ĝ = ½, and only the prior moves: gradient finite."""
    objective = ospo.Objective({"warm_start_epochs": 0}, SCHEDULE)
    labels = (torch.arange(100) % 2).float()
    objective.update(0, ratios_at(torch.zeros(100)), labels)
    batch = batch_at(torch.zeros(10), labels[:10])
    batch.log_ratios.requires_grad_()
    loss = objective.loss(batch)
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2), rel=1e-5)
    assert torch.isfinite(batch.log_ratios.grad).all()


def test_memory_of_5000_rows():
    """A batch of 32 against 2·5000 points, tabulated over more rows than one chunk."""
    index, labels = sample(5000)
    objective = fitted("ospo", {}, index, labels)
    assert torch.isfinite(objective.loss(batch_at(index[:32], labels[:32])))
    assert objective.probability(torch.linspace(-5, 5, 1500)).shape == (1500,)
