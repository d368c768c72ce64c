"""The one training loop: any objective, LoRA or full fine-tune, counted in optimizer steps."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import torch
from accelerate import Accelerator
from torch import Tensor

from prefgrid import devices, seeding, store
from prefgrid.objectives.base import Objective
from prefgrid.training import failures, metrics
from prefgrid.training.batches import DataOrder, Group
from prefgrid.training.options import TrainingOptions
from prefgrid.training.reference import TableReference, checked_reference
from prefgrid.training.step import PolicyForward, Reference, loss_and_gradient

# Groups whose indices are compared with the cached reference before the first step.
CHECKED_GROUPS = 64
PROGRESS_LINES = 20


@dataclass(frozen=True)
class TrainingResult:
    """metrics: one row per optimizer step. index: final t of every training row, float32 [N] nats
    on the CPU; None for objectives without labels."""

    metrics: list[dict[str, Any]]
    index: Tensor | None


def train(
    model: Any,
    groups: Sequence[Group],
    objective: Objective,
    options: TrainingOptions,
    *,
    pad_id: int,
    metrics_path: Path | str,
    failure_path: Path | str,
    reference_logps: Tensor | None = None,
) -> TrainingResult:
    """Train `model` in place on `groups` for `objective.schedule.steps` optimizer steps.

    `objective` was made for `options.schedule(len(groups), seed)`; its seed is the run's, and
    keys the data order and dropout. `reference_logps` is float32 [N, K] in nats; None for an
    objective that needs none, whose log-ratios are then plain log-probabilities. Metrics are
    streamed to `metrics_path`, JSON lines. The loss is float32 over the step's whole batch,
    whatever the micro-batches. The model ends on the run's device, in evaluation mode.

    Raises ValueError for a model without trainable tensors or arguments that do not fit each
    other, FloatingPointError for a loss, gradient, index or trained weight that is not finite (the
    rows concerned are then in `failure_path`), RuntimeError if memory runs out (saying what to lower) or if the trained
    weights are still the old ones.
    """
    schedule = objective.schedule
    _check_arguments(groups, objective, options, reference_logps)
    trainable = [weight for weight in model.parameters() if weight.requires_grad]
    _check_trainable(trainable)
    accelerator = Accelerator(
        cpu=devices.device().type == "cpu",
        # The gradient scaler is all that is wanted of it; dtypes are the model's own.
        mixed_precision="fp16" if options.precision == "fp16" else "no",
    )
    optimizer = torch.optim.AdamW(
        trainable,
        lr=options.learning_rate,
        betas=options.adam_betas,
        weight_decay=options.weight_decay,
        fused=True,
    )
    model, optimizer = accelerator.prepare(model, optimizer)
    model.train()
    before = _weights_sums(trainable)

    forward = PolicyForward(model, groups, options, pad_id)
    order = DataOrder(schedule, options.batch_size)
    labels = None
    if groups[0].label is not None:
        labels = torch.tensor([group.label for group in groups], dtype=torch.float32)
        labels = labels.to(model.device)

    longest = max(len(group.prompt_tokens) + max(map(len, group.responses)) for group in groups)
    rows_of_metrics = []
    examples_seen = 0
    devices_with_random_state = [model.device] if model.device.type == "cuda" else []
    with (
        failures.explained_out_of_memory(options, longest),
        torch.random.fork_rng(devices=devices_with_random_state),
        open(metrics_path, "w", encoding="utf-8") as metrics_file,
    ):
        reference = _reference(forward, order, reference_logps)
        for step in range(schedule.steps):
            if objective.wants_indices(step):
                objective.update(step, _index(forward, reference, step, failure_path), labels)
            # Keyed by the step, so that dropout does not depend on what ran before.
            torch.manual_seed(seeding.torch_seed(schedule.seed, "dropout", step))
            rows = order.rows(step)
            loss, batch = loss_and_gradient(
                forward, objective, rows, reference, labels, accelerator.backward
            )
            if not torch.isfinite(loss):
                failures.stop_non_finite(failure_path, "the loss", step + 1, batch, groups)
            grad_norm = accelerator.clip_grad_norm_(
                trainable, options.max_grad_norm or float("inf")
            )
            # A gradient scaler leaves such a step out and scales down; without one it is the end.
            if accelerator.scaler is None and not torch.isfinite(grad_norm):
                failures.stop_non_finite(failure_path, "the gradient", step + 1, batch, groups)
            learning_rate = options.learning_rate_at(step, schedule.steps)
            for param_group in optimizer.param_groups:
                param_group["lr"] = learning_rate
            optimizer.step()
            optimizer.zero_grad()
            objective.observe(batch)

            examples_seen += len(rows)
            row = metrics.step_metrics(
                step + 1,
                schedule.steps_per_epoch,
                loss.item(),
                batch,
                grad_norm.item(),
                learning_rate,
                examples_seen,
            )
            rows_of_metrics.append(row)
            _report(row, schedule.steps, metrics_file)
        after = _weights_sums(trainable)
        # The last step's result has gone through no loss yet.
        if not all(math.isfinite(total) for sums in after for total in sums):
            failures.stop_non_finite(
                failure_path, "a trained weight", schedule.steps, batch, groups
            )
        if after == before:
            raise RuntimeError(
                f"the weights are unchanged after {schedule.steps} steps "
                f"(learning_rate {options.learning_rate})"
            )
        index = None
        if labels is not None:
            index = _index(forward, reference, schedule.steps, failure_path)
            objective.finish(index, labels)
    model.eval()
    return TrainingResult(rows_of_metrics, None if index is None else index.cpu())


def _check_arguments(
    groups: Sequence[Group],
    objective: Objective,
    options: TrainingOptions,
    reference_logps: Tensor | None,
) -> None:
    schedule = objective.schedule
    if schedule != options.schedule(len(groups), schedule.seed):
        raise ValueError(
            f"the objective's {schedule} is not that of {len(groups)} groups under {options}"
        )
    needs = objective.needs
    if needs["reference_logps"] and reference_logps is None:
        raise ValueError(f"{type(objective).__module__} needs reference log-probabilities")
    if reference_logps is not None and len(reference_logps) != len(groups):
        raise ValueError(
            f"{len(reference_logps)} rows of reference log-probabilities for {len(groups)} groups"
        )
    for row, group in enumerate(groups):
        if len(group.responses) != needs["responses"]:
            raise ValueError(
                f"row {row} has {len(group.responses)} responses, "
                f"{type(objective).__module__} needs {needs['responses']}"
            )
        if (needs["targets"] == "labels") != (group.label is not None):
            raise ValueError(
                f"row {row}: label {group.label}, {type(objective).__module__} needs targets "
                f"{needs['targets']!r}"
            )
    if options.precision == "fp16" and devices.device().type == "cpu":
        raise ValueError("training: precision fp16 needs a GPU; allowed here: none, bf16")


def _check_trainable(trainable: list[Tensor]) -> None:
    if not trainable:
        raise ValueError(
            "the model has no trainable tensors: an adapter must be loaded as trainable, and its "
            "targets must name layers of the model"
        )
    if any(weight.dtype != torch.float32 for weight in trainable):
        raise ValueError("trainable weights must be float32; in less, small steps round away")


def _weights_sums(weights: list[Tensor]) -> list[tuple[float, float]]:
    """Two sums per tensor that any real step changes, without a second copy of the weights."""
    wide = (weight.detach().double() for weight in weights)
    return [(weight.sum().item(), weight.square().sum().item()) for weight in wide]


def _reference(
    forward: PolicyForward, order: DataOrder, reference_logps: Tensor | None
) -> Reference:
    """Zeros without a reference, else the checked one."""
    if reference_logps is None:
        shape = len(forward.groups), len(forward.groups[0].responses)
        return TableReference(torch.zeros(shape, device=forward.model.device))
    rows: list[int] = []
    for step in range(order.schedule.steps_per_epoch):
        if len(rows) < CHECKED_GROUPS:
            rows += order.rows(step)
    return checked_reference(forward, rows[:CHECKED_GROUPS], order.rows(0), reference_logps)


def _index(
    forward: PolicyForward, reference: Reference, steps_done: int, failure_path: Path | str
) -> Tensor:
    """float32 [N]: t of every training row now, on the model's device; finite or the run stops."""
    ratios = forward.dataset(range(len(forward.groups))).to(forward.model.device)
    ratios = ratios - reference.dataset()
    index = ratios[:, 1] - ratios[:, 0]
    if not index.isfinite().all():
        failures.stop_non_finite_index(failure_path, steps_done, index, forward.groups)
    return index


def _report(row: dict[str, Any], steps: int, file: TextIO) -> None:
    file.write(json.dumps(row, allow_nan=False) + "\n")
    file.flush()
    if row["step"] in (1, steps) or row["step"] % max(1, steps // PROGRESS_LINES) == 0:
        store.log(metrics.progress_line(row, steps))
