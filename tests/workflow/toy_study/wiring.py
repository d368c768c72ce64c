"""What the cells of the toy study are made from: the policy of t − 1 answers, and is the start, of t."""

from typing import Any

from prefgrid.files import cells
from prefgrid.limits.noise import SCAN
from prefgrid.studies import base
from prefgrid.studies.base import POOLS, Step

BACKEND = "prefgrid.sampling.transformers_backend"
HELD_OUT = "pool=eval"
SAMPLES, PAIRS = 64, 2


class Wiring(base.Wiring):
    """A cell is method=…/seed=…/iteration=…; what it samples lies under the same name."""

    name = "toy_study"
    figures = ("rewards",)
    gathers = ("evaluations.csv",)

    def values(self) -> dict[str, Any]:
        return {"iterations": self.study.iterations}

    def cells(self, stage: str) -> list[str]:
        grid = cells.every(self._axes)
        if stage == "policies":
            return [base.manifest(f"{self.root}/policies/{cell}") for cell in grid]
        if stage == "evaluations":
            return [f"{self.root}/evaluations/{cell}/evaluation.csv" for cell in grid]
        return super().cells(stage)

    def responses(self, cell: str) -> Step:
        axes, study = cells.values(cell), self.study
        held_out = "pool" in axes
        start = base.start() if held_out else self._start(axes)
        seed, count = (0, study.eval_prompts) if held_out else (axes["seed"], study.prompts)
        noise = SCAN if held_out else f"toy iteration {axes['iteration']}"
        return Step(
            {"prompts": f"{POOLS}/{'eval' if held_out else 'train'}.jsonl", **start.inputs},
            {
                "prompts": {
                    "pool": count,
                    "asked_by": f"{self.name}.{'eval_prompts' if held_out else 'prompts'}",
                    "order_seed": None if held_out else seed,
                    "groups": count,
                    "shard": axes["shard"],
                    "shards": 1,
                },
                "samples": SAMPLES if held_out else study.responses,
                "noise": {"purpose": noise, "seed": seed},
                "decoding": {"backend": BACKEND, **self._decoding},
                "prompt_format": self.config.prompt_format,
                "precision": self.config.training.precision,
            },
            weights=start.weights,
            modules=(BACKEND,),
        )

    def rewards(self, cell: str) -> Step:
        judge = self.judge(self.study.judge)
        return judge.beside({"responses": self._sampled(cell)}, at_once=None)

    def reference_logps(self, cell: str) -> Step:
        held_out = cell == HELD_OUT
        start = base.start() if held_out else self._start(cells.values(cell))
        return Step(
            {"responses": self._sampled(cell), **start.inputs},
            {
                "batch_size": self.config.logp_batch_size,
                "precision": self.config.training.precision,
                "first": 2 * PAIRS if held_out else None,
            },
            weights=start.weights,
        )

    def policy(self, cell: str) -> Step:
        axes = cells.values(cell)
        start, spec = self._start(axes), self.training_spec(axes["method"], axes["seed"])
        return Step(
            {
                "data": f"{self.root}/rewards/{cell}/rewards.jsonl",
                "logps": f"{self.root}/reference_logps/{cell}/logps.parquet",
                **start.inputs,
            },
            spec,
            weights=start.weights,
            modules=(spec["objective"],),
        )

    def evaluation(self, cell: str) -> Step:
        axes, judge = cells.values(cell), self.judge(self.study.judge)
        start = self._start(axes)
        precision = self.learner(axes["method"])["training"]["precision"]
        same = precision == self.config.training.precision
        return Step(
            {
                "preferences": [],
                "prompts": f"{POOLS}/eval.jsonl",
                "reference_rewards": f"{self.root}/rewards/{HELD_OUT}/rewards.jsonl",
                # Of the bare reference in one precision; another base is scored in the job.
                "reference_logps": f"{self.root}/reference_logps/{HELD_OUT}/logps.parquet"
                if axes["iteration"] == 1 and same
                else [],
                **start.inputs,
                **judge.inputs,
            },
            {
                "columns": [[name, axes[name]] for name in ("method", "seed", "iteration")],
                "truth": None,
                "evaluation": {
                    **self._decoding,
                    "prompts": self.study.eval_prompts,
                    "samples": 1,
                    "beta_grid": [0.5, 1.0],
                    "index_pairs_per_prompt": PAIRS,
                    "seed": 0,
                },
                "batch_size": self.config.logp_batch_size,
                "precision": precision,
                **judge.spec,
            },
            weights=[*start.weights, *judge.weights],
            modules=judge.modules,
        )

    def gathered(self, table: str) -> Step:
        folder = f"{self.root}/evaluations"
        return Step(
            {"cells": [f"{folder}/{cell}/evaluation.csv" for cell in cells.every(self._axes)]},
            {
                "folder": folder,
                "file": "evaluation.csv",
                "grids": [list(self._axes.items())],
                "drop": [],
            },
        )

    @property
    def _axes(self) -> dict[str, list[Any]]:
        study = self.study
        iterations = list(range(1, study.iterations + 1))
        return {"method": study.methods, "seed": study.seeds, "iteration": iterations}

    @property
    def _decoding(self) -> dict[str, Any]:
        return {
            "max_new_tokens": self.study.max_new_tokens,
            "temperature": 1.0,
            "batch_rows": 64,
        }

    def _start(self, axes: dict[str, Any]) -> Step:
        """The policies of the iterations before, stacked on the reference."""
        before = range(1, axes["iteration"])
        own = {"method": axes["method"], "seed": axes["seed"]}
        folders = [cells.folders({**own, "iteration": number}) for number in before]
        return base.start([f"{self.root}/policies/{folder}" for folder in folders])

    def _sampled(self, cell: str) -> list[str]:
        return [f"{self.root}/responses/{cell}/shard=0/responses.jsonl"]
