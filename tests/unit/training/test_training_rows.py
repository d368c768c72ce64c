"""Rows that an objective does not train on are not computed, and that changes nothing."""

import pytest
import torch
from tiny_policy import LORA, PAD, logps_of, random_groups, tiny_lora, tiny_model, trainable_of

from prefgrid.objectives import dpo, pspo
from prefgrid.training import loop, ratios
from prefgrid.training.options import TrainingOptions
from prefgrid.training.step import PolicyForward

GROUPS = random_groups(20)


def two_epochs(**changes) -> TrainingOptions:
    """The first of them is the warm start."""
    settings = {
        "epochs": 2,
        "max_steps": None,
        "batch_size": 8,
        "micro_batch_size": 8,
        "learning_rate": 1e-3,
        "lora": LORA,
    }
    return TrainingOptions(**{**settings, **changes})


LINK_SHARE = {"link_share": 0.3}
LINK_ROWS = pspo.Objective(LINK_SHARE, two_epochs().schedule(len(GROUPS), 0)).link_rows.tolist()


def trained(folder, objective_type, monkeypatch, objective_options=LINK_SHARE, **changes):
    """(final trainable tensors, result, rows of every batch)."""
    options = two_epochs(**changes)
    objective = objective_type(objective_options, options.schedule(len(GROUPS), 0))
    seen, observe = [], objective.observe
    monkeypatch.setattr(
        objective, "observe", lambda batch: (seen.append(batch.rows.tolist()), observe(batch))
    )
    model = tiny_lora()
    result = loop.train(
        PolicyForward(model, GROUPS, options, PAD),
        objective,
        metrics_path=folder / "metrics.jsonl",
        failure_path=folder / "failure.json",
        reference_logps=logps_of(tiny_model(), GROUPS),
    )
    return trainable_of(model), result, seen


class Watchful(dpo.Objective):
    """Wants all indices at the end."""

    def wanted_rows(self, step):
        return torch.arange(self.schedule.rows) if step == self.schedule.steps else None


class Wasteful(pspo.Objective):
    """Computes the link rows too, whose weight in the loss is 0."""

    def trained_rows(self, rows):
        return rows


@pytest.mark.parametrize("micro_batch_size", [8, 3])
def test_leaving_out_the_link_rows_changes_nothing(tmp_path, monkeypatch, micro_batch_size):
    size = {"micro_batch_size": micro_batch_size}
    lean, result, lean_rows = trained(tmp_path, pspo.Objective, monkeypatch, **size)
    full, expected, full_rows = trained(tmp_path, Wasteful, monkeypatch, **size)
    assert len(LINK_ROWS) == 6
    assert lean_rows == [[row for row in rows if row not in LINK_ROWS] for rows in full_rows]
    start = trainable_of(tiny_lora())
    for name, weight in full.items():
        torch.testing.assert_close(lean[name], weight, atol=2e-6, rtol=1e-4)
    assert any((full[name] - start[name]).abs().max() > 1e-3 for name in full)
    losses = [[row["loss"] for row in run.metrics] for run in (result, expected)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)
    torch.testing.assert_close(result.index, expected.index, atol=1e-4, rtol=1e-3)
    assert [row["examples_seen"] for row in result.metrics] == [8, 16, 20, 28, 36, 40]


def test_a_step_of_link_rows_alone_has_no_gradient_and_goes_on(tmp_path, monkeypatch):
    """Steps of one row: the 6 link rows of each epoch have loss 0."""
    _, result, rows = trained(tmp_path, pspo.Objective, monkeypatch, batch_size=1)
    assert len(rows) == 40
    for metrics, (row,) in zip(result.metrics, rows, strict=True):
        assert (metrics["loss"] == 0) == (row in LINK_ROWS)
        assert metrics["grad_norm"] == 0 or row not in LINK_ROWS


def test_the_index_of_few_rows_is_the_finished_policy_s(tmp_path, monkeypatch):
    """DPO wants none; the first rows have their final t, which later steps have moved on."""
    monkeypatch.setattr(ratios, "DESCRIBED_ROWS", 5)
    kinds = {"few": dpo.Objective, "all": Watchful}
    few, every = (trained(tmp_path, kind, monkeypatch, {})[1].index for kind in kinds.values())
    assert few.isnan().tolist() == [False] * 5 + [True] * 15
    torch.testing.assert_close(few[:5], every[:5], atol=1e-4, rtol=1e-4)
    assert every.isfinite().all() and every.abs().max() > 0.1
