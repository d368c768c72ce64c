"""Made-up runs of self-play whose policies have a known strength, length and class: files as jobs leave them.

Response k of a policy to a prompt has a score, and a judge's logit is a difference of scores times its scale;
on the ring, classes decide. Files stand where `studies.self_play.grid` puts them, below a folder.
"""

import os
from collections.abc import Mapping, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import made_up
import numpy as np
import pandas as pd

from prefgrid import seeding
from prefgrid.files import store
from prefgrid.job import jobs
from prefgrid.studies.self_play import grid
from self_play import measure_run, tabulate_self_play

PROMPTS, SAMPLES, ITERATIONS, BEST = 40, 4, 3, [1, 4, 16]
BEST_PROMPTS = 24
IDS = [f"{number:016x}" for number in range(PROMPTS)]
SEEDS = [0, 1]
# Judge that trains → its methods, and the judge that is held out.
ROWS = {
    "bt_scores": (["sppo", "gpo"], "rule"),
    "bt_closings": (["sppo"], "circle"),
}
CLASSES = "closing_class"
# The rows as the config has them.
GRID = [
    {
        "judge": judge,
        "methods": methods,
        "held_out_judge": held_out,
        "classes": CLASSES if held_out == "circle" else None,
    }
    for judge, (methods, held_out) in ROWS.items()
]
# How far an iteration moves the mean score, and the KL after it, in nats.
SKILL = {"sppo": 0.5, "gpo": 0.7}
KL = {"sppo": 0.3, "gpo": 0.45}
# What the judge that trains sees beyond the held-out one's: length.
GREED = 0.02
RING = 4.0
KAPPAS = [0.5, 1.0]
RUNS = [
    {"method": method, "judge": judge, "seed": seed}
    for judge, (methods, _) in ROWS.items()
    for method in methods
    for seed in SEEDS
]


def strength(method: str, iteration: float) -> float:
    """Mean score of an iterate."""
    return SKILL[method] * iteration if iteration else 0.0


def kl(method: str, iteration: float) -> float:
    return KL[method] * iteration**1.3


def groups(axes: Mapping[str, Any], iteration: float, count: int = PROMPTS, size: int = SAMPLES):
    """Rows of held-out samples; an `average` is halfway. Each response carries its true `score` and `class`."""
    random = seeding.stream(0, "made-up self play", *map(str, axes.values()), iteration, size)
    method, rows = axes.get("method", "sppo"), []
    for number in range(count):
        responses = []
        for _ in range(size):
            length = int(random.integers(20, 40) + 6 * iteration)
            score = random.normal(strength(method, iteration), 1.0)
            odds = np.array([1.0, 1.0, 1.0 + 2.0 * iteration])
            responses.append(
                {
                    "text": f"{score:+.3f}" + "x" * length,
                    "tokens": [5] * (length // 4),
                    "finish": "length" if random.random() < 0.05 else "stop",
                    "entropy_nats": 1.5 * (length // 4),
                    "kl_nats": _kl(axes, iteration, random),
                    "score": score,
                    "class": int(random.choice(3, p=odds / odds.sum())),
                }
            )
        # One of the samples is said twice at every tenth prompt.
        if number % 10 == 0:
            responses[1] = responses[0] | {"kl_nats": responses[1]["kl_nats"]}
        rows.append(
            {
                "group": number,
                "prompt_id": IDS[number],
                "prompt": f"Prompt {number}",
                "prompt_tokens": [1, 2],
                "responses": responses,
            }
        )
    return rows


def _kl(axes: Mapping[str, Any], iteration: float, random: np.random.Generator) -> dict[str, float]:
    if not axes:
        return {}
    own = kl(axes["method"], iteration)
    found = {"base": own * (1 + 0.1 * random.normal())}
    if iteration == int(iteration):
        found["previous"] = own - kl(axes["method"], iteration - 1)
    return found


def logits(judge: str, responses: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """[C, C] of what a judge says."""
    score = np.array([one["score"] for one in responses])
    if judge in ("circle", "bt_closings"):
        classes = np.array([one["class"] for one in responses])
        steps = (classes - classes[:, None]) % 3
        return np.where(steps == 1, RING, np.where(steps == 2, -RING, 0.0))
    if judge == "bt_scores":
        score = score + GREED * np.array([len(one["text"]) for one in responses])
    return score[:, None] - score


def matrices(judge: str, own: Sequence[Mapping], *opponents: Sequence[Mapping]) -> pd.DataFrame:
    """As `compare_responses` writes them, of one file with opponents."""
    met = [{row["prompt_id"]: row for row in other} for other in opponents]
    rows = []
    for number, group in enumerate(own):
        listed = [*group["responses"]]
        for other in met:
            listed += other[group["prompt_id"]]["responses"]
        said = logits(judge, listed)
        rows += [
            (0, number, group["prompt_id"], i, j, said[i, j])
            for i, j in permutations(range(len(listed)), 2)
        ]
    table = pd.DataFrame(rows, columns=["file", "row", "prompt_id", "first", "second", "logit"])
    return table.astype({"logit": np.float32}).assign(antisymmetric=True)


def scored(rows: Sequence[Mapping], name: str) -> list[dict[str, Any]]:
    """As `score_responses` writes them."""
    return [
        {
            **row,
            "responses": [one | {"reward": float(one[name])} for one in row["responses"]],
        }
        for row in rows
    ]


class Files:
    """Inputs of the measurement of runs, each file written once, below a folder."""

    def __init__(self, folder: Path, *, iterations: int = ITERATIONS, best: bool = True) -> None:
        self.folder, self.iterations, self.best = folder, iterations, best
        self.known: dict[tuple, list] = {}

    def rows(self, axes: Mapping[str, Any], iteration: float, *, best: bool = False) -> list:
        key = (*axes.values(), iteration, best)
        if key not in self.known:
            size = (BEST_PROMPTS, max(BEST)) if best else (PROMPTS, SAMPLES)
            self.known[key] = groups(axes, iteration, *size)
        return self.known[key]

    def put(self, path: str, write: Any, value: Any) -> Path:
        place = self.folder / path
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            write(place, value)
            made_up.record(place)
        return place

    def run(self, axes: Mapping[str, Any]) -> dict[str, Any]:
        """Inputs of `measure_run`."""
        _, held_out = ROWS[axes["judge"]]
        judges = {"training": axes["judge"], "held_out": held_out}
        names = ["score", *(["class"] if held_out == "circle" else [])]
        last = self.iterations
        # Iterates, and the average, which is like an iterate halfway.
        policies = [(grid.iterate(axes, t), t, t) for t in range(1, last + 1)]
        policies.append((grid.average(axes, last), last / 2, last + 1))
        base = self.rows({}, 0)
        found: dict[str, Any] = {
            "base": self.put(grid.samples({}, 0), store.write_jsonl, base),
            "samples": [
                self.put(
                    f"{grid.ROOT}/held_out/{cell}/samples.jsonl",
                    store.write_jsonl,
                    self.rows(axes, place),
                )
                for cell, place, _ in policies
            ],
            "metrics": [],
            "targets": [],
            "best": [],
        }
        for kind, judge in judges.items():
            found[kind] = [
                self.put(
                    grid.contest(cell, judge),
                    store.write_parquet,
                    matrices(
                        judge,
                        self.rows(axes, place),
                        base,
                        *(self.rows(axes, t) for t in range(1, opponents)),
                    ),
                )
                for cell, place, opponents in policies
            ]
        found["scores"] = [
            self.put(grid.scores(cell, name), store.write_jsonl, scored(rows, name))
            for name in names
            for cell, rows in (
                (f"pool={grid.HELD_OUT}", base),
                *((cell, self.rows(axes, place)) for cell, place, _ in policies),
            )
        ]
        for cell, place, _ in policies[:-1]:
            metrics = [{"step": step, "loss": 2.0 / place - 0.01 * step} for step in range(1, 21)]
            path = f"{grid.ROOT}/policies/{cell}/metrics.jsonl"
            found["metrics"].append(self.put(path, store.write_jsonl, metrics))
            summary = {"prompts": 300, "rows": 290, "responses": 1400, "circular_share": None}
            summary["dropped"] = {"duplicate": 30 + place, "truncated": 3}
            path = f"{grid.ROOT}/targets/{cell}/summary.json"
            found["targets"].append(self.put(path, store.write_json, summary))
        for of, iteration in (({}, 0), (axes, last)):
            for judge in judges.values() if self.best else ():
                found["best"].append(
                    self.put(
                        grid.contest(grid.best_cell(of), judge),
                        store.write_parquet,
                        matrices(judge, self.rows(of, iteration, best=True), base),
                    )
                )
        return found

    def spec(self, axes: Mapping[str, Any], select: str = "last") -> dict[str, Any]:
        _, held_out = ROWS[axes["judge"]]
        circle = held_out == "circle"
        return {
            "key": {**axes, "held_out_judge": held_out},
            "iterations": self.iterations,
            "average": True,
            "samples": SAMPLES,
            "scorers": ["score", "class"] if circle else ["score"],
            "classes": "class" if circle else None,
            "best_of": BEST if self.best else None,
            "select": select,
        }

    def measured(self, axes: Mapping[str, Any], select: str = "last") -> dict[str, Path]:
        """Outputs of `measure_run`."""
        outputs = {
            kind: self.folder / grid.measured(axes, name) for kind, name in grid.MEASURED.items()
        }
        os.makedirs(outputs["prompts"].parent, exist_ok=True)
        measure_run.main(jobs.Job(self.run(axes), outputs, outputs, self.spec(axes, select)))
        made_up.record(*outputs.values())
        return outputs


def tabulated(
    folder: Path, runs: Sequence[Mapping[str, Any]] = RUNS, *, best: bool = True, **spec: Any
) -> dict[str, Path]:
    """The study's tables, made by the scripts."""
    files = Files(folder, best=best)
    made = [files.measured(run) for run in runs]
    names = ("iterations", "contests", "classes", "selected", "summary", "equal_kl", "best_of")
    outputs = {name: folder / f"{name}.csv" for name in names}
    inputs = {f"run_{kind}": [one[kind] for one in made] for kind in grid.MEASURED}
    seeds = sorted({run["seed"] for run in runs})
    settings = {"runs": list(runs), "seeds": seeds, "baseline": "sppo", "kappas": KAPPAS}
    settings |= {"sources": {"run": "default"}, **spec}
    tabulate_self_play.main(jobs.Job(inputs, outputs, outputs, settings))
    made_up.record(*outputs.values())
    return outputs
