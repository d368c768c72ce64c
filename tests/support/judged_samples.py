"""Made-up comparisons of responses of known strengths, and judges' files of them, as jobs leave them."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import made_up
import numpy as np
import pandas as pd

from pairwise_judges import tabulate_pairwise_judges
from prefgrid.files import store
from prefgrid.job import jobs

RESPONSES, PROMPTS, SAMPLED, SAMPLED_PROMPTS = 4, 30, 5, 12
SETS = ["scores", "closings"]
JUDGES = ["bt", "gpm", "rule", "circle"]
MODELS = ["bt", "gpm"]
CELLS = [
    *(("bt", on, seed) for on in SETS for seed in (0, 1)),
    *(("gpm", on, seed) for on in SETS for seed in (0, 1)),
    *(("rule", on, None) for on in SETS),
    *(("circle", on, None) for on in SETS),
]
SPEC = {
    "cells": [list(cell) for cell in CELLS],
    "sets": SETS,
    "measured": 1,
    "sampled": 2,
    "calibrates": 0,
    "baseline": "bt",
    "truth": {"closings": "circle"},
    "certain": SETS,
    "sources": {"run": "default"},
}
# A temperature that is no fit.
BOUND = 1e-3
TABLES = ("summary", "differences", "sections", "reliability")


def strengths(prompt: int, count: int) -> np.ndarray:
    return np.random.default_rng(prompt).normal(size=count)


def scalar(prompt: int, count: int) -> np.ndarray:
    own = strengths(prompt, count)
    return own[:, None] - own


def ring(prompt: int, count: int) -> np.ndarray:
    """Kinds 0, 1, 2, 0, …: each beats the next by 4 nats."""
    kinds = np.arange(count) % 3
    steps = (kinds - kinds[:, None]) % 3
    return np.where(steps == 1, 4.0, np.where(steps == 2, -4.0, 0.0)) + 0.3 * scalar(prompt, count)


def biased(prompt: int, count: int) -> np.ndarray:
    """Whoever is shown first gains a nat."""
    return ring(prompt, count) + 1.0 - np.eye(count)


LOGITS: Mapping[str, Callable[[int, int], np.ndarray]] = {
    "bt": scalar,
    "gpm": biased,
    "rule": lambda prompt, count: 3.0 * scalar(prompt, count),
    "circle": ring,
}


def compared(on: str) -> list[dict[str, Any]]:
    """All pairs of four responses to each prompt; of the circle every pair has its likelier side."""
    rows = []
    for prompt in range(PROMPTS):
        logits = (scalar if on == "scores" else ring)(prompt, RESPONSES)
        edges = [(i, j) if logits[i, j] > 0 else (j, i) for i, j in combinations(range(4), 2)]
        rows.append(
            {
                "prompt_id": f"{prompt:016x}",
                "prompt": f"Prompt {prompt}",
                "section": "even" if prompt % 2 == 0 else "odd",
                "responses": [{"text": "x" * (10 + 3 * k + prompt)} for k in range(RESPONSES)],
                "comparisons": [{"first": i, "second": j, "probability": 1.0} for i, j in edges],
            }
        )
    return rows


def matrices(logits: Callable[[int, int], np.ndarray]) -> pd.DataFrame:
    """As `compare_responses` writes them: calibration and measured comparisons, and samples. All are of
    prompts of their own."""
    rows = []
    for file, (prompts, count) in enumerate(
        [(3, RESPONSES), (PROMPTS, RESPONSES), (SAMPLED_PROMPTS, SAMPLED)]
    ):
        for row in range(prompts):
            own = logits(row, count)
            rows += [
                (file, row, f"{(file - 1) % 3:x}{row:015x}", i, j, own[i, j])
                for i, j in permutations(range(count), 2)
            ]
    table = pd.DataFrame(rows, columns=["file", "row", "prompt_id", "first", "second", "logit"])
    return table.astype({"logit": np.float32}).assign(antisymmetric=logits is not biased)


def written(folder: Path, cells: Sequence[tuple] = CELLS, **temperatures: float) -> dict[str, Any]:
    """Inputs of the tabulation, of judges by their label; temperatures: of judges, 1 unless given."""
    found: dict[str, list[Path]] = {"matrices": [], "comparisons": [], "calibrations": []}
    for on in SETS:
        path = folder / f"{on}.jsonl"
        store.write_jsonl(path, compared(on))
        found["comparisons"].append(path)
    for judge, on, seed in cells:
        own = folder / f"judge={judge}" / f"on={on}" / f"seed={seed}"
        own.mkdir(parents=True)
        found["matrices"].append(own / "matrices.parquet")
        store.write_parquet(found["matrices"][-1], matrices(LOGITS[judge]))
        made_up.record(found["matrices"][-1])
        found["calibrations"].append(own / "calibration.json")
        calibration = {"temperature": temperatures.get(judge, 1.0), "comparisons": 18}
        calibration["at_bound"] = calibration["temperature"] == BOUND
        calibration |= {"log_loss_raw_nats": 0.5, "log_loss_calibrated_nats": 0.4}
        store.write_json(found["calibrations"][-1], calibration)
    return found


def tabulated(folder: Path, **temperatures: float) -> dict[str, Path]:
    """The tables, made by the script."""
    inputs = written(folder, **temperatures)
    outputs = {name: folder / f"{name}.csv" for name in TABLES}
    tabulate_pairwise_judges.main(jobs.Job(inputs, outputs, outputs, SPEC))
    made_up.record(*outputs.values())
    return outputs


def embeddings(folder: Path) -> Path:
    """Of three kinds, a third of a turn from each other in the first plane, which outweighs the second."""
    rng = np.random.default_rng(0)
    rows = []
    for row in range(PROMPTS):
        for response in range(RESPONSES):
            kind = (row + response) % 3
            angle = 2 * np.pi * kind / 3 + 0.1 * rng.normal()
            vector = [0.9 * np.cos(angle), 0.9 * np.sin(angle), *0.1 * rng.normal(size=2)]
            numbers = {f"v{place}": value for place, value in enumerate(vector, start=1)}
            own = {"row": row, "prompt_id": f"{row:016x}", "response": response}
            rows.append({**own, "kind": f"kind {kind}", "scale1": 1.0, "scale2": 1.0, **numbers})
    path = folder / "embeddings" / "embeddings.parquet"
    path.parent.mkdir()
    store.write_parquet(path, pd.DataFrame(rows))
    made_up.record(path)
    return path
