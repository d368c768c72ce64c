"""The one training loop: any objective, LoRA or full fine-tune, counted in optimizer steps."""

import json
import math
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import torch
from accelerate import Accelerator
from torch import Tensor

from prefgrid import seeding
from prefgrid.files import store
from prefgrid.job import devices
from prefgrid.objectives.base import Objective
from prefgrid.run import execution
from prefgrid.training import checks, failures, metrics
from prefgrid.training.batches import DataOrder, Group
from prefgrid.training.checkpoint import Checkpoints, RunState
from prefgrid.training.options import TrainingOptions
from prefgrid.training.processes import Processes
from prefgrid.training.reference import AdapterOffReference, start_reference
from prefgrid.training.step import PolicyForward, Reference, loss_and_gradient

PROGRESS_LINES = 20
# Training rows whose final t is computed in any case: they say how far t reaches, and whether the
# finished weights, which have gone through no loss yet, overflow.
DESCRIBED_ROWS = 128


@dataclass(frozen=True)
class TrainingResult:
    """metrics: one row per optimizer step. index: final t of the training rows that the objective
    wanted and of the first `DESCRIBED_ROWS`, NaN for others, float32 [N] nats on the CPU; None for
    objectives without labels."""

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
    work: Path | None = None,
) -> TrainingResult:
    """Train `model` in place on `groups` for `objective.schedule.steps` optimizer steps.

    `objective` was made for `options.schedule(len(groups), seed)`; its seed is the run's, and
    keys the data order and dropout. `reference_logps` is float32 [N, K] in nats; None for an
    objective that needs none, whose log-ratios are then plain log-probabilities. Metrics are
    streamed to `metrics_path`, JSON lines. The loss is float32 over the step's whole batch,
    whatever the micro-batches. The model ends on the run's device, in evaluation mode.

    In `work`, a folder for this very run, it keeps a checkpoint every
    `execution.checkpoint_seconds` (0: after every step). A run that finds one goes on from there and
    ends as it would have without a stop, on the CPU bit for bit; None: it keeps none.

    In several processes (`processes`) each computes a share of every step, and all end with the
    same weights, objective and result; only the first writes files.

    Raises ValueError for a model without trainable tensors or arguments that do not fit each
    other, FloatingPointError for a loss, gradient, index or trained weight that is not finite (the
    rows concerned are then in `failure_path`), RuntimeError if memory runs out (saying what to
    lower) or if the trained weights are still the old ones, OSError where a disk is full.
    """
    schedule = objective.schedule
    checks.check_arguments(groups, objective, options, reference_logps)
    trainable = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    weights = list(trainable.values())
    checks.check_trainable(weights)
    accelerator = Accelerator(
        cpu=devices.device().type == "cpu",
        # The gradient scaler is all that is wanted of it; dtypes are the model's own.
        mixed_precision="fp16" if options.precision == "fp16" else "no",
    )
    ranks = Processes(accelerator.process_index, accelerator.num_processes)
    model.to(accelerator.device).train()
    optimizer = accelerator.prepare(
        torch.optim.AdamW(
            weights,
            lr=options.learning_rate,
            betas=options.adam_betas,
            weight_decay=options.weight_decay,
            fused=True,
        )
    )
    forward = PolicyForward(model, groups, options, pad_id, ranks)
    order = DataOrder(schedule, options.batch_size)
    labels = index = None
    if groups[0].label is not None:
        labels = torch.tensor([group.label for group in groups], dtype=torch.float32)
        labels = labels.to(model.device)
    checkpoints = Checkpoints(work, execution.setting("checkpoint_seconds", 300))
    state = RunState(trainable, optimizer, accelerator.scaler, objective, _sums(weights))

    longest = max(len(group.prompt_tokens) + max(map(len, group.responses)) for group in groups)
    devices_with_random_state = [model.device] if model.device.type == "cuda" else []
    with (
        failures.explained_out_of_memory(options, longest),
        torch.random.fork_rng(devices=devices_with_random_state),
        open(metrics_path if ranks.first else os.devnull, "w", encoding="utf-8") as metrics_file,
    ):
        checkpoints.load(state, model.device)
        if accelerator.scaler is not None:
            # It makes its scale at the first use, and this process may have no row in the next step.
            accelerator.scaler.scale(torch.zeros((), device=model.device))
        ranks.agree(state.steps_done, "the step of the checkpoint they found")
        if state.steps_done:
            store.log(f"resumed at step {state.steps_done} of {schedule.steps}")
            metrics_file.writelines(map(_line, state.rows))
        reference = start_reference(forward, order, reference_logps, state.adapter_off)
        state.adapter_off = isinstance(reference, AdapterOffReference)
        for step in range(state.steps_done, schedule.steps):
            # Keyed by the step, so that nothing depends on what ran before. Processes see different
            # rows, so they must not drop out the same units.
            rank = (ranks.rank,) if ranks.rank else ()
            torch.manual_seed(seeding.torch_seed(schedule.seed, "dropout", step, *rank))
            if (wanted := objective.wanted_rows(step)) is not None:
                present = _present_index(forward, reference, wanted, step, failure_path)
                objective.update(step, present, labels)
            drawn = order.rows(step)
            rows = objective.trained_rows(drawn)
            share = len(rows) / len(drawn)
            loss, batch = loss_and_gradient(
                forward, objective, rows, reference, labels, accelerator.backward, share
            )
            ranks.sum_gradients(weights)
            grad_norm = accelerator.clip_grad_norm_(weights, options.max_grad_norm or float("inf"))
            learning_rate = options.learning_rate_at(step, schedule.steps)
            row = metrics.step_metrics(
                step + 1,
                schedule.steps_per_epoch,
                loss,
                batch,
                grad_norm,
                learning_rate,
                state.examples_seen + len(drawn),
            )
            what = None
            if not math.isfinite(row["loss"]):
                what = "the loss"
            elif not math.isfinite(row["grad_norm"]):
                # A gradient scaler leaves such a step out and scales down; without one it is the end.
                what = "the gradient" if accelerator.scaler is None else None
                row["grad_norm"] = None
            if what is not None:
                failures.stop_non_finite(failure_path, what, step + 1, batch, groups, ranks)
            for param_group in optimizer.param_groups:
                param_group["lr"] = learning_rate
            optimizer.step()
            optimizer.zero_grad()
            objective.observe(batch)

            state.rows.append(row)
            _report(row, schedule.steps, metrics_file)
            # After the last step the checks below still need its batch.
            if ranks.first and step + 1 < schedule.steps and checkpoints.due():
                checkpoints.save(state)
        after = _sums(weights)
        # The last step's result has gone through no loss yet.
        if not after.isfinite().all():
            what = "a trained weight"
            failures.stop_non_finite(failure_path, what, schedule.steps, batch, groups, ranks)
        if torch.equal(after, state.start_sums):
            raise RuntimeError(
                f"the weights are unchanged after {schedule.steps} steps "
                f"(learning_rate {options.learning_rate})"
            )
        if labels is not None:
            described = torch.arange(min(len(groups), DESCRIBED_ROWS))
            wanted = objective.wanted_rows(schedule.steps)
            known = described if wanted is None else torch.cat([wanted.cpu(), described]).unique()
            index = _present_index(forward, reference, known, schedule.steps, failure_path)
            if wanted is not None:
                objective.finish(index, labels)
    model.eval()
    return TrainingResult(state.rows, None if index is None else index.cpu())


def _sums(weights: Collection[Tensor]) -> Tensor:
    """float64 [W, 2]: two sums of each weight that any real step changes, without a second copy."""
    wide = (weight.detach().double() for weight in weights)
    return torch.stack([torch.stack([weight.sum(), weight.square().sum()]) for weight in wide])


def _present_index(
    forward: PolicyForward,
    reference: Reference,
    wanted: Tensor,
    steps_done: int,
    failure_path: Path | str,
) -> Tensor:
    """float32 [N]: t of the wanted rows (LongTensor) now, finite or the run stops; NaN elsewhere."""
    rows = wanted.tolist()
    ratios = forward.dataset(rows) - reference.dataset(rows)
    found = ratios[:, 1] - ratios[:, 0]
    if not found.isfinite().all():
        failures.stop_non_finite_index(
            failure_path, steps_done, rows, found, forward.groups, forward.processes
        )
    index = found.new_full((len(forward.groups),), torch.nan)
    index[wanted.to(found.device)] = found
    return index


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, allow_nan=False) + "\n"


def _report(row: dict[str, Any], steps: int, file: TextIO) -> None:
    file.write(_line(row))
    file.flush()
    if row["step"] in (1, steps) or row["step"] % max(1, steps // PROGRESS_LINES) == 0:
        store.log(metrics.progress_line(row, steps))
