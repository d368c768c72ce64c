"""The one training loop: any forward and objective, some or all weights, in optimizer steps."""

import json
import math
import os
from collections.abc import Collection
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import torch
from accelerate import Accelerator
from torch import Tensor

from prefgrid import seeding
from prefgrid.files import store
from prefgrid.job import devices
from prefgrid.models import gradient_checkpointing
from prefgrid.models.dropout import train_adapters
from prefgrid.objectives.base import Objective, pair_index
from prefgrid.run import execution
from prefgrid.training import checks, failures, metrics, progress, ratios, trackers
from prefgrid.training.batches import DataOrder, Order
from prefgrid.training.checkpoint import Checkpoints, RunState
from prefgrid.training.forward import Forward
from prefgrid.training.optimizers import make_optimizer
from prefgrid.training.processes import Processes
from prefgrid.training.reference import AdapterOffReference, own_table, start_reference
from prefgrid.training.step import loss_and_gradient
from prefgrid.training.watch import Watch

PROGRESS_LINES = 20


@dataclass(frozen=True)
class TrainingResult:
    """metrics: one row per optimizer step. log_ratios: final ones of the training rows that the
    objective wanted and, with targets, of the first `ratios.DESCRIBED_ROWS`, NaN for others, float32
    [N, K] nats on the CPU; None where that is no row."""

    metrics: list[dict[str, Any]]
    log_ratios: Tensor | None

    @property
    def index(self) -> Tensor | None:
        """Final t of pairs, float32 [N] nats."""
        return None if self.log_ratios is None else pair_index(self.log_ratios)


def train(
    forward: Forward,
    objective: Objective,
    *,
    metrics_path: Path | str | None,
    failure_path: Path | str,
    reference_logps: Tensor | None = None,
    order: Order | None = None,
    work: Path | None = None,
    watch: Watch | None = None,
) -> TrainingResult:
    """Train `forward.model` in place for `objective.schedule.steps` optimizer steps.

    `objective` was made for `forward.options.schedule(N, seed)`; its seed is the run's, and keys
    the data order (unless `order` is given) and dropout. `reference_logps` is float32 [N, K] in
    nats, 0 where a group has fewer responses; None for an objective that needs none, whose
    log-ratios are then plain log-probabilities, and for a forward that knows its own. Metrics are streamed to `metrics_path`, JSON lines, and
    shown to trackers; None: nowhere. The folder of `failure_path` is that of the run's result. The loss is float32 over the step's whole batch, whatever the micro-batches. The
    model ends on the run's device, in evaluation mode. A `watch` may end the run early, and put an
    earlier state of the weights in the place of the last.

    In `work`, a folder for this very run, it keeps a checkpoint every
    `execution.checkpoint_seconds` (0: after every step). A run that finds one goes on from there and
    ends as it would have without a stop, on the CPU bit for bit; None: it keeps none.

    In several processes (`processes`) each computes a share of every step, and all end with the
    same weights, objective and result; only the first writes files.

    Raises ValueError for a model without trainable tensors, one whose own forward gives other values
    than `forward`, or arguments that do not fit each other, FloatingPointError for a loss, gradient, log-ratio or trained weight that is not finite (the
    rows concerned are then in `failure_path`), RuntimeError if memory runs out (saying what to
    lower) or if the trained weights are still the old ones, OSError where a disk is full.
    """
    model, options, schedule = forward.model, forward.options, objective.schedule
    checks.check_precision(options)
    trainable = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    weights = list(trainable.values())
    checks.check_trainable(weights)
    accelerator = Accelerator(
        cpu=devices.device().type == "cpu",
        # The gradient scaler is all that is wanted of it; dtypes are the model's own.
        mixed_precision="fp16" if options.precision == "fp16" else "no",
    )
    ranks = Processes(accelerator.process_index, accelerator.num_processes)
    forward.place(accelerator.device, ranks)
    checks.check_arguments(forward, objective, reference_logps)
    forward.check()
    train_adapters(model)
    optimizer = accelerator.prepare(make_optimizer(trainable, options))
    order = order or DataOrder(schedule, options.batch_size)
    checkpoints = Checkpoints(work, execution.setting("checkpoint_seconds", 300))
    parts = {"objective": objective, "forward": forward} | ({"watch": watch} if watch else {})
    state = RunState(trainable, optimizer, accelerator.scaler, parts, _sums(weights))

    devices_with_random_state = [model.device] if model.device.type == "cuda" else []
    with (
        failures.explained_out_of_memory(options, forward.longest),
        gradient_checkpointing.applied(model, options.gradient_checkpointing),
        torch.random.fork_rng(devices=devices_with_random_state),
        open(
            metrics_path if metrics_path and ranks.first else os.devnull, "w", encoding="utf-8"
        ) as metrics_file,
        trackers.following(Path(failure_path).parent, work)
        if metrics_path and ranks.first
        else nullcontext(lambda row: None) as show,
    ):
        reference_logps = own_table(forward, reference_logps)
        checkpoints.load(state, model.device)
        if accelerator.scaler is not None:
            # It makes its scale at the first use, and this process may have no row in the next step.
            accelerator.scaler.scale(torch.zeros((), device=model.device))
        ranks.agree(state.steps_done, "the step of the checkpoint they found")
        if state.steps_done:
            store.log(f"resumed at step {state.steps_done} of {schedule.steps}")
            metrics_file.writelines(map(_line, state.rows))
            for row in state.rows:
                show(row)
        reference = start_reference(
            forward, order, schedule.steps_per_epoch, reference_logps, state.adapter_off
        )
        state.adapter_off = isinstance(reference, AdapterOffReference)
        if watch is not None and not state.steps_done:
            watch.begin()
        for step in range(state.steps_done, schedule.steps):
            if forward.refresh(step):
                reference = start_reference(
                    forward, order, schedule.steps_per_epoch, None, state.adapter_off
                )
            # Keyed by the step, so that nothing depends on what ran before. Processes see different
            # rows, so they must not drop out the same units.
            rank = (ranks.rank,) if ranks.rank else ()
            torch.manual_seed(seeding.torch_seed(schedule.seed, "dropout", step, *rank))
            if (wanted := objective.wanted_rows(step)) is not None:
                present = ratios.present(forward, reference, wanted, step, failure_path)
                objective.update(step, present, forward.targets)
            drawn = order.rows(step)
            rows = objective.trained_rows(drawn)
            share = len(rows) / len(drawn)
            loss, batch = loss_and_gradient(
                forward, objective, rows, reference, accelerator.backward, share
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
                failures.stop_non_finite(failure_path, what, step + 1, batch, forward)
            for param_group in optimizer.param_groups:
                param_group["lr"] = learning_rate
            optimizer.step()
            optimizer.zero_grad()
            objective.observe(batch)

            state.rows.append(row)
            _report(row, schedule.steps, metrics_file)
            show(row)
            if watch is not None and watch.ends(step + 1, schedule.steps, trainable):
                break
            # After the last step the checks below still need its batch.
            if ranks.first and step + 1 < schedule.steps and checkpoints.due():
                checkpoints.save(state)
        after = _sums(weights)
        # The last step's result has gone through no loss yet.
        if not after.isfinite().all():
            what = "a trained weight"
            failures.stop_non_finite(failure_path, what, state.steps_done, batch, forward)
        if torch.equal(after, state.start_sums):
            raise RuntimeError(
                f"the weights are unchanged after {state.steps_done} steps "
                f"(learning_rate {options.learning_rate})"
            )
        if watch is not None:
            watch.restore(trainable)
        final = ratios.final(forward, objective, reference, failure_path)
    model.eval()
    return TrainingResult(state.rows, None if final is None else final.cpu())


def _sums(weights: Collection[Tensor]) -> Tensor:
    """float64 [W, 2]: two sums of each weight that any real step changes, without a second copy."""
    wide = (weight.detach().double() for weight in weights)
    return torch.stack([torch.stack([weight.sum(), weight.square().sum()]) for weight in wide])


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, allow_nan=False) + "\n"


def _report(row: dict[str, Any], steps: int, file: TextIO) -> None:
    file.write(_line(row))
    file.flush()
    if row["step"] in (1, steps) or row["step"] % max(1, steps // PROGRESS_LINES) == 0:
        store.log(progress.progress_line(row, steps))
