"""The loop trains any forward: a value head and a classifier, against a loop written out here."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_policy import tiny_model, trainable_of
from torch.nn.functional import cross_entropy, mse_loss

from prefgrid.files import store
from prefgrid.objectives import base
from prefgrid.run import execution
from prefgrid.training import loop
from prefgrid.training.batches import DataOrder
from prefgrid.training.forward import Forward
from prefgrid.training.options import TrainingOptions
from prefgrid.training.processes import Processes

ROWS, BATCH, STEPS, CLASSES = 9, 4, 8, 3
# Of one length, so that no padding and no order of sums enters the comparison.
TEXTS = torch.randint(2, 60, (ROWS, 5), generator=torch.Generator().manual_seed(0))
VALUES = torch.randn(ROWS, 1, generator=torch.Generator().manual_seed(1))
KINDS = torch.arange(ROWS) % CLASSES


@dataclass
class HeadForward(Forward):
    """What a linear head, drawn here, reads off the last token: [rows, its outputs]."""

    model: Any
    targets: torch.Tensor
    outputs: int
    options: TrainingOptions
    processes: Processes = Processes()
    sampling_logps: None = None
    longest: int = 5

    def __post_init__(self) -> None:
        self.lengths = torch.ones(ROWS, self.outputs, dtype=torch.int64)

    def micro_batch(self, rows: Sequence[int]) -> torch.Tensor:
        return head_values(self.model, TEXTS[list(rows)])

    def described(self, row: int) -> dict[str, Any]:
        return {"text": TEXTS[row].tolist()}


class Regression(base.Objective):
    needs = {"targets": "scores", "responses": 1, "reference_logps": False, "coupled": False}
    declared = {}

    def loss(self, batch):
        return mse_loss(batch.logp_sums, batch.targets)


class Classification(base.Objective):
    needs = {"targets": "labels", "responses": None, "reference_logps": False, "coupled": True}
    declared = {}

    def loss(self, batch):
        return cross_entropy(batch.logp_sums, batch.targets.long())


TASKS = {"value head": (Regression, VALUES, 1), "classifier": (Classification, KINDS, CLASSES)}


def head_values(model, texts: torch.Tensor) -> torch.Tensor:
    return model.head(model.model(input_ids=texts, use_cache=False).last_hidden_state[:, -1])


def model_with_head(outputs: int):
    model = tiny_model(factor=1.0, num_hidden_layers=1)
    torch.manual_seed(4)
    model.head = torch.nn.Linear(model.config.hidden_size, outputs)
    return model


def options(**changes) -> TrainingOptions:
    settings = {"epochs": None, "max_steps": STEPS, "batch_size": BATCH, "micro_batch_size": BATCH}
    return TrainingOptions(**{**settings, "learning_rate": 3e-3, **changes})


def run(task: str, folder: Path, work: Path | None = None, **changes):
    objective, targets, outputs = TASKS[task]
    chosen, model = options(**changes), model_with_head(outputs)
    folder.mkdir(exist_ok=True)
    result = loop.train(
        HeadForward(model, targets.float(), outputs, chosen),
        objective({}, chosen.schedule(ROWS, 5)),
        metrics_path=folder / "metrics.jsonl",
        failure_path=folder / "failure.json",
        work=work,
    )
    save_file(trainable_of(model), folder / "weights.safetensors")
    return result


@pytest.mark.parametrize("micro_batch_size", [BATCH, 3, 1])
@pytest.mark.parametrize("task", TASKS)
def test_a_head_is_trained_as_by_a_plain_loop(tmp_path, task, micro_batch_size):
    """AdamW on the mean over the batch, clipped at norm 1, cosine from the first step on."""
    _, targets, outputs = TASKS[task]
    loss_of = mse_loss if task == "value head" else cross_entropy
    chosen, model = options(), model_with_head(outputs).train()
    weights = list(model.parameters())
    optimizer = torch.optim.AdamW(weights, lr=3e-3, weight_decay=0.0)
    order = DataOrder(chosen.schedule(ROWS, 5), BATCH)
    losses = []
    for step in range(STEPS):
        rows = order.rows(step)
        optimizer.param_groups[0]["lr"] = chosen.learning_rate_at(step, STEPS)
        loss = loss_of(head_values(model, TEXTS[rows]), targets[rows])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        losses.append(loss.item())
    result = run(task, tmp_path / "run", micro_batch_size=micro_batch_size)
    assert [row["loss"] for row in result.metrics] == pytest.approx(losses, abs=1e-4)
    assert all(row["margin"] is None for row in result.metrics)
    trained = load_file(tmp_path / "run" / "weights.safetensors")
    with torch.no_grad():
        expected = head_values(model.eval(), TEXTS)
        untrained = head_values(model_with_head(outputs), TEXTS)
        assert loss_of(expected, targets) < 0.9 * loss_of(untrained, targets)
        model.load_state_dict(trained, strict=False)
        torch.testing.assert_close(head_values(model, TEXTS), expected, atol=2e-3, rtol=1e-2)
        # Without a reference log-ratios are the values themselves.
        torch.testing.assert_close(result.log_ratios, head_values(model, TEXTS))


class Killed(BaseException):
    """What a kill leaves behind, in a process that lives on."""


@pytest.mark.parametrize("task", TASKS)
def test_a_resumed_head_is_an_uninterrupted_one(tmp_path, monkeypatch, task):
    monkeypatch.setenv(execution.VARIABLE, json.dumps({"checkpoint_seconds": 0}))
    run(task, tmp_path / "quiet", micro_batch_size=3)
    step, calls = loop.loss_and_gradient, []

    def deadly(*arguments):
        calls.append(arguments)
        if len(calls) == 6:
            raise Killed
        return step(*arguments)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(loop, "loss_and_gradient", deadly)
        run(task, tmp_path / "resumed", tmp_path / "work", micro_batch_size=3)
    lines = []
    monkeypatch.setattr(store, "log", lines.append)
    run(task, tmp_path / "resumed", tmp_path / "work", micro_batch_size=3)
    assert f"resumed at step 5 of {STEPS}" in lines
    for file in ("weights.safetensors", "metrics.jsonl"):
        assert (tmp_path / "resumed" / file).read_bytes() == (
            tmp_path / "quiet" / file
        ).read_bytes()


def test_a_failure_describes_the_forward_s_own_rows(tmp_path):
    with pytest.raises(FloatingPointError, match="not finite"):
        run("value head", tmp_path / "run", learning_rate=1e30)
    report = store.read_json(tmp_path / "run" / "failure.json")
    assert all(entry["text"] == TEXTS[entry["row"]].tolist() for entry in report["groups"])


def test_a_forward_must_say_what_it_computes():
    class Nothing(Forward):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Nothing()
