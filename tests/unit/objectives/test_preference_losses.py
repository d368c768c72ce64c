"""Losses of comparisons, by hand."""

import math

import pytest
import torch

from prefgrid.objectives.base import Batch, Schedule
from prefgrid.objectives.preference_losses import PreferenceLoss, columns

SCHEDULE = Schedule(rows=2, steps=1, steps_per_epoch=1, seed=0)


def loss(values, lengths, targets, **options) -> float:
    values = torch.tensor(values)
    batch = Batch(
        rows=torch.arange(len(values)),
        log_ratios=values,
        logp_sums=values,
        lengths=torch.tensor(lengths),
        targets=torch.tensor(targets),
    )
    return PreferenceLoss(options, SCHEDULE).loss(batch).item()


def nll(logit: float) -> float:
    return math.log1p(math.exp(-logit))


def test_cross_entropy_of_labels():
    """The mean over rows of the mean over each one's comparisons."""
    found = loss([[2.0, -1.0], [0.5, 9.9]], [[1, 1], [1, 0]], [[1.0, 1.0], [1.0, 0.0]])
    assert found == pytest.approx(((nll(2) + nll(-1)) / 2 + nll(0.5)) / 2)
    assert loss([[0.0]], [[1]], [[1.0]]) == pytest.approx(math.log(2))


def test_cross_entropy_of_probabilities():
    found = loss([[1.5]], [[1]], [[0.8]], loss="soft_ce")
    assert found == pytest.approx(0.8 * nll(1.5) + 0.2 * nll(-1.5))
    assert loss([[1.5]], [[1]], [[1.0]], loss="soft_ce") == pytest.approx(nll(1.5))
    entropy = -0.8 * math.log(0.8) - 0.2 * math.log(0.2)
    assert loss([[math.log(4)]], [[1]], [[0.8]], loss="soft_ce") == pytest.approx(entropy)


def test_squares():
    assert loss([[4.0]], [[1]], [[10.0]], loss="mse") == pytest.approx(18.0)


# log π of the better and of the other, over 4 and 2 tokens; b = 2, c = .1.
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("token_nll", 6.0 / 4),
        ("token_mean", nll(2 * -6.0 / 4)),
        ("sequence", nll(2 * -6.0)),
        ("dpo", nll(2 * (-6.0 / 4 + 5.0 / 2) - 1)),
    ],
)
def test_language_model_terms(name, expected):
    values, lengths, targets = [3.0, -6.0, -5.0], [1, 4, 2], [1.0, 0.0, 0.0]
    cut = columns(name)
    found = loss([values[:cut]], [lengths[:cut]], [targets[:cut]], ptx_loss=name)
    assert found == pytest.approx(0.9 * nll(3.0) + 0.1 * expected)
    assert cut == (3 if name == "dpo" else 2)


def test_a_language_model_term_is_of_present_comparisons_alone():
    values = [[3.0, 0.0, -6.0, 0.0], [1.0, 2.0, -4.0, -2.0]]
    lengths = [[1, 0, 4, 0], [1, 1, 2, 4]]
    targets = [[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0]]
    found = loss(values, lengths, targets, ptx_loss="token_nll", ptx_share=0.5)
    preference = (nll(3) + (nll(1) + nll(2)) / 2) / 2
    language = (1.5 + (2.0 + 0.5) / 2) / 2
    assert found == pytest.approx((preference + language) / 2)


def test_no_gradient_arrives_where_there_is_no_comparison():
    values = torch.tensor([[1.0, 5.0]], requires_grad=True)
    batch = Batch(torch.arange(1), values, values, torch.tensor([[1, 0]]), torch.ones(1, 2))
    PreferenceLoss({}, SCHEDULE).loss(batch).backward()
    assert values.grad[0, 1] == 0 and values.grad[0, 0] == pytest.approx(-1 / (1 + math.e))


def test_unknown_options_are_refused():
    with pytest.raises(ValueError, match="option loss|loss is|loss"):
        PreferenceLoss({"loss": "hinge"}, SCHEDULE)
