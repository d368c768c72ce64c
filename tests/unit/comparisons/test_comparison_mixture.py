"""Mixtures of sets. Oracle: `datasets.interleave_datasets` on the same draws; shares by counting."""

from collections import Counter
from pathlib import Path

import datasets
import numpy as np
import pytest

from prefgrid.comparisons import base, mixture
from prefgrid.files import store


def files(folder: Path, name: str, counts: tuple[int, int, int]) -> list[Path]:
    """Train, calibration and test of a set whose responses say whose they are."""
    paths = []
    for split, count in zip(base.SPLITS, counts, strict=True):
        path = folder / name / f"{split}.jsonl"
        path.parent.mkdir(exist_ok=True)
        edge = (base.Comparison(0, 1),)
        rows = (base.Compared(f"{name} {split} {n}", (name, "x"), edge) for n in range(count))
        store.write_jsonl(path, map(base.row, rows))
        paths.append(path)
    return paths


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_rows_come_as_hugging_face_draws_them(seed):
    lengths, shares = [7, 40, 3], [0.2, 0.5, 0.3]
    tables = [
        datasets.Dataset.from_list([{"set": one, "row": row} for row in range(length)])
        for one, length in enumerate(lengths)
    ]
    expected = datasets.interleave_datasets(
        tables, probabilities=shares, seed=seed, stopping_strategy="all_exhausted"
    )

    def drawn():
        random = np.random.default_rng(seed)
        while True:
            yield from random.choice(3, size=1000, p=shares)

    assert mixture.interleaved(lengths, drawn()) == list(
        zip(expected["set"], expected["row"], strict=True)
    )


def test_shares_are_those_of_the_draws(tmp_path):
    paths = files(tmp_path, "a", (3000, 2, 3)) + files(tmp_path, "b", (200, 1, 4))
    options = {"seed": 0, "shares": {"a": 0.75, "b": 0.25}}
    sets = mixture.read(paths, options, {})
    counts = Counter(row["responses"][0]["text"] for row in sets.train)
    total = counts.total()
    # Until the 3,000 rows of the first have been there; five standard deviations.
    assert counts["a"] >= 3000 and total == pytest.approx(4000, abs=200)
    assert abs(counts["b"] - total / 4) < 5 * (total * 0.25 * 0.75) ** 0.5
    assert {row["prompt"] for row in sets.train} >= {f"b train {n}" for n in range(200)}
    assert [row["prompt"] for row in sets.calibration] == [
        "a calibration 0",
        "a calibration 1",
        "b calibration 0",
    ]
    assert len(sets.test) == 7 and not sets.dropped
    assert mixture.read(paths, options, {}) == sets
    assert mixture.read(paths, options | {"seed": 1}, {}).train != sets.train


def test_a_set_without_training_rows_is_named(tmp_path):
    paths = files(tmp_path, "a", (5, 1, 1)) + files(tmp_path, "b", (0, 1, 4))
    with pytest.raises(store.DataError, match="b/train.jsonl: holds no rows"):
        mixture.read(paths, {"seed": 0, "shares": {"a": 0.5, "b": 0.5}}, {})
