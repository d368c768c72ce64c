"""Closed forms and gradients of the stateless objectives, and the options' checks."""

import ast
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from objective_samples import batch_at, sample
from published_objectives import OPTIONS as PUBLISHED

from prefgrid.objectives import (
    base,
    cdpo,
    dpo,
    hinge,
    ipo,
    ospo,
    ospo_orthogonal,
    pspo,
    reinforce,
    robust_dpo,
    rspo,
    sft,
    simpo,
    softpo,
)
from prefgrid.objectives.smoothers import SMOOTHERS

SCHEDULE = base.Schedule(rows=100, steps=40, steps_per_epoch=10, seed=0)


def softplus(x):
    return math.log1p(math.exp(x))


def test_dpo_closed_form():
    """t = 2, z = 1: s = 2;  t = 1, z = 0: s = −1.  β = .5: mean of softplus(−1), softplus(.5)."""
    loss = dpo.Objective({"beta_train": 0.5}, SCHEDULE).loss(batch_at([2.0, 1.0], [1, 0]))
    assert loss.item() == pytest.approx((softplus(-1.0) + softplus(0.5)) / 2, rel=1e-6)


def test_index_is_the_difference_of_log_ratios():
    """a = (1, 4) and (2, −1): t = 3 and −3."""
    ratios = torch.tensor([[1.0, 4.0], [2.0, -1.0]])
    batch = base.Batch(torch.arange(2), ratios, ratios, torch.ones(2, 2), torch.ones(2))
    assert batch.index.tolist() == [3.0, -3.0]


def test_dpo_is_finite_far_out():
    """t = ±1000: losses 0 and 1000, mean 500, in float32."""
    loss = dpo.Objective({}, SCHEDULE).loss(batch_at([1000.0, -1000.0], [1, 1]))
    assert loss.item() == 500.0


def test_sft_closed_form():
    """log-probabilities −6 and −10 of 3 and 5 tokens: 16 / 8 = 2 nats a token."""
    batch = base.Batch(
        rows=torch.arange(2),
        log_ratios=torch.zeros(2, 1),
        logp_sums=torch.tensor([[-6.0], [-10.0]], requires_grad=True),
        lengths=torch.tensor([[3], [5]]),
        targets=None,
    )
    loss = sft.Objective({}, SCHEDULE).loss(batch)
    assert loss.item() == 2.0
    (gradient,) = torch.autograd.grad(loss, batch.logp_sums)
    assert gradient.tolist() == [[-1 / 8], [-1 / 8]]


def rspo_brute_force(margin, beta, include_diagonal, block_size):
    """Mean over blocks of the mean over ordered pairs, by loops."""
    blocks = []
    for start in range(0, len(margin), block_size or len(margin)):
        block = margin[start : start + (block_size or len(margin))]
        terms = [
            np.log1p(np.exp(-beta * (a + b)))
            for i, a in enumerate(block)
            for j, b in enumerate(block)
            if include_diagonal or i != j
        ]
        if terms:
            blocks.append(np.mean(terms))
    return np.mean(blocks)


@pytest.mark.parametrize("rows", [2, 7, 9, 16])
@pytest.mark.parametrize(
    ("include_diagonal", "block_size"),
    [(True, None), (True, 2), (True, 4), (True, 16), (False, None), (False, 4), (False, 16)],
)
def test_rspo_equals_brute_force(rows, include_diagonal, block_size):
    index, labels = sample(rows, seed=rows)
    options = {"beta_train": 0.7, "include_diagonal": include_diagonal, "block_size": block_size}
    loss = rspo.Objective(options, SCHEDULE).loss(batch_at(index, labels))
    margin = ((2 * labels - 1) * index).numpy()
    expected = rspo_brute_force(margin, 0.7, include_diagonal, block_size)
    assert loss.item() == pytest.approx(expected, rel=2e-6)


def test_rspo_of_one_row_is_dpo_with_doubled_margin():
    """B = 1 with the diagonal: softplus(−2·β·s)."""
    batch = batch_at([0.8], [0])
    one = rspo.Objective({"include_diagonal": True, "beta_train": 0.5}, SCHEDULE).loss(batch)
    two = dpo.Objective({"beta_train": 1.0}, SCHEDULE).loss(batch)
    assert one.item() == two.item() == pytest.approx(softplus(0.8), rel=1e-6)


def test_rspo_of_one_row_without_diagonal_has_no_pair():
    batch = batch_at([0.8], [0])
    batch.log_ratios.requires_grad_()
    loss = rspo.Objective({}, SCHEDULE).loss(batch)
    loss.backward()
    assert loss.item() == 0.0
    assert batch.log_ratios.grad.tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize(
    ("module", "options"),
    [
        (dpo, {}),
        (dpo, PUBLISHED["dpo_published"]),
        (rspo, {"beta_train": 0.6}),
        (rspo, PUBLISHED["rspo_published"]),
    ],
)
def test_gradients_equal_finite_differences(module, options):
    """In float64, dL/d(log-ratios) for every entry; a1 and a0 have opposite gradients."""
    index, labels = sample(9, seed=3)
    ratios = torch.stack([0.3 * index, 1.3 * index], dim=1).double().requires_grad_()
    objective = module.Objective(options, SCHEDULE)

    def loss(log_ratios):
        return objective.loss(
            base.Batch(torch.arange(9), log_ratios, log_ratios, torch.ones(9, 2), labels.double())
        )

    assert torch.autograd.gradcheck(loss, (ratios,), eps=1e-6, atol=1e-8)
    (gradient,) = torch.autograd.grad(loss(ratios), ratios)
    torch.testing.assert_close(gradient[:, 0], -gradient[:, 1])


@pytest.mark.parametrize("module", [dpo, pspo, ospo, ospo_orthogonal, rspo])
def test_untrained_policy(module):
    """t ≡ 0 at step 0: loss log 2 and dL/dt = ∓β/2 a pair, so the first step moves as DPO's."""
    objective = module.Objective({"beta_train": 0.5}, SCHEDULE)
    batch = batch_at(torch.zeros(4), [1, 0, 1, 1])
    batch.log_ratios.requires_grad_()
    rows_in_loss = 1.0
    if module is pspo:
        rows_in_loss = objective.row_weight[batch.rows].mean().item()
    loss = objective.loss(batch)
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2) * rows_in_loss, rel=1e-6)
    gradient = batch.log_ratios.grad[:, 1] * 4
    # DPO: 4·dL/ds_i = −β·σ(0) = −.25.  RSPO: a row has either place in a pair, so twice that.
    scale = 0.5 if module is rspo else 0.25
    expected = -scale * (2 * batch.targets - 1)
    if module is pspo:
        expected = expected * objective.row_weight[batch.rows]
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize("module", [dpo, pspo, ospo, ospo_orthogonal, rspo])
def test_link_before_any_fit_is_logistic(module):
    index = torch.linspace(-3, 3, 7)
    link = module.Objective({"beta_train": 0.5}, SCHEDULE).probability(index)
    torch.testing.assert_close(link, torch.sigmoid(0.5 * index))


@pytest.mark.parametrize(
    "module",
    [
        dpo,
        pspo,
        ospo,
        ospo_orthogonal,
        rspo,
        sft,
        ipo,
        robust_dpo,
        cdpo,
        hinge,
        simpo,
        softpo,
        reinforce,
    ],
)
def test_constants_are_literal(module):
    """NEEDS and OPTIONS are readable without importing torch."""
    tree = ast.parse(Path(module.__file__).read_text())
    literals = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id in ("NEEDS", "OPTIONS")
    }
    assert literals == {"NEEDS": module.NEEDS, "OPTIONS": module.OPTIONS}
    assert module.Objective.needs is module.NEEDS
    assert module.Objective.declared is module.OPTIONS
    assert set(module.NEEDS) == {"targets", "responses", "reference_logps", "coupled"}


@pytest.mark.parametrize("label", PUBLISHED)
def test_published_options_exist(label):
    """All are options of the objective; of PSPO and OSPO every option is stated."""
    name = label.removesuffix("_published")
    objective = base.create(name, PUBLISHED[label], SCHEDULE)
    assert set(PUBLISHED[label]) == set(objective.options)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("dpo", {"beta": 1.0}, ["dpo", "beta", "allowed", "beta_train"]),
        ("dpo", {"beta_train": 0.0}, ["beta_train", "0.0", "[1e-6, 1e6]"]),
        ("rspo", {"block_size": -1}, ["block_size", "-1"]),
        ("ipo", {"reduction": "mean"}, ["reduction", "mean", "sum", "token_mean"]),
        ("robust_dpo", {"flip_rate": 0.5}, ["flip_rate", "0.5", "[0, 0.499]"]),
        ("cdpo", {"flip_rate": -0.1}, ["flip_rate", "-0.1", "[0, 0.499]"]),
        ("hinge", {"beta_train": 0}, ["hinge", "beta_train", "[1e-6, 1e6]"]),
        ("simpo", {"gamma": None}, ["gamma", "None", "[0, 1e3]"]),
        ("pspo", {"smoother": "spline"}, ["smoother", "spline", "gaussian_cdf", "knot_softmax"]),
        ("pspo", {"link_share": 1.0}, ["link_share", "1.0"]),
        ("pspo", {"refit_every_epochs": None}, ["refit_every_epochs", "None", "[1e-6, 1e6]"]),
        ("pspo", {"bandwidth_unit": "m"}, ["bandwidth_unit", "nats", "sd"]),
        ("ospo", {"prior": "none"}, ["prior", "logistic", "zero"]),
        ("ospo", {"clip": 0.5}, ["clip", "0.5"]),
        ("ospo", {"fifo_capacity": 0}, ["fifo_capacity", "0"]),
        ("ospo", {"refresh_visited": 0}, ["refresh_visited", "0", "true, false"]),
        ("ospo", {"warm_start_epochs": -1}, ["warm_start_epochs", "-1"]),
        ("ospo", {"prior_mass": None}, ["prior_mass", "None", "[1e-9, 1e9]"]),
        ("pspo", {"clip": -1, "pool_ties": 1}, ["clip", "-1", "pool_ties = 1", "true, false"]),
    ],
)
def test_bad_options_are_named(name, options, words):
    with pytest.raises(ValueError) as error:
        base.create(name, options, SCHEDULE)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize("name", ["pspo", "ospo"])
def test_a_warm_start_that_never_ends_is_refused(name):
    """One epoch of 10 steps: 10 steps of training never leave it, 11 do."""
    with pytest.raises(ValueError, match="takes 10 of 10 optimizer steps.*epochs or max_steps"):
        base.create(name, {}, base.Schedule(100, 10, 10, seed=0))
    base.create(name, {}, base.Schedule(100, 11, 10, seed=0))
    base.create(name, {"warm_start_epochs": 0}, base.Schedule(100, 1, 10, seed=0))


def test_smoothers_are_those_of_the_bounds():
    assert pspo.OPTIONS["smoother"][1] == list(SMOOTHERS)


def test_a_stateless_objective_refuses_a_state():
    with pytest.raises(ValueError, match="has no state"):
        dpo.Objective({}, SCHEDULE).load_state_dict({"left": torch.zeros(1)})


def test_dotted_names_resolve_to_any_module():
    assert isinstance(base.create("prefgrid.objectives.dpo", {}, SCHEDULE), dpo.Objective)
