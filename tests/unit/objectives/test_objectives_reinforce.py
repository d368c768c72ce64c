"""REINFORCE with a leave-one-out baseline, on answers whose groups can all be enumerated.

The kind of bug: a baseline that moves the mean of the gradient, or a unit or sign of β that trains
towards another optimum.
"""

from itertools import product

import pytest
import torch

from prefgrid.objectives import base, reinforce, softpo

SCHEDULE = base.Schedule(rows=8, steps=40, steps_per_epoch=8, seed=0)
BETA, ANSWERS = 0.3, 5
REFERENCE = torch.linspace(-1, 1, ANSWERS, dtype=torch.float64).log_softmax(0)
SCORES = torch.tensor([-0.9, 0.1, -0.4, -0.05, -0.6], dtype=torch.float64)
OPTIMUM = (REFERENCE + SCORES / BETA).log_softmax(0)
ELSEWHERE = torch.tensor([0.5, -1.0, 0.2, 1.0, -0.3], dtype=torch.float64)


def batch_of(log_ratios, scores, logps=None, lengths=None) -> base.Batch:
    """float64 [G][K]; the reference gives every response −4 nats unless logps say otherwise."""
    log_ratios, scores = (torch.as_tensor(one, dtype=torch.float64) for one in (log_ratios, scores))
    return base.Batch(
        rows=torch.arange(7, 7 + len(scores)),
        log_ratios=log_ratios,
        logp_sums=log_ratios - 4 if logps is None else torch.as_tensor(logps, dtype=torch.float64),
        lengths=torch.full(scores.shape, 3) if lengths is None else torch.tensor(lengths),
        targets=scores,
    )


def group_of(logits, answers) -> base.Batch:
    """One group of these answers."""
    logps, drawn = logits.log_softmax(0), list(answers)
    return batch_of((logps - REFERENCE)[drawn][None], SCORES[drawn][None], logps[drawn][None])


def slope(loss, logits):
    return torch.autograd.grad(loss, logits)[0]


def made(beta=BETA) -> reinforce.Objective:
    return reinforce.Objective({"beta": beta}, SCHEDULE)


def test_by_hand():
    """β = .5: R = 2r − Δ = 1, −4 and 6. A = 1 − 1, −4 − 3.5 and 6 + 1.5; log π = −3, −2, −6."""
    batch = batch_of([[1.0, 2.0, -2.0]], [[1.0, -1.0, 2.0]], [[-3.0, -2.0, -6.0]])
    batch.logp_sums.requires_grad_()
    loss = made(0.5).loss(batch)
    assert loss.item() == pytest.approx(-(0 * -3 - 7.5 * -2 + 7.5 * -6) / 3)
    assert slope(loss, batch.logp_sums)[0].tolist() == pytest.approx([0, 2.5, -2.5])


@pytest.mark.parametrize("size", [2, 3])
def test_the_mean_gradient_over_all_groups_is_that_of_the_kl_to_the_optimum(size):
    """E over every group that the policy may draw, each with its probability, beside ∇KL(π‖π*)."""
    logits = ELSEWHERE.clone().requires_grad_()
    probabilities = ELSEWHERE.softmax(0)
    total = sum(
        probabilities[list(drawn)].prod() * made().loss(group_of(logits, drawn))
        for drawn in product(range(ANSWERS), repeat=size)
    )
    logps = logits.log_softmax(0)
    exact = slope((logps.exp() * (logps - OPTIMUM)).sum(), logits)
    assert exact.abs().max() > 0.1
    torch.testing.assert_close(slope(total, logits), exact, rtol=1e-12, atol=1e-14)


def test_at_the_optimum_no_group_has_a_gradient():
    """Not only in the mean: zero variance. Elsewhere nearly every group has one."""
    for start, still in ((OPTIMUM, True), (ELSEWHERE, False)):
        logits = start.clone().requires_grad_()
        for drawn in product(range(ANSWERS), repeat=2):
            size = slope(made().loss(group_of(logits, drawn)), logits).abs().max()
            assert (size < 1e-12) == (still or drawn[0] == drawn[1])


def test_beta_sets_the_optimum_alone_and_not_the_size_of_the_step():
    """Scores and β times 20: the same gradient; nats as those of `softpo`, K/(2(K − 1)) times."""
    logits = ELSEWHERE.clone().requires_grad_()
    batch = group_of(logits, (0, 1, 3, 3))
    ours = slope(made().loss(batch), logits)
    logits = ELSEWHERE.clone().requires_grad_()
    batch = group_of(logits, (0, 1, 3, 3))
    scaled = base.Batch(
        batch.rows, batch.log_ratios, batch.logp_sums, batch.lengths, 20 * batch.targets
    )
    other = slope(made(20 * BETA).loss(scaled), logits)
    torch.testing.assert_close(ours, other, rtol=1e-12, atol=1e-15)
    logits = ELSEWHERE.clone().requires_grad_()
    options = {"loss": "squared", "value": "group", "beta": BETA}
    squared = softpo.Objective(options, SCHEDULE).loss(group_of(logits, (0, 1, 3, 3)))
    torch.testing.assert_close(ours, slope(squared, logits) * 4 / 6, rtol=1e-12, atol=1e-15)


def test_groups_of_unequal_size_count_alike():
    """Groups of 3 and 2 in one batch: the mean of the two losses; what is not there gets nothing."""
    long = ([0.4, -1.0, 0.3], [0.2, -0.7, -0.5])
    short = ([-0.6, 0.9], [-0.1, -0.9])
    alone = [made().loss(batch_of([ratios], [scores])) for ratios, scores in (long, short)]
    padded = [[a, [*b, 0.0]] for a, b in zip(long, short, strict=True)]
    both = batch_of(*padded, lengths=[[4, 2, 1], [3, 3, 0]])
    both.logp_sums.requires_grad_()
    loss = made().loss(both)
    torch.testing.assert_close(loss, sum(alone) / 2)
    slopes = slope(loss, both.logp_sums)
    assert slopes[1, 2] == 0 and (slopes[1, :2] != 0).all()


def test_a_group_of_one_is_refused_by_name():
    batch = batch_of([[0.1, 0.2], [0.3, 0.0]], [[-1, -2], [-1, 0]], lengths=[[3, 3], [3, 0]])
    words = "reinforce: row 8 has one response, .*allowed: two or more responses a group"
    with pytest.raises(ValueError, match=words):
        made().loss(batch)


@pytest.mark.parametrize("beta", [0, -0.1, 1e7])
def test_a_beta_out_of_its_range_is_named(beta):
    with pytest.raises(ValueError, match=f"beta = {beta}; allowed"):
        made(beta)


def test_it_has_no_link():
    assert made().probability(torch.zeros(3)).isnan().all() and made().sign() == 1
