"""What the cells of the link-robustness study are made from."""

from functools import cached_property
from typing import Any

from prefgrid.config import backends, judging, objectives
from prefgrid.files import cells
from prefgrid.limits.noise import SCAN
from prefgrid.studies import base, words
from prefgrid.studies.base import POOLS, Paths, Step
from prefgrid.studies.link_robustness import about

# The cells of the reference's samples on held-out prompts, beside those of training pairs.
HELD_OUT = "pool=eval"
NOT_OF_THE_SCAN = {"backend", "kappa", "reference_samples"}
GATHERED = {
    "evaluations.csv": ("evaluations", "evaluation.csv"),
    "samples.parquet": ("evaluations", "samples.parquet"),
    "indices.parquet": ("evaluations", "indices.parquet"),
    "training.parquet": ("policies", "metrics.jsonl"),
}


class Wiring(base.Wiring):
    """Responses, rewards and reference log-probabilities are made once a seed; preferences, policies
    and evaluations once a cell of the grid."""

    name = "link_robustness"
    figures = (
        *("reference_rewards", "frontier", "robustness", "convergence"),
        *("calibration", "training"),
    )
    gathers = tuple(GATHERED)
    tables = ("summary", "differences", "calibration", "identifiability", "runs")

    @cached_property
    def axes(self) -> dict[str, list[Any]]:
        study = self.study
        return {
            "method": study.methods,
            "seed": study.seeds,
            "shift": study.shifts,
            "n": study.n,
        }

    def artifacts(self) -> dict[str, Paths]:
        seeds = self.study.seeds
        return {
            **super().artifacts(),
            "rewards": [f"{self.root}/rewards/seed={seed}/rewards.jsonl" for seed in seeds],
            "reference_samples": self._held_out_rewards,
            "eval_prompts": f"{POOLS}/eval.jsonl",
        }

    def values(self) -> dict[str, Any]:
        study = self.study
        return {
            "methods": study.methods,
            "seeds": study.seeds,
            "shifts": study.shifts,
            "n": study.n,
            "link_temperature": study.link_temperature,
            "identical_responses": study.identical_responses,
            "baseline": study.baseline,
            "kappas": study.evaluation.kappas,
            "samples": study.evaluation.samples,
            "trainings": words.trainings(study.methods, self.learner),
            "facts": about.facts(self.config, study),
        }

    def cells(self, stage: str) -> list[str]:
        if stage == "preferences":
            data = {axis: self.axes[axis] for axis in ("seed", "shift", "n")}
            return [
                f"{self.root}/preferences/{cell}/preferences.jsonl" for cell in cells.every(data)
            ]
        files = {"policies": "manifest.json", "evaluations": "evaluation.csv"}
        if stage in files:
            return [f"{self.root}/{stage}/{cell}/{files[stage]}" for cell in self._grid]
        return super().cells(stage)

    def assessed(self) -> str | None:
        return self._held_out_rewards if self._judge == self.judge_of(judging.DEFAULT) else None

    @property
    def _held_out_rewards(self) -> str:
        return f"{self.root}/rewards/{HELD_OUT}/rewards.jsonl"

    def responses(self, cell: str) -> Step:
        """seed=…/shard=… of the training pool, or pool=eval/shard=0: two, or many, a prompt."""
        study, axes = self.study, cells.values(cell)
        if "seed" in axes:
            pool, seed, groups = study.prompts.train, axes["seed"], max(study.n)
            options, samples = study.generation.model_dump(), 2
            shards = options.pop("shards")
            noise = {"purpose": "responses", "seed": seed}
        else:
            pool, seed, groups = study.prompts.eval, None, study.evaluation.prompts
            used = {"backend", "max_new_tokens", "temperature", "batch_rows"}
            options = study.evaluation.model_dump(include=used)
            samples, shards = study.evaluation.reference_samples, 1
            # That of the β scans, so that gains are counted from the reference under the same draws.
            noise = {"purpose": SCAN, "seed": study.evaluation.seed}
        backend = backends.module_name(options["backend"])
        return Step(
            {
                "prompts": f"{POOLS}/{'eval' if seed is None else 'train'}.jsonl",
                "adapters": [],
            },
            {
                "prompts": {
                    "pool": pool,
                    "asked_by": f"{self.name}.prompts.{'eval' if seed is None else 'train'}",
                    "order_seed": seed,
                    "groups": groups,
                    "shard": axes["shard"],
                    "shards": shards,
                },
                "samples": samples,
                "noise": noise,
                "decoding": {**options, "backend": backend},
                "prompt_format": self.config.prompt_format,
                "precision": self.config.training.precision,
            },
            modules=(backend,),
        )

    def rewards(self, cell: str) -> Step:
        judge = self._judge
        at_once = None if cell != HELD_OUT else self.study.evaluation.batch_rows
        return judge.beside({"responses": self._shards(cell)}, at_once=at_once)

    def reference_logps(self, cell: str) -> Step:
        pairs = self.study.evaluation.index_pairs_per_prompt
        return Step(
            {"responses": self._shards(cell), "adapters": []},
            {
                "batch_size": self.config.logp_batch_size,
                "precision": self.config.training.precision,
                "first": 2 * pairs if cell == HELD_OUT else None,
            },
        )

    def preferences(self, cell: str) -> Step:
        axes = cells.values(cell)
        rewards = f"{self.root}/rewards/seed={axes['seed']}/rewards.jsonl"
        used = {"link_temperature", "identical_responses"}
        return Step({"rewards": rewards}, {**axes, **self.study.model_dump(include=used)})

    def policy(self, cell: str) -> Step:
        axes = cells.values(cell)
        spec = self.training_spec(axes["method"], axes["seed"])
        logps = f"{self.root}/reference_logps/seed={axes['seed']}/logps.parquet"
        return Step(
            {"data": self._preferences(axes), "logps": logps, "adapters": []},
            {**spec, "options": objectives.told_the_link(spec["options"], axes["shift"])},
            modules=(spec["objective"],),
        )

    def evaluation(self, cell: str) -> Step:
        axes, judge, study = cells.values(cell), self._judge, self.study
        precision = base.weights_precision(self.learner(axes["method"])["training"])
        # The table, unless the reference of this policy has other weights than what it was made with.
        same = precision == self.config.training.precision
        logps = f"{self.root}/reference_logps/{HELD_OUT}/logps.parquet"
        return judge.beside(
            {
                "preferences": self._preferences(axes),
                "prompts": f"{POOLS}/eval.jsonl",
                "reference_rewards": self._held_out_rewards,
                "reference_logps": logps if same else [],
                "adapters": [],
            },
            columns=[
                ["method", axes["method"]],
                ["seed", axes["seed"]],
                ["link_shift", axes["shift"]],
                ["link_temperature", study.link_temperature],
                ["num_preferences", axes["n"]],
            ],
            truth={"shift": axes["shift"], "temperature": study.link_temperature},
            precision=precision,
            **self._scan,
        )

    def gathered(self, table: str) -> Step:
        stage, file = GATHERED[table]
        folder = f"{self.root}/{stage}"
        return Step(
            {"cells": [f"{folder}/{cell}/{file}" for cell in self._grid]},
            {"folder": folder, "file": file, "grids": [list(self.axes.items())], "drop": []},
        )

    def tabulation(self, _: str = "") -> Step:
        names = ("evaluations", "samples", "indices", "reference_samples", "rewards")
        artifacts, values = self.artifacts(), self.values()
        settings = ("link_temperature", "identical_responses", "baseline", "kappas", "samples")
        uses = ("methods", "seeds", "shifts", "n", *settings)
        return Step(
            {name: artifacts[name] for name in names},
            {**{name: values[name] for name in uses}, "sources": self.sources},
        )

    @cached_property
    def _grid(self) -> list[str]:
        return cells.every(self.axes)

    @cached_property
    def _judge(self) -> Step:
        return self.judge(self.study.judge)

    @cached_property
    def _scan(self) -> dict[str, Any]:
        return {
            "evaluation": self.study.evaluation.model_dump(exclude=NOT_OF_THE_SCAN),
            "batch_size": self.config.logp_batch_size,
        }

    def _preferences(self, axes: dict[str, Any]) -> str:
        cell = cells.folders({axis: axes[axis] for axis in ("seed", "shift", "n")})
        return f"{self.root}/preferences/{cell}/preferences.jsonl"

    def _shards(self, cell: str) -> list[str]:
        shards = 1 if cell == HELD_OUT else self.study.generation.shards
        folder = f"{self.root}/responses/{cell}"
        return [f"{folder}/shard={shard}/responses.jsonl" for shard in range(shards)]
