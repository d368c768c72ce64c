"""DPO steps with LoRA: ours, our own loop over padded rows, and TRL's DPOTrainer.

All four start from the same weights and adapter and see the same pairs (prompts of 256 tokens,
responses of 64 to 128), all of them in every step, so their losses must agree; AdamW, constant
learning rate, gradient norm clipped at 1. Runs alternate for several rounds; a figure is the median
over all steps but each run's first.

- ours: `prefgrid.training.loop.train`, cached reference.
- padded: the same loop, cached reference and data, log-probabilities by `padded.py`.
- TRL default: reference in every step, gradient checkpointing; precomputed: TRL's own cache of
  reference log-probabilities; tuned: that, without gradient checkpointing, and on a GPU with
  bfloat16 weights as ours. On the CPU bf16 is off, as float32 is what all are compared in; on a GPU
  TRL's weights are float32 under bfloat16 autocast, as it loads them, but for "tuned".

Shared prompts: a pair costs P + C + R tokens instead of 2P + C + R. With P = 256 and C = R = 96 on
average that is 704 / 448 = 1.57 for the decoder's layers, and nothing for the output layer.
"""

import gc
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from benchmarks.clock import Clock
from benchmarks.padded import padded_forward
from benchmarks.table import Row
from benchmarks.training_shapes import CPU, GPU, PAD, Shape, flops_a_step, model, pairs
from prefgrid.job import devices
from prefgrid.logprobs.table import dataset_logps
from prefgrid.models.loading import add_lora
from prefgrid.objectives.base import create
from prefgrid.training.loop import train
from prefgrid.training.options import TrainingOptions
from prefgrid.training.step import PolicyForward

BETA, LEARNING_RATE = 0.1, 1e-3
LORA = {"rank": 16, "alpha": 32, "dropout": 0.0, "targets": "all-linear"}
# Dense bfloat16 peaks in FLOP/s, from the vendor's data sheets.
PEAKS = {"A100": 312e12, "H100": 989e12, "H200": 989e12, "L40S": 362e12, "B200": 2250e12}


class Comparison:
    """Runs contenders on one model and one set of pairs, and keeps their figures."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.dtype = torch.bfloat16 if torch.cuda.is_available() else torch.float32
        self.groups = pairs(shape)
        policy = self._policy()
        self.adapter = {
            name: weight.detach().clone()
            for name, weight in policy.named_parameters()
            if weight.requires_grad
        }
        self.reference, _ = dataset_logps(
            policy.to(devices.device()),
            [group.prompt_tokens for group in self.groups],
            [group.responses for group in self.groups],
            pad_id=PAD,
            batch_size=shape.pairs,
        )
        self.seconds: dict[str, list[float]] = {}
        self.losses: dict[str, list[float]] = {}
        self.peak_bytes: dict[str, int] = {}

    def measure(self, contenders: dict[str, Callable[[Clock, Path], list[float]]]) -> None:
        """Rounds of one run of each; AssertionError if losses differ from the first one's."""
        for number in range(self.shape.rounds):
            for name, contender in contenders.items():
                print(f"round {number + 1}/{self.shape.rounds}: {name}", file=sys.stderr)
                gc.collect()  # trainers are circles; one that is left would count as memory
                clock = Clock()
                with tempfile.TemporaryDirectory() as folder:
                    self._compare(name, contender(clock, Path(folder)))
                self.seconds.setdefault(name, []).extend(clock.step_seconds())
                self.peak_bytes[name] = clock.peak_bytes
                print(f"    {self.median(name):.3f} s a step so far", file=sys.stderr)

    def _compare(self, name: str, losses: list[float]) -> None:
        self.losses[name] = losses
        first = next(iter(self.losses.values()))
        assert abs(first[0] - first[-1]) > 2 * self.shape.loss_tolerance, "nothing was learned"
        worst = max(abs(a - b) for a, b in zip(first, losses, strict=True))
        assert worst <= self.shape.loss_tolerance, f"{name}: losses {losses}, not {first}"

    def median(self, name: str) -> float:
        return statistics.median(self.seconds[name])

    def ours(self, clock: Clock, folder: Path) -> list[float]:
        shape = self.shape
        options = TrainingOptions(
            epochs=None,
            max_steps=shape.steps,
            batch_size=shape.pairs,
            micro_batch_size=shape.pairs,
            learning_rate=LEARNING_RATE,
            final_learning_rate_share=1.0,
            precision="bf16" if self.dtype == torch.bfloat16 else "none",
            lora=LORA,
        )
        objective = create("dpo", {"beta_train": BETA}, options.schedule(shape.pairs, seed=0))
        objective.observe = lambda batch: clock.step_ended()  # called at the end of every step
        policy = self._policy().to(devices.device())
        clock.start()
        result = train(
            PolicyForward(policy, self.groups, options, PAD),
            objective,
            metrics_path=folder / "metrics.jsonl",
            failure_path=folder / "failure.json",
            reference_logps=self.reference,
        )
        return [row["loss"] for row in result.metrics]

    def padded(self, clock: Clock, folder: Path) -> list[float]:
        with padded_forward():
            return self.ours(clock, folder)

    def trl(self, *, tuned: bool = False, **settings: Any) -> Callable[[Clock, Path], list[float]]:
        from benchmarks import trl_dpo

        dtype = self.dtype if tuned else torch.float32

        def contender(clock: Clock, folder: Path) -> list[float]:
            return trl_dpo.run(
                model(self.shape, dtype),
                self.adapter,
                LORA,
                self.groups,
                beta=BETA,
                steps=self.shape.steps,
                learning_rate=LEARNING_RATE,
                folder=folder,
                clock=clock,
                bf16=self.dtype == torch.bfloat16,
                **settings,
            )

        return contender

    def _policy(self) -> Any:
        return add_lora(model(self.shape, self.dtype), **LORA, seed=1)


def rows() -> list[Row]:
    """Run the comparison of this machine's kind."""
    gpu = torch.cuda.is_available()
    comparison = Comparison(GPU if gpu else CPU)
    precomputed = {"precompute_ref_log_probs": True}
    comparison.measure(
        {
            "ours": comparison.ours,
            "padded rows, cached reference": comparison.padded,
            "TRL default": comparison.trl(),
            "TRL precomputed": comparison.trl(**precomputed),
            "TRL tuned": comparison.trl(**precomputed, gradient_checkpointing=False, tuned=True),
        }
    )
    targets = {
        "padded rows, cached reference": ">= 1.25",
        "TRL default": ">= 2",
        "TRL precomputed": ">= 1.4" if gpu else "reported",
        "TRL tuned": "reported",
    }
    ours = comparison.median("ours")
    unit = "s" if gpu else "CPU s"
    found = [
        Row(
            f"training step vs {name}",
            f"{ours:.3f} {unit}",
            f"{comparison.median(name):.3f} {unit}",
            comparison.median(name) / ours,
            target,
        )
        for name, target in targets.items()
    ]
    if gpu:
        found += _gpu_rows(comparison, ours)
    return found


def _gpu_rows(comparison: Comparison, seconds: float) -> list[Row]:
    ours, theirs = (comparison.peak_bytes[name] for name in ("ours", "TRL default"))
    name = torch.cuda.get_device_name()
    peak = next((flops for part, flops in PEAKS.items() if part in name), float("nan"))
    share = flops_a_step(comparison.shape, comparison.groups) / seconds / peak
    return [
        Row(
            "peak memory after loading vs TRL default",
            f"{ours / 2**30:.2f} GiB",
            f"{theirs / 2**30:.2f} GiB",
            theirs / ours,
            ">= 1.67 (ours <= 0.6)",
        ),
        Row("share of bfloat16 peak", f"{share:.1%}", name, float("nan"), "reported"),
    ]
