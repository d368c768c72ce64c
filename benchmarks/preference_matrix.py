"""Matrices of a general preference model, prompts computed once and responses packed, against the same
dialogues in padded rows of their own: `python -m benchmarks.run preference_matrix`.

Both read the same tokens with the same weights, and their logits must agree. Each run is a process of its
own, and they alternate for several rounds. Seconds are the CPU's, the median over all batches but each
run's first. Memory is how far the process grew from the end of loading on, the most over the rounds.

A prompt of P tokens with K responses of R costs P + K·R tokens instead of K·P + K·R.
"""

import json
import os
import resource
import statistics
import subprocess
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")

import psutil
import torch
from torch import Tensor

from benchmarks.clock import Clock
from benchmarks.table import Row
from benchmarks.training_shapes import CPU, END, PAD, model
from prefgrid.job import devices
from prefgrid.judges.preference_states import read
from prefgrid.models.preference import PreferenceModel, Shape, skew_matrix

RESPONSES = 5
BATCHES, ROUNDS, TOLERANCE = 4, 3, 1e-5
SHAPE = Shape(4, "softmax", True, 0.25)
Groups = list[tuple[list[int], list[list[int]]]]


def groups(seed: int) -> Groups:
    random = torch.Generator().manual_seed(seed)

    def tokens(count: int) -> list[int]:
        return torch.randint(2, CPU.architecture["vocab_size"], (count,), generator=random).tolist()

    def response() -> list[int]:
        low, high = CPU.responses
        length = int(torch.randint(low, high + 1, (), generator=random))
        return [*tokens(length - 1), END]

    return [(tokens(CPU.prompt), [response() for _ in range(RESPONSES)]) for _ in range(CPU.pairs)]


def packed(judge: PreferenceModel, told: Groups) -> Tensor:
    """[groups, K, K] of s/τ."""
    reading = read(judge, told, pad_id=PAD)
    return _logits(judge, reading.embeddings, reading.scales)


def padded(judge: PreferenceModel, told: Groups) -> Tensor:
    """The same: a row a dialogue, padded on the right, and the gate at each group's first."""
    rows = [prompt + response for prompt, responses in told for response in responses]
    lengths = torch.tensor([len(row) for row in rows])
    ids = [torch.tensor(row) for row in rows]
    input_ids = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=PAD)
    mask = torch.arange(input_ids.shape[1]) < lengths[:, None]
    states = judge.get_decoder()(
        input_ids=input_ids.to(judge.device), attention_mask=mask.to(judge.device), use_cache=False
    ).last_hidden_state
    ends = states[torch.arange(len(rows)), lengths - 1]
    prompts = states[::RESPONSES, CPU.prompt - 1]
    return _logits(judge, judge.embeddings(ends), judge.scales(prompts))


def _logits(judge: PreferenceModel, embeddings: Tensor, scales: Tensor | None) -> Tensor:
    return skew_matrix(embeddings.unflatten(0, (-1, RESPONSES)), scales) / judge.temperature


WAYS = {"packed": packed, "padded": padded}


@torch.inference_mode()
def measured(way: str) -> dict:
    """{seconds, logits, grown_bytes} of one run, in this process."""
    judge = PreferenceModel(model(CPU, torch.float32), SHAPE).eval().to(devices.device())
    clock, found = Clock(), []
    loaded = psutil.Process().memory_info().rss
    clock.start()
    for seed in range(BATCHES):
        found.append(WAYS[way](judge, groups(seed)).flatten().tolist())
        clock.step_ended()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - loaded
    return {"seconds": clock.step_seconds(), "logits": found, "grown_bytes": grown}


def rows() -> list[Row]:
    """AssertionError if the logits differ."""
    found: dict[str, list[dict]] = {way: [] for way in WAYS}
    for number in range(ROUNDS):
        for way in WAYS:
            print(f"round {number + 1}/{ROUNDS}: {way}", file=sys.stderr)
            arguments = [sys.executable, "-m", "benchmarks.preference_matrix", way]
            done = subprocess.run(arguments, stdout=subprocess.PIPE, text=True, check=True)
            found[way].append(json.loads(done.stdout))
    ours, theirs = (torch.tensor(found[way][0]["logits"]) for way in WAYS)
    assert ours.abs().max() > 0.1, "all are equal: nothing was compared"
    assert (ours - theirs).abs().max() <= TOLERANCE, f"{ours}, not {theirs}"
    seconds = {
        way: statistics.median([one for run in runs for one in run["seconds"]])
        for way, runs in found.items()
    }
    grown = {way: max(run["grown_bytes"] for run in runs) for way, runs in found.items()}
    shown = [f"{1e3 * seconds[way]:.0f} CPU ms" for way in WAYS]
    memory = [f"{grown[way] / 2**20:.0f} MiB" for way in WAYS]
    what = f"{CPU.pairs} prompts of {CPU.prompt} tokens x {RESPONSES} responses"
    return [
        Row(f"matrix: {what}", *shown, seconds["padded"] / seconds["packed"], ">= 1.8"),
        Row(f"memory: {what}", *memory, grown["padded"] / grown["packed"], "reported"),
    ]


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(measured(*sys.argv[1:])))
