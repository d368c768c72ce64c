"""Comparisons of responses to one prompt, and their three files: train, calibration and test.

A set of comparisons is made by a module with the literals

* `OPTIONS`, name → (default, bound), as an objective's;
* `READS`, what it is made from: "dataset" (the file of `data`), "source" (a fetched or local file of
  its own), "comparisons" (other sets, three files each) or "nothing";
* if that is a source, `FIELDS`, the columns that every file must have, and, where it has any,
  `OPTIONAL_FIELDS`, which are kept where they are there;
* `CERTAIN`, True where labels say what holds by construction and none is drawn, so that a circle of them is
  no noise; else False, which need not be said;
* `TRAINS = False` of a benchmark, all of which is test (`benchmark`);
* where an option is read at one value of another alone, `READ_WITH`, option → (the other, its value);

and `read(files, options, data) -> Sets`. files: the paths of what it reads. data: what of the
config's `data` it needs, {bad_row_share, eval_share, dataset}, as far as `READS` asks for it, and
a benchmark no eval_share.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from prefgrid.data import pools

# Files of a set; a module that reads other sets gets those of each in this order.
SPLITS = ("train", "calibration", "test")
# Of held-out prompts; what temperatures are fitted on says nothing about how well they fit.
CALIBRATION_SHARE = 0.5


@dataclass(frozen=True)
class Comparison:
    """Response `first` beats response `second` with this probability; 1 for a plain label.

    margin: by how much, on the scale of whoever said so; None if nobody did.
    """

    first: int
    second: int
    probability: float = 1.0
    margin: float | None = None


@dataclass(frozen=True)
class Compared:
    """A prompt with two responses or more, and what is known of their pairs; the edges of a circle
    are one of these. section: what its accuracy is counted under, "" where nothing is told apart. item:
    what it has in common with other rows on the same question. kinds: of the responses, where they have
    such; else none."""

    prompt: str
    responses: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    section: str = ""
    item: str = ""
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sets:
    """Rows of `records.Compared`, each split in the order of the source.

    dropped: reason → how many comparisons, or rows, were left out for it. bad_rows: a line each, about
    rows that are not of their schema.
    """

    train: Sequence[dict[str, Any]]
    calibration: Sequence[dict[str, Any]]
    test: Sequence[dict[str, Any]]
    dropped: Mapping[str, int] = field(default_factory=dict)
    bad_rows: Sequence[str] = ()


def row(compared: Compared) -> dict[str, Any]:
    """As it is written."""
    responses: list[dict[str, str]] = [{"text": text} for text in compared.responses]
    if compared.kinds:
        kinds = zip(responses, compared.kinds, strict=True)
        responses = [{**response, "kind": kind} for response, kind in kinds]
    return {
        "prompt_id": pools.prompt_id(compared.prompt),
        "prompt": compared.prompt,
        "section": compared.section,
        **({"item": compared.item} if compared.item else {}),
        "responses": responses,
        "comparisons": [_written(one) for one in compared.comparisons],
    }


def _written(one: Comparison) -> dict[str, Any]:
    found = {"first": one.first, "second": one.second, "probability": one.probability}
    return found if one.margin is None else {**found, "margin": one.margin}


def by_prompt(found: Iterable[Compared], eval_share: float, **left_out: Any) -> Sets:
    """Split by the prompt alone, as the pools are: prompts that may only evaluate (`eval_share` of all)
    go to calibration or to test, by another hash."""
    train, calibration, test = [], [], []
    for one in map(row, found):
        if not pools.is_evaluation(one["prompt_id"], eval_share):
            train.append(one)
        elif is_calibration(one["prompt_id"]):
            calibration.append(one)
        else:
            test.append(one)
    return Sets(train, calibration, test, **left_out)


def benchmark(found: Iterable[Compared], **left_out: Any) -> Sets:
    """All of it is test, as its published scores are of all of it, and nothing trains. Temperatures,
    which change no accuracy, are fitted on the calibration half of it."""
    test = [row(one) for one in found]
    calibration = [one for one in test if is_calibration(one["prompt_id"])]
    return Sets([], calibration, test, **left_out)


def is_calibration(prompt_id: str) -> bool:
    """Whether a held-out prompt is of the part that calibrates; says nothing about who is held out."""
    digits = hashlib.sha256(f"calibration {prompt_id}".encode()).hexdigest()
    return int(digits[: pools.HASH_BITS // 4], 16) < CALIBRATION_SHARE * 2**pools.HASH_BITS
