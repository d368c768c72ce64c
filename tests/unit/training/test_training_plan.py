"""Length, learning rate, data order, metrics and the link table: everything without a model."""

import math
from typing import get_args

import pytest
import torch

from prefgrid.config.fields import Precision
from prefgrid.models.loading import DTYPES
from prefgrid.objectives.base import Batch, Schedule, create
from prefgrid.training.batches import DataOrder
from prefgrid.training.link_table import link_table
from prefgrid.training.metrics import NAMES, step_metrics
from prefgrid.training.options import TrainingOptions


def options(**changes) -> TrainingOptions:
    settings = {
        "epochs": None,
        "max_steps": 10,
        "batch_size": 4,
        "micro_batch_size": 4,
        "learning_rate": 1.0,
    }
    return TrainingOptions(**{**settings, **changes})


def test_steps_are_optimizer_steps():
    """10 rows in batches of 4: 4 + 4 + 2 = 3 steps an epoch."""
    assert options(epochs=2, max_steps=None).schedule(10, 7) == Schedule(
        rows=10, steps=6, steps_per_epoch=3, seed=7
    )
    assert options(epochs=0.5, max_steps=None).schedule(16, 0).steps == 2
    assert options(epochs=0.01, max_steps=None).schedule(16, 0).steps == 1
    assert options(max_steps=100).schedule(10, 0).steps == 100


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 1.0}, "exactly one of epochs and max_steps"),
        ({"max_steps": None}, "exactly one of epochs and max_steps"),
        ({"micro_batch_size": 0}, "at least 1"),
        ({"precision": "fp8"}, "allowed: none, bf16, fp16"),
    ],
)
def test_options_that_do_not_fit(changes, message):
    with pytest.raises(ValueError, match=message):
        options(**changes)


def test_linear_decay_is_constant_between_warm_up_and_fall():
    """1/3, 2/3, 1 at the peak until 40 % of 10 steps are left, then 1, .75, .5 and .25."""
    chosen = options(warmup_steps=2, linear_decay_share=0.4)
    rates = [chosen.learning_rate_at(step, 10) for step in range(10)]
    assert rates[:2] == pytest.approx([1 / 3, 2 / 3])
    assert rates[2:7] == [1.0] * 5
    assert rates[7:] == pytest.approx([0.75, 0.5, 0.25])
    floor = options(linear_decay_share=0.4, final_learning_rate_share=0.3)
    assert [floor.learning_rate_at(step, 10) for step in (8, 9, 12)] == [0.5, 0.3, 0.3]
    horizon = options(linear_decay_share=0.5, schedule_steps=20)
    assert horizon.learning_rate_at(9, 10) == 1.0


def test_precisions_of_the_config_have_a_dtype():
    assert set(get_args(Precision)) == set(DTYPES)


def test_learning_rate_warms_up_and_falls_along_a_cosine():
    """Warm-up 2, horizon 10: 1/3, 2/3, then (1 + cos(pi k/8))/2 for k = 0..7."""
    rates = [options(warmup_steps=2).learning_rate_at(step, 10) for step in range(10)]
    cosine = [(1 + math.cos(math.pi * k / 8)) / 2 for k in range(8)]
    assert rates == pytest.approx([1 / 3, 2 / 3, *cosine])
    assert rates[6] == pytest.approx(0.5)


def test_a_warm_up_ends_within_the_run():
    """Else the rate never reaches its peak: 10 steps of warm-up reach 9/11 of it in 9 steps."""
    chosen = options(epochs=3.0, max_steps=None, batch_size=8, warmup_steps=9)
    assert chosen.schedule(27, seed=0).steps == 12
    assert chosen.schedule(25, seed=0).steps == 12
    with pytest.raises(ValueError, match="over 24 groups warmup_steps is 9 of 9 optimizer steps"):
        chosen.schedule(24, seed=0)


def test_learning_rate_horizon_and_final_share():
    # Half way along a horizon of 20: share .2 + .8 * (1 + cos(pi/2))/2 = .6; beyond it: .2.
    chosen = options(schedule_steps=20, final_learning_rate_share=0.2)
    assert chosen.learning_rate_at(10, steps=10) == pytest.approx(0.6)
    assert chosen.learning_rate_at(35, steps=40) == pytest.approx(0.2)
    constant = options(final_learning_rate_share=1.0)
    assert {constant.learning_rate_at(step, 10) for step in range(10)} == {1.0}
    assert options(warmup_steps=5, max_steps=1).learning_rate_at(0, 1) > 0


def test_data_order_is_one_permutation_an_epoch():
    schedule = Schedule(rows=10, steps=6, steps_per_epoch=3, seed=3)
    order = DataOrder(schedule, 4)
    steps = [order.rows(step) for step in range(6)]
    assert [len(rows) for rows in steps] == [4, 4, 2, 4, 4, 2]
    first, second = sum(steps[:3], []), sum(steps[3:], [])
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    # Any step can be asked for at any time: a resumed run sees the same rows.
    assert DataOrder(schedule, 4).rows(4) == steps[4]
    assert order.rows(0) == steps[0]
    other = Schedule(rows=10, steps=6, steps_per_epoch=3, seed=4)
    assert sum((DataOrder(other, 4).rows(step) for step in range(3)), []) != first


def batch(log_ratios, labels) -> Batch:
    ratios = torch.tensor(log_ratios)
    return Batch(
        rows=torch.arange(len(ratios)),
        log_ratios=ratios,
        logp_sums=ratios,
        lengths=torch.ones(ratios.shape, dtype=torch.long),
        targets=None if labels is None else torch.tensor(labels),
    )


def metrics_of(rows: Batch) -> dict:
    return step_metrics(1, 1, torch.tensor(0.5), rows, torch.tensor(2.0), 0.1, 3)


def test_preference_metrics_by_hand():
    """t = (3, -1, 0) with labels (1, 1, 0): oriented (3, -1, 0).

    margin 2/3; accuracy (1 + 0 + 1/2)/3 = 1/2; sd of t: mean 2/3, squares 49/9, 25/9, 4/9, their
    mean 78/27; chosen a = (2, -1, 1), rejected a = (-1, 0, 1).
    """
    row = metrics_of(batch([[-1.0, 2.0], [0.0, -1.0], [1.0, 1.0]], [1.0, 1.0, 0.0]))
    assert {name: row[name] for name in NAMES} == pytest.approx(
        {
            "margin": 2 / 3,
            "index_sd": math.sqrt(78 / 27),
            "chosen_log_ratio": 2 / 3,
            "rejected_log_ratio": 0.0,
            "pair_accuracy": 0.5,
        }
    )


def test_no_preference_metrics_without_pairs():
    for rows in (batch([[-1.0], [2.0]], None), batch([[1.0, 2.0]], None)):
        assert {metrics_of(rows)[name] for name in NAMES} == {None}


def test_link_table_covers_the_training_indices_symmetrically():
    objective = create("dpo", {"beta_train": 0.5}, Schedule(4, 1, 1, 0))
    table = link_table(objective, torch.tensor([-3.0, 1.0, 2.0, 0.5]))
    grid = table["index_nats"]
    assert table["sign"] == 1 and len(grid) == len(table["probability"])
    # The .999 quantile of |t| = (.5, 1, 2, 3) lies at 2 + .997 (3 - 2) = 2.997.
    assert (grid[0], grid[-1]) == pytest.approx((-2.997, 2.997), abs=1e-5)
    expected = [1 / (1 + math.exp(-0.5 * t)) for t in grid]
    assert table["probability"] == pytest.approx(expected, abs=1e-6)
