"""What the cells of the single-index study are made from."""

import itertools
from functools import cached_property
from typing import Any

from prefgrid.config import objectives
from prefgrid.files import cells
from prefgrid.studies import base, words
from prefgrid.studies.base import Step


class Wiring(base.Wiring):
    """A block of seeds is one artifact; one job evaluates all methods of a data cell."""

    name = "single_index"
    figures = ("robustness", "frontier", "links", "correlation")
    gathers = ("runs.csv", "curves.parquet", "links.parquet", "evidence.csv")
    tables = ("summary", "differences", "identifiability")

    @cached_property
    def axes(self) -> dict[str, list[Any]]:
        study = self.study
        starts = range(0, study.seeds, study.seeds_per_job)
        blocks = [f"{k}-{min(k + study.seeds_per_job, study.seeds) - 1}" for k in starts]
        return {"shift": study.shifts, "tau": study.tau, "n": study.n, "seeds": blocks}

    def values(self) -> dict[str, Any]:
        study = self.study
        return {
            "methods": study.methods,
            "seeds": study.seeds,
            "shifts": study.shifts,
            "tau": study.tau,
            "n": study.n,
            "baseline": study.baseline,
            "kappas": study.evaluation.kappas,
            "pareto_shifts": study.evaluation.pareto_shifts,
            "variants": self._variants(),
            "trainings": words.worded_alike(
                study.methods, {label: self._training_words(label) for label in study.methods}
            ),
            "facts": self._facts(),
        }

    def cells(self, stage: str) -> list[str]:
        if stage == "policies":
            every = cells.every({"method": self.study.methods, **self.axes})
            return [f"{self.root}/policies/{cell}/policies.safetensors" for cell in every]
        if stage == "evaluations":
            return [f"{self.root}/evaluations/{cell}/runs.csv" for cell in cells.every(self.axes)]
        return super().cells(stage)

    def trainings(self) -> list[dict[str, Any]]:
        """None of a language model."""
        return []

    def draws(self, cell: str) -> Step:
        """n=…/seeds=…: teachers, pairs, label noise, first students of a block."""
        axes = cells.values(cell)
        size = self.study.world.model_dump(exclude={"reward_scale"})
        return Step({}, {"seeds": _ends(axes), "n": axes["n"], "size": size})

    def policy(self, cell: str) -> Step:
        axes, study = cells.values(cell), self.study
        method = self.config.methods[axes["method"]]
        options = study.options_of(axes["method"], method.options)
        objective = objectives.module_name(method.objective)
        return Step(
            {"draws": self._draws(axes)},
            {
                "seeds": _ends(axes),
                "shift": axes["shift"],
                "tau": axes["tau"],
                "reward_scale": study.world.reward_scale,
                "objective": objective,
                "options": objectives.told_the_link(
                    objectives.constants(method.objective).defaults | options,
                    axes["shift"] / axes["tau"],
                ),
                "training": study.training_of(axes["method"]).model_dump(),
            },
            modules=(objective,),
        )

    def evaluation(self, cell: str) -> Step:
        axes, study = cells.values(cell), self.study
        folders = [f"{self.root}/policies/method={method}/{cell}" for method in study.methods]
        return Step(
            {
                "draws": self._draws(axes),
                "policies": [f"{folder}/policies.safetensors" for folder in folders],
            },
            {
                "seeds": _ends(axes),
                "shift": axes["shift"],
                "tau": axes["tau"],
                "reward_scale": study.world.reward_scale,
                "kappas": study.evaluation.kappas,
                "beta_grid": study.evaluation.beta_grid,
            },
        )

    def gathered(self, table: str) -> Step:
        folder = f"{self.root}/evaluations"
        return Step(
            {"cells": [f"{folder}/{cell}/{table}" for cell in cells.every(self.axes)]},
            {
                "folder": folder,
                "file": table,
                "grids": [list(self.axes.items())],
                "drop": ["seeds"],
            },
        )

    def tabulation(self, _: str = "") -> Step:
        artifacts, values = self.artifacts(), self.values()
        uses = ("methods", "baseline", "variants", "seeds", "kappas")
        return Step(
            {name: artifacts[name] for name in ("runs", "curves", "evidence")},
            {**{name: values[name] for name in uses}, "sources": self.sources},
        )

    def _draws(self, axes: dict[str, Any]) -> str:
        cell = cells.folders({axis: axes[axis] for axis in ("n", "seeds")})
        return f"{self.root}/data/{cell}/draws.safetensors"

    def _variants(self) -> list[list[str]]:
        """Pairs of labels of one learner in the grid, [newer, older]: a label against its _published
        one, any other `label_variant` against its `label`."""
        pairs = []
        for label, longer in itertools.permutations(self.study.methods, 2):
            if longer == f"{label}_published":
                pairs.append([label, longer])
            elif longer.startswith(f"{label}_"):
                pairs.append([longer, label])
        return pairs

    def _training_words(self, label: str) -> str:
        training = self.study.training_of(label)
        return (
            f"{training.epochs} epochs, {training.batch_size} pairs a step, "
            f"lr {training.learning_rate:g}"
        )

    def _facts(self) -> list[list[str]]:
        """What the report says about the study, beyond its grid and its training."""
        world, betas = self.study.world, sorted(self.study.evaluation.beta_grid)
        return [
            ["World", f"{world.actions} actions, contexts of {world.dimension} numbers"],
            ["Teacher and students", f"two hidden layers of {world.hidden}"],
            ["Evaluation", f"exact, on {world.contexts:,} held-out contexts"],
            ["Scanned β", f"{len(betas)} values from {betas[0]:g} to {betas[-1]:g}"],
        ]


def _ends(axes: dict[str, Any]) -> list[int]:
    """[first, last] seed of a block."""
    return [int(seed) for seed in axes["seeds"].split("-")]
