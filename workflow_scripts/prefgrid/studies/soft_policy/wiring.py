"""What the cells of the soft-policy study are made from."""

from functools import cached_property
from typing import Any

from prefgrid.files import cells
from prefgrid.studies import base
from prefgrid.studies.base import MODELS, Step

MANY = "many"


class Wiring(base.Wiring):
    """A block of seeds of one method, reference, target and β is one artifact."""

    name = "soft_policy"
    figures = ("answers", "curves", "ablation", "values", "budget")
    gathers = ("evaluations.csv", "values.csv", "answers.parquet", "samples.parquet")
    tables = ("summary", "differences")
    reads_dataset = False

    def grids(self) -> list[dict[str, list[Any]]]:
        """The axes of every method: which β it is trained at is its own."""
        study = self.study
        starts = range(0, study.seeds, study.seeds_per_job)
        blocks = [f"{k}-{min(k + study.seeds_per_job, study.seeds) - 1}" for k in starts]
        return [
            {
                "method": [label],
                "reference": study.references,
                "task": [MANY] if study.named else study.targets,
                "beta": study.betas_of(label),
                "seeds": blocks,
            }
            for label in study.methods
        ]

    def values(self) -> dict[str, Any]:
        study = self.study
        return {
            "methods": study.methods,
            "baseline": study.baseline,
            "seeds": study.seeds,
            "references": study.references,
            "targets": study.targets,
            "many": study.named,
            "betas": self.betas,
            "task": study.task.model_dump(),
            "recipes": [[label, self._recipe(label)] for label in study.methods],
            "facts": self._facts(),
        }

    @cached_property
    def betas(self) -> list[float]:
        """Every β that some method is trained at, ascending."""
        every = (beta for label in self.study.methods for beta in self.study.betas_of(label))
        return sorted(set(every))

    def cells(self, stage: str) -> list[str]:
        files = {"policies": "policies.safetensors", "evaluations": "evaluations.csv"}
        if stage in files:
            return [f"{self.root}/policies/{cell}/{files[stage]}" for cell in self._cells]
        return super().cells(stage)

    def numbers_reference(self, cell: str) -> Step:
        """reference=…: the base model taught numbers, or the run's reference as it is."""
        kind, study = cells.values(cell)["reference"], self.study
        folder = f"{MODELS}/{'reference' if kind == 'model' else 'base'}"
        spec = {
            "kind": kind,
            # What an answer is worth does not matter here.
            "task": study.task.model_dump(include={"lo", "hi"}),
            "many": study.named is not None,
            "min_valid_mass": study.reference.min_valid_mass,
            "prompt_format": self.config.prompt_format,
        }
        if kind != "model":
            training = self.config.training_of(study.reference.training)
            spec["answers"] = study.reference.answers
            if kind == "peaked":
                spec["center"] = study.reference.center
            # All replicates share it: its seed is the training's own.
            spec |= {"seed": training.seed, "training": training.options}
        return Step({"base": base.manifest(folder)}, spec, weights=[base.model_weights(folder)])

    def policy(self, cell: str) -> Step:
        axes, study = cells.values(cell), self.study
        label = axes["method"]
        first, last = (int(seed) for seed in axes["seeds"].split("-"))
        specs = {seed: self.training_spec(label, seed) for seed in range(first, last + 1)}
        folder = f"{self.root}/references/reference={axes['reference']}"
        drawing = study.drawing_of(label)
        return Step(
            {"reference": base.manifest(folder)},
            {
                **specs[first],
                # The replicate's, and that of its training.
                "seed": [[seed, spec["seed"]] for seed, spec in specs.items()],
                "options": self._options(label, axes["beta"]),
                "beta": axes["beta"],
                "drawing": drawing.model_dump() | {"mix": drawing.shares},
                "targets": [] if study.named else [axes["task"]],
                "many": study.named,
                "task": study.task.model_dump(),
                "final_samples": study.final_samples,
                "measure_seconds": study.measure_seconds,
                "transcript": study.override(label).transcript,
            },
            weights=[base.model_weights(folder)],
            modules=(specs[first]["objective"],),
        )

    def gathered(self, table: str) -> Step:
        folder = f"{self.root}/policies"
        return Step(
            {"cells": [f"{folder}/{cell}/{table}" for cell in self._cells]},
            {
                "folder": folder,
                "file": table,
                "grids": [list(axes.items()) for axes in self.grids()],
                "drop": ["seeds", "task"],
            },
        )

    def tabulation(self, _: str = "") -> Step:
        artifacts, values = self.artifacts(), self.values()
        return Step(
            {
                "evaluations": artifacts["evaluations"],
                "estimates": artifacts["values"],
                "answers": artifacts["answers"],
            },
            {
                **{name: values[name] for name in ("methods", "baseline", "seeds", "many")},
                "sources": self.sources,
            },
        )

    @cached_property
    def _cells(self) -> list[str]:
        return [cell for axes in self.grids() for cell in cells.every(axes)]

    def _options(self, label: str, beta: float) -> dict[str, Any]:
        """The objective's own, but for β and where Q̂0 comes from, if it has such options."""
        options, value = self.learner(label)["options"], self.study.drawing_of(label).value
        told = {"beta": beta, "value": value if value in ("group", "learned") else "given"}
        return options | {name: told[name] for name in told if name in options}

    def _recipe(self, label: str) -> dict[str, Any]:
        """How a method is trained, in what the study's tables name."""
        drawing = self.study.drawing_of(label)
        learner = self.learner(label)
        options, training = learner["options"], learner["training"]
        return {
            "loss": options.get("loss", learner["objective"].rpartition(".")[2]),
            # None: it regresses on no value.
            "value": drawing.value if "value" in options else None,
            "mix": [[name, share] for name, share in drawing.shares.items()],
            "samples": drawing.epochs * drawing.samples,
            "group_size": drawing.group_size * training["batch_size"],
            "learning_rate": training["learning_rate"],
            "adapter": training["lora"] is not None,
        }

    def _facts(self) -> list[list[str]]:
        task = self.study.task
        return [
            ["Task", f"one whole number from {task.lo} to {task.hi}"],
            ["Score", f"minus the distance to the target; no number: {task.r_invalid:g}"],
        ]

    def trainings(self) -> list[dict[str, Any]]:
        taught = [
            self.config.training_of(self.study.reference.training).model_dump()
            for kind in self.study.references
            if kind != "model"
        ]
        return [*super().trainings(), *taught[:1]]
