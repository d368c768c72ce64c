"""Prompts with completions, as every dataset is read.

A dataset is a module with two literals, which planning reads without importing it, and a function:

* `SOURCE`, where files of its schema come from (a hub id), and `FIELDS`, the columns that it
  reads: every file must have them, and no others are fetched;
* `read(path, bad_row_share) -> Instructions`, of one JSONL file.

`data.dataset` of the config names it: one of this folder, or any importable module by its dotted name.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Completion:
    """One response to an instruction; score is None where the annotators left none.

    ratings: aspect → number, of the aspects that they rated.
    """

    response: str
    score: float | None
    ratings: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Instruction:
    """One usable row of the dataset."""

    prompt: str
    completions: tuple[Completion, ...]


@dataclass(frozen=True)
class Instructions:
    """All usable rows, and what was left out: one message a bad row."""

    rows: tuple[Instruction, ...]
    skipped: tuple[str, ...]


def read(path: Path | str, dataset: str, bad_row_share: float) -> Instructions:
    """The file at `path` as the module `dataset` (dotted) reads it; at most this share may be bad."""
    return importlib.import_module(dataset).read(path, bad_row_share)
