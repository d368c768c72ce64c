"""Steps on scored groups of K responses that share a prompt, against K padded rows each of prompt and
response: `python -m benchmarks.run scored_groups`.

Both are `prefgrid.training.loop.train` with one objective, `softpo` on all weights or `sppo` on an adapter,
from the same weights and on the same groups, so their losses must agree; the other computes log-probabilities by `padded.py`. Each run is a
process of its own, and they alternate for several rounds. Seconds are the CPU's, the median over all
steps but each run's first. Memory is how far the process grew from the end of loading on, the most over
the rounds: on the CPU nothing in torch says it.

A prompt of P tokens and responses of R cost P + K·R tokens instead of K·P + K·R: with P = 200, R = 30 and
K = 8 that is 440 / 1840 for the decoder's layers, and nothing for the output layer; with P = 256, R = 96 and
K = 5 it is 736 / 1760.
"""

import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import psutil
import torch

from benchmarks.clock import Clock
from benchmarks.padded import padded_forward
from benchmarks.table import Row
from benchmarks.training_shapes import CPU, END, PAD, Shape, model
from prefgrid.files import store
from prefgrid.job import devices
from prefgrid.logprobs.table import dataset_logps
from prefgrid.models.loading import add_lora
from prefgrid.objectives.base import create
from prefgrid.training.batches import Group
from prefgrid.training.loop import train
from prefgrid.training.options import TrainingOptions
from prefgrid.training.step import PolicyForward

LORA = {"rank": 16, "alpha": 32, "dropout": 0.0, "targets": "all-linear"}


@dataclass(frozen=True)
class Case:
    """Groups of so many responses and what learns from them; lora: None for all weights. target: of the
    ratio of times."""

    shape: Shape
    responses: int = 8
    objective: str = "softpo"
    options: dict[str, Any] | None = None
    lora: dict[str, Any] | None = None
    learning_rate: float = 3e-6
    target: str = ">= 1.25"


SQUARED = {"loss": "squared", "value": "given", "beta": 1.0}
# `pairs` are groups. The second is a step of the soft-policy study: the tiny world's model and answers. In
# the third the output layer is as little of the model as in models of billions of weights.
CASES = {
    "a prompt of 200 tokens": Case(
        replace(CPU, pairs=1, prompt=200, responses=(24, 36), steps=6, loss_tolerance=1e-5),
        options=SQUARED,
    ),
    "the numbers task": Case(
        Shape(
            {
                "vocab_size": 565,
                "hidden_size": 96,
                "intermediate_size": 192,
                "num_hidden_layers": 3,
                "num_attention_heads": 4,
                "num_key_value_heads": 2,
                "head_dim": 32,
            },
            pairs=4,
            prompt=40,
            responses=(2, 4),
            steps=40,
            rounds=3,
            loss_tolerance=1e-5,
        ),
        options=SQUARED,
    ),
    "self-play": Case(
        replace(CPU, architecture=CPU.architecture | {"vocab_size": 1000}, steps=5),
        responses=5,
        objective="sppo",
        options={"eta": 8.0, "scale": "native"},
        lora=LORA,
        learning_rate=1e-3,
        target=">= 1.8",
    ),
}
WAYS = {"groups": nullcontext, "padded": padded_forward}


def scored(case: Case) -> list[Group]:
    draw, shape = random.Random(0), case.shape

    def tokens(count: int) -> list[int]:
        return [draw.randrange(2, shape.architecture["vocab_size"]) for _ in range(count)]

    return [
        Group(
            tokens(shape.prompt),
            [[*tokens(draw.randint(*shape.responses) - 1), END] for _ in range(case.responses)],
            target=[draw.random() for _ in range(case.responses)],
            prompt_value=0.5,
        )
        for _ in range(shape.pairs)
    ]


def measured(name: str, way: str) -> dict:
    """{seconds, losses, grown_bytes} of one run, in this process."""
    case, shape = CASES[name], CASES[name].shape
    groups, policy = scored(case), model(shape, torch.float32)
    if case.lora is not None:
        policy = add_lora(policy, **case.lora, seed=0)
    policy = policy.to(devices.device())
    options = TrainingOptions(
        epochs=None,
        max_steps=shape.steps,
        batch_size=shape.pairs,
        micro_batch_size=shape.pairs,
        learning_rate=case.learning_rate,
        learning_rate_schedule="constant",
        lora=case.lora,
    )
    clock = Clock()
    objective = create(case.objective, case.options, options.schedule(shape.pairs, seed=0))
    objective.observe = lambda batch: clock.step_ended()  # called at the end of every step
    with WAYS[way](), tempfile.TemporaryDirectory() as folder:
        reference, _ = dataset_logps(
            policy,
            [group.prompt_tokens for group in groups],
            [group.responses for group in groups],
            pad_id=PAD,
            batch_size=shape.pairs,
        )
        loaded = psutil.Process().memory_info().rss
        clock.start()
        result = train(
            PolicyForward(policy, groups, options, PAD),
            objective,
            metrics_path=None,
            failure_path=Path(folder) / "failure.json",
            reference_logps=reference,
        )
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - loaded
    losses = [row["loss"] for row in result.metrics]
    return {"seconds": clock.step_seconds(), "losses": losses, "grown_bytes": grown}


def compared(name: str) -> list[Row]:
    """AssertionError if the losses differ."""
    case, shape = CASES[name], CASES[name].shape
    found = {way: [] for way in WAYS}
    for number in range(shape.rounds):
        for way in WAYS:
            print(f"round {number + 1}/{shape.rounds}: {name}, {way}", file=sys.stderr)
            arguments = [sys.executable, "-m", "benchmarks.scored_groups", name, way]
            done = subprocess.run(arguments, stdout=subprocess.PIPE, text=True, check=True)
            found[way].append(json.loads(done.stdout))
    first = found["groups"][0]["losses"]
    assert abs(first[0] - first[-1]) > 100 * shape.loss_tolerance, "nothing was learned"
    for run in found["groups"] + found["padded"]:
        worst = max(abs(a - b) for a, b in zip(first, run["losses"], strict=True))
        assert worst <= shape.loss_tolerance, f"{name}: losses {run['losses']}, not {first}"
    seconds = {
        way: statistics.median([one for run in runs for one in run["seconds"]])
        for way, runs in found.items()
    }
    grown = {way: max(run["grown_bytes"] for run in runs) for way, runs in found.items()}
    ours, padded = (f"{1e3 * seconds[way]:.1f} CPU ms" for way in WAYS)
    small, large = (f"{grown[way] / 2**20:.0f} MiB" for way in WAYS)
    what = f"{shape.pairs} x {case.responses} scored responses, {name}"
    return [
        Row(f"step: {what}", ours, padded, seconds["padded"] / seconds["groups"], case.target),
        Row(f"memory: {what}", small, large, grown["padded"] / grown["groups"], "reported"),
    ]


def rows() -> list[Row]:
    return [row for name in CASES for row in compared(name)]


if __name__ == "__main__":
    torch.set_num_threads(1)
    store.log = lambda *_: None
    print(json.dumps(measured(*sys.argv[1:])))
