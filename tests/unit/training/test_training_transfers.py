"""No step waits for the device but in the one transfer of its metrics."""

import pytest
from tiny_runs import methods, run
from torch.utils._python_dispatch import TorchDispatchMode

from prefgrid.objectives import pspo
from prefgrid.training import loop, ratios
from prefgrid.training.preference import PreferenceForward
from prefgrid.training.step import PolicyForward

# What reads values on the CPU, or makes a shape of them, and so waits until a GPU is done.
WAITING = ("_local_scalar_dense", "nonzero", "equal", "masked_select", "is_nonzero")
STEPS = 5


class Waits(TorchDispatchMode):
    """Names of the waiting operations while `watching`."""

    def __init__(self):
        super().__init__()
        self.found, self.watching = [], False

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        name = function.overloadpacket.__name__
        if self.watching and name in WAITING:
            self.found.append(name)
        return function(*arguments, **(named or {}))


# A first-in-first-out memory that leaves out a row's own entries must look for them; the others take
# the steps of dpo or sft. Between steps whose groups are drawn anew, sampling waits for every token. Losses
# on scores look whether a group has what they need.
LEFT_OUT = {"ospo_fifo", "dpo_published", "dpo_full", "sft_full"}
LEFT_OUT |= {"softpo", "softpo_sampled_value", "softpo_squared", "reinforce"}
WATCHED = [label for label in methods() if label not in LEFT_OUT and not label.startswith("drawn")]


@pytest.mark.parametrize("label", WATCHED)
def test_steps_do_not_wait(tmp_path, monkeypatch, label):
    """From the metrics of the first step to those of the last, but for refreshes of indices, fits
    to them and the policy's forward."""
    waits, step_metrics, steps = Waits(), loop.metrics.step_metrics, []

    def transfer(step, *arguments):
        steps.append(step)
        waits.watching = False
        row = step_metrics(step, *arguments)
        waits.watching = step < STEPS
        return row

    def unwatched(function):
        def called(*arguments):
            watching, waits.watching = waits.watching, False
            result = function(*arguments)
            waits.watching = watching
            return result

        return called

    monkeypatch.setattr(loop.metrics, "step_metrics", transfer)
    monkeypatch.setattr(ratios, "present", unwatched(ratios.present))
    monkeypatch.setattr(pspo.Objective, "fit", unwatched(pspo.Objective.fit))
    # Its layout is worked out on the CPU from lists, which looks alike where the model is there too.
    for forward in (PolicyForward, PreferenceForward):
        monkeypatch.setattr(forward, "micro_batch", unwatched(forward.micro_batch))
    with waits:
        run(label, tmp_path, max_steps=STEPS)
    assert steps == [1, 2, 3, 4, 5]
    assert waits.found == []


def test_the_watch_sees_what_waits(tmp_path, monkeypatch):
    waits = Waits()
    step = loop.loss_and_gradient

    def waiting(*arguments):
        loss, batch = step(*arguments)
        loss.item()
        return loss, batch

    monkeypatch.setattr(loop, "loss_and_gradient", waiting)
    waits.watching = True
    with waits:
        run("sft", tmp_path, max_steps=2)
    assert waits.found.count("_local_scalar_dense") >= 2
