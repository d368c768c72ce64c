"""Matrices of a pair ranker (PairRM's shape, small) against the published helper's padded rows, and against
our own rows unsorted: `python -m benchmarks.run pair_matrices`.

The published helper pads each row to 2,048 tokens and, with one prompt a batch, computes K(K − 1) rows one
by one. Its model class trims columns that are padding in all rows of a batch, where it is called as it
stands; that is the row `trimmed`. All ways give the same logits. Each run is a process of its own and they
alternate; seconds are the CPU's, the mean of the rounds. Memory is how far the process grew from the end
of loading on, the most over the rounds.

A row of L tokens costs about L(c + L), so rows of 400 tokens instead of 2,048 are 5 times less work for
linear layers and 26 times less for attention.
"""

import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import psutil
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import DebertaV2Config, PreTrainedTokenizerFast

from benchmarks import clock
from benchmarks.table import Row
from prefgrid.files import store
from prefgrid.job import devices
from prefgrid.judges.marked_pairs import Cut
from prefgrid.judges.marked_pairs import Row as Pair
from prefgrid.judges.pair_ranker import OPTIONS, PairRankerJudge
from prefgrid.models.loading import save_model
from prefgrid.models.pair_ranker import MARKERS, PairRanker

RESPONSES, PUBLISHED_WIDTH, ROUNDS, TOLERANCE = 5, 2048, 2, 1e-5
# Words of a prompt and of a response; rows of 200 to 600 tokens with 9 special ones.
PROMPT, RESPONSE = (31, 111), (80, 240)
# Prompts by what is compared: padded rows take long, and order needs company.
FEW, MANY = 1, 8
WORDS = 500
ARCHITECTURE = {
    "hidden_size": 128,
    "intermediate_size": 512,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 512,
    "relative_attention": True,
    "position_buckets": 256,
    "pos_att_type": ["p2c", "c2p"],
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "position_biased_input": False,
    "initializer_range": 0.1,
    "n_tasks": 1,
    "drop_out": 0.05,
}


def tokenizer() -> PreTrainedTokenizerFast:
    """A token a word."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *MARKERS.values()]
    vocabulary = {word: number for number, word in enumerate([*special, *map(str, range(WORDS))])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.add_special_tokens(special)
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(name, vocabulary[name]) for name in special[2:4]]
    )
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep")}
    return PreTrainedTokenizerFast(tokenizer_object=backend, **names)


def judge(folder: str) -> PairRankerJudge:
    words = tokenizer()
    ids = {key: words.convert_tokens_to_ids(marker) for key, marker in MARKERS.items()}
    torch.manual_seed(0)
    config = DebertaV2Config(vocab_size=len(words), pad_token_id=0, **ARCHITECTURE, **ids)
    save_model(folder, PairRanker(config), words)
    options = {name: default for name, (default, _) in OPTIONS.items()}
    return PairRankerJudge(folder, **options, device=devices.device())


def texts(prompts: int) -> tuple[list[str], list[list[str]]]:
    draw = random.Random(0)

    def text(shortest: int, longest: int) -> str:
        count = draw.randint(shortest, longest)
        return " ".join(str(draw.randrange(WORDS)) for _ in range(count))

    return [text(*PROMPT) for _ in range(prompts)], [
        [text(*RESPONSE) for _ in range(RESPONSES)] for _ in range(prompts)
    ]


def one_by_one(judge: PairRankerJudge, rows: list[Pair], width: int | None) -> np.ndarray:
    """Each row alone, padded to `width` with a mask."""
    found = []
    for row in rows:
        padding = 0 if width is None else width - len(row.tokens)
        ids = torch.tensor([row.tokens + [judge.pad_id] * padding], device=judge.model.device)
        mask = torch.ones_like(ids)
        mask[:, len(row.tokens) :] = 0
        markers = torch.tensor([row.markers], device=judge.model.device)
        with torch.inference_mode():
            found.append(judge.model(ids, mask, markers).cpu().numpy())
    return np.concatenate(found)


def unsorted(judge: PairRankerJudge, rows: list[Pair]) -> np.ndarray:
    starts = range(0, len(rows), judge.batch_size)
    return np.concatenate([judge.row_logits(rows[at : at + judge.batch_size]) for at in starts])


OTHERS: dict[str, Callable[[PairRankerJudge, list[Pair]], np.ndarray]] = {
    "padded": lambda judge, rows: one_by_one(judge, rows, PUBLISHED_WIDTH),
    "trimmed": lambda judge, rows: one_by_one(judge, rows, None),
    "unsorted": unsorted,
}


def measured(way: str, prompts: int) -> dict:
    """{seconds, logits, tokens, grown_bytes} of one run, in this process."""
    asked = texts(prompts)
    with tempfile.TemporaryDirectory() as folder:
        ranker = judge(folder)
    rows = [
        row
        for prompt, group in zip(*asked, strict=True)
        for row in ranker.writer.rows(prompt, group, Cut()).values()
    ]
    loaded, found = psutil.Process().memory_info().rss, []
    action = (lambda: ranker.logits(*asked)) if way == "ours" else lambda: OTHERS[way](ranker, rows)
    seconds = clock.seconds(lambda: found.append(action()))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - loaded
    [logits] = found
    if way == "ours":
        logits = np.concatenate([one[~np.eye(len(one), dtype=bool)] for one in logits])
    lengths = [len(row.tokens) for row in rows]
    return {
        **{"seconds": seconds, "logits": logits.tolist(), "grown_bytes": grown},
        "tokens": [min(lengths), max(lengths)],
    }


def compared(other: str, prompts: int, target: str) -> list[Row]:
    """AssertionError if the logits differ."""
    found: dict[str, list[dict]] = {"ours": [], other: []}
    for number in range(ROUNDS):
        for way, runs in found.items():
            print(f"round {number + 1}/{ROUNDS}: {way}, {prompts} prompts", file=sys.stderr)
            arguments = [sys.executable, "-m", "benchmarks.pair_matrices", way, str(prompts)]
            done = subprocess.run(arguments, stdout=subprocess.PIPE, text=True, check=True)
            runs.append(json.loads(done.stdout))
    ours, theirs = (np.array(runs[0]["logits"]) for runs in found.values())
    assert np.ptp(ours) > 1e3 * TOLERANCE, "no pair differs from another"
    assert np.abs(ours - theirs).max() <= TOLERANCE, (
        f"logits differ by {np.abs(ours - theirs).max()}"
    )
    low, high = found["ours"][0]["tokens"]
    assert low >= 190 and high <= 610, (low, high)
    seconds = [statistics.mean(run["seconds"] for run in runs) for runs in found.values()]
    grown = [max(run["grown_bytes"] for run in runs) for runs in found.values()]
    what = f"{prompts} matri{'x' if prompts == 1 else 'ces'} of {RESPONSES} responses, rows of {low}-{high} tokens"
    words = {
        "padded": f"padded to {PUBLISHED_WIDTH}, one by one",
        "trimmed": "one by one, as the published class trims them",
        "unsorted": "our batches, unsorted",
    }[other]
    fast, slow = (f"{one:.2f} CPU s" for one in seconds)
    small, large = (f"{one / 2**20:.0f} MiB" for one in grown)
    return [
        Row(f"pair ranker: {what} / {words}", fast, slow, seconds[1] / seconds[0], target),
        Row(f"memory: {what} / {words}", small, large, grown[1] / grown[0], "reported"),
    ]


def rows() -> list[Row]:
    return [
        *compared("padded", FEW, ">= 8"),
        *compared("trimmed", FEW, "reported"),
        *compared("unsorted", MANY, ">= 1.2"),
    ]


if __name__ == "__main__":
    torch.set_num_threads(1)
    store.log = lambda *_: None
    print(json.dumps(measured(sys.argv[1], int(sys.argv[2]))))
