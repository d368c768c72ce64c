"""Looks at a run while it trains: which weights stay, when it ends, and what a kill leaves of it."""

import json
import math

import pytest
import torch
from tiny_policy import LORA, PAD, logps_of, random_groups, tiny_lora, tiny_model, trainable_of

from prefgrid.objectives import dpo
from prefgrid.run import execution
from prefgrid.training import loop
from prefgrid.training.loop import train
from prefgrid.training.options import TrainingOptions
from prefgrid.training.step import PolicyForward
from prefgrid.training.watch import Watch

STEPS, GROUPS = 7, random_groups(9)
NAN = math.nan


class Killed(BaseException):
    """Nothing catches it."""


def run(folder, watch=None, *, steps=STEPS, stopped=None, work=None):
    """(trained weights, rows of metrics); stopped: the run keeps to its schedule but dies there."""
    chosen = TrainingOptions(
        epochs=None,
        max_steps=steps,
        batch_size=4,
        micro_batch_size=4,
        learning_rate=1e-2,
        learning_rate_schedule="constant",
        lora=LORA,
    )
    model, step = tiny_lora(), loop.loss_and_gradient
    calls = []

    def deadly(*arguments):
        calls.append(arguments)
        if len(calls) == stopped:
            raise Killed
        return step(*arguments)

    loop.loss_and_gradient = deadly
    try:
        result = train(
            PolicyForward(model, GROUPS, chosen, PAD),
            dpo.Objective({}, chosen.schedule(len(GROUPS), 0)),
            metrics_path=None,
            failure_path=folder / "failure.json",
            reference_logps=logps_of(tiny_model(), GROUPS),
            watch=watch,
            work=work,
        )
    except Killed:
        return None
    finally:
        loop.loss_and_gradient = step
    return trainable_of(model), result.metrics


def watch_of(values, *, by="value", every=1, patience=None) -> Watch:
    """Sees the next of the values, in each look that its step calls for."""
    return Watch(
        lambda step: {"value": values[math.ceil(step / every)]},
        every=every,
        by=by,
        patience=patience,
    )


@pytest.fixture(scope="module")
def after(tmp_path_factory):
    """Weights after each number of steps, of runs that nobody looks at and that end there."""
    folder = tmp_path_factory.mktemp("after")
    return {steps: run(folder, steps=steps)[0] for steps in range(1, STEPS + 1)}


def equal(one, other) -> bool:
    return all(torch.equal(weight, other[name]) for name, weight in one.items())


def test_weights_differ_after_every_step(after):
    assert not any(equal(after[step], after[step + 1]) for step in range(1, STEPS))


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ([9, 5, 3, 1, 2, 3, 4, 5], 3),
        ([9, 8, 7, 6, 5, 4, 3, 2], 7),
        ([0, 5, 6, 7, 8, 8, 8, 8], 1),  # before the first step it was better, but is not kept
        ([9, 5, 2, 2, 2, 2, 2, 2], 2),  # the first of equals
        ([9, NAN, 4, NAN, 5, 6, NAN, 9], 2),
        ([NAN, NAN, NAN, 7, NAN, NAN, NAN, NAN], 3),
        ([9, -1, -5, -2, -3, -3, -3, -3], 2),
        ([NAN] * 8, 7),  # none is a best: the last stay
        ([math.inf] * 8, 7),
    ],
)
def test_the_best_weights_are_kept(tmp_path, after, values, kept):
    """Bit for bit those of a run that ended there; all steps are in the metrics."""
    watch = watch_of(values)
    weights, metrics = run(tmp_path, watch)
    assert equal(weights, after[kept])
    assert len(metrics) == STEPS
    assert [row["step"] for row in watch.rows] == list(range(STEPS + 1))
    if kept < STEPS:
        assert (watch.best["step"], watch.best["value"]) == (kept, values[kept])


def test_without_a_value_to_go_by_the_last_weights_stay(tmp_path, after):
    watch = watch_of([9, 0, 1, 2, 3, 4, 5, 6], by=None)
    assert equal(run(tmp_path, watch)[0], after[STEPS])
    assert len(watch.rows) == STEPS + 1


@pytest.mark.parametrize(
    ("every", "steps"),
    [(2, [0, 2, 4, 6, 7]), (3, [0, 3, 6, 7]), (7, [0, 7]), (100, [0, 7]), (1, range(8))],
)
def test_it_is_looked_at_first_at_intervals_and_once_at_the_end(tmp_path, every, steps):
    looked = []
    watch = Watch(lambda step: looked.append(step) or {"value": 1}, every=every)
    run(tmp_path, watch)
    assert looked == [row["step"] for row in watch.rows] == list(steps)


@pytest.mark.parametrize(
    ("values", "patience", "done", "kept"),
    [
        ([9, 5, 6, 7, 0, 0, 0, 0], 2, 3, 1),
        ([9, 5, 6, 4, 5, 6, 0, 0], 2, 5, 3),
        ([9, 5, 5, 5, 0, 0, 0, 0], 2, 3, 1),  # as low is not lower
        ([0, 5, 6, 0, 0, 0, 0, 0], 1, 2, 1),  # of the start nothing is known
        ([9, 5, NAN, 4, NAN, NAN, 0, 0], 2, 5, 3),
        ([9, NAN, NAN, NAN, 0, 0, 0, 0], 3, 3, 3),
        ([9, 5, 6, 7, 8, 9, 9, 4], 6, 7, 7),
    ],
)
def test_patience_ends_a_run(tmp_path, after, values, patience, done, kept):
    watch = watch_of(values, patience=patience)
    weights, metrics = run(tmp_path, watch)
    assert len(metrics) == done
    assert equal(weights, after[kept])


@pytest.mark.parametrize("patience", [None, 3])
@pytest.mark.parametrize(
    "values",
    [
        [9, 5, 3, 4, 5, 6, 2, 7],
        [9, 2, 3, 4, 3, 4, 3, 4],
        [9, NAN, NAN, NAN, NAN, NAN, NAN, NAN],
        [9, math.inf, math.inf, NAN, 3, 2, 4, 5],
    ],
)
def test_a_killed_run_is_looked_at_as_if_nothing_had_been(tmp_path, monkeypatch, values, patience):
    """Killed twice in a row, in each step but the first: rows, best and weights are those of a quiet
    run, and it ends as early."""
    quiet = watch_of(values, patience=patience)
    weights, metrics = run(tmp_path, quiet)
    monkeypatch.setenv(execution.VARIABLE, json.dumps({"checkpoint_seconds": 0}))
    for first in range(2, len(metrics)):
        work = tmp_path / f"work{first}"
        for stopped in (first, 2):
            assert (
                run(tmp_path, watch_of(values, patience=patience), stopped=stopped, work=work)
                is None
            )
        watch = watch_of(values, patience=patience)
        found, rows = run(tmp_path, watch, work=work)
        assert repr(watch.rows) == repr(quiet.rows) and repr(watch.best) == repr(quiet.best)
        assert equal(found, weights) and rows == metrics
