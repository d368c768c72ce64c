"""What the cells of the study of pairwise judges are made from."""

from functools import cached_property
from typing import Any

from prefgrid.config import backends, judges
from prefgrid.files import cells, shared
from prefgrid.files.shared import COMPARISONS
from prefgrid.studies import base, preference_models
from prefgrid.studies.base import POOLS, Paths, Step

# The cell of the reference's samples.
SAMPLED = "pool=eval"
# The files of a cell, by number: those whose comparisons calibrate it and measure it, and the samples.
CALIBRATES, MEASURED, SAMPLES = 0, 1, 2
EMBEDDING = "prefgrid.judges.embedding"


class Wiring(base.Wiring):
    """A cell is a judge on a set of comparisons: judge=…/on=…, and seed=… of one that is trained here."""

    name = "pairwise_judges"
    tables = ("summary", "differences", "sections", "reliability")

    @property
    def figures(self) -> tuple[str, ...]:
        ring = ("ring",) if self.study.ring else ()
        return ("accuracy", *ring, "reliability", "consistency")

    @property
    def reads_dataset(self) -> bool:
        sets = self.sets().values()
        return self.study.samples is not None or any(one.reads == "dataset" for one in sets)

    def artifacts(self) -> dict[str, Paths]:
        found = super().artifacts()
        if self.ring is not None:
            found["embeddings"] = f"{self.root}/embeddings/{self.ring}/embeddings.parquet"
        return found

    def values(self) -> dict[str, Any]:
        study = self.study
        return {
            "judges": self.judges,
            "preference_models": study.preference_models,
            "baseline": study.baseline,
            "truth": self._truth,
            "comparisons": study.comparisons,
            "seeds": study.seeds,
            "measure_on": study.measure_on,
            "samples": study.samples and study.samples.model_dump(include={"prompts", "responses"}),
            "ring": study.ring and study.ring.model_dump(),
            "recipes": [[label, self._recipe(label)] for label in study.preference_models],
        }

    @property
    def judges(self) -> list[str]:
        """All that are measured, those that are trained here first."""
        return [*self.study.preference_models, *self.study.judges]

    @cached_property
    def grid(self) -> list[dict[str, Any]]:
        """The axes of every cell, set by set."""
        study = self.study
        return [
            axes
            for on in study.comparisons
            for axes in (
                *(
                    {"judge": label, "on": on, "seed": seed}
                    for label in study.preference_models
                    for seed in study.seeds
                ),
                *({"judge": label, "on": on} for label in study.judges),
            )
        ]

    @cached_property
    def ring(self) -> str | None:
        """The cell of the embeddings that are drawn, if any are."""
        ring = self.study.ring
        if ring is None:
            return None
        return cells.folders(
            {"judge": ring.model, "on": ring.comparisons, "seed": self.study.seeds[0]}
        )

    def cells(self, stage: str) -> list[str]:
        if stage == "evaluations":
            return [self._matrices(cells.folders(axes)) for axes in self.grid]
        if stage == "policies":
            return [base.manifest(_trained(axes)) for axes in self.grid if "seed" in axes]
        return super().cells(stage)

    def trainings(self) -> list[dict[str, Any]]:
        """Of the models that are trained on the sets here, and on their own for a judge that asks them."""
        labels = self.study.preference_models
        return preference_models.trainings(self.config, labels, self.asked())

    def asked(self) -> list[Any]:
        return [self.config.judges[label] for label in self.study.judges]

    def sets(self) -> dict[str, Any]:
        """Label → entry of `comparisons`, of all that it measures or a model was trained on, a mixture's parts
        among them."""
        return preference_models.sets(self.config, self.study.comparisons, self.asked())

    def responses(self, cell: str) -> Step:
        """pool=eval/shard=0: K responses of the reference to held-out prompts."""
        samples = self.study.samples
        backend = backends.module_name(samples.backend)
        used = {"max_new_tokens", "temperature", "batch_rows"}
        return Step(
            {"prompts": f"{POOLS}/eval.jsonl", "adapters": []},
            {
                "prompts": {
                    "pool": samples.prompts,
                    "asked_by": f"{self.name}.samples.prompts",
                    "order_seed": None,
                    "groups": samples.prompts,
                    "shard": cells.values(cell)["shard"],
                    "shards": 1,
                },
                "samples": samples.responses,
                "noise": {"purpose": self.name, "seed": samples.seed},
                "decoding": {**samples.model_dump(include=used), "backend": backend},
                "prompt_format": self.config.prompt_format,
                "precision": self.config.training.precision,
            },
            modules=(backend,),
        )

    def matrices(self, cell: str) -> Step:
        """judge=…/on=…: every judge's logits of the files that CALIBRATES, MEASURED and SAMPLES number."""
        axes = cells.values(cell)
        files = [f"{COMPARISONS}/{axes['on']}/calibration.jsonl", self._measured(axes["on"])]
        if self.study.samples is not None:
            files.append(f"{self.root}/responses/{SAMPLED}/shard=0/responses.jsonl")
        inputs = {"groups": files, "opponents": []}
        return self._judge(axes).beside(inputs, at_once=self.study.prompts_at_once)

    def calibration(self, cell: str) -> Step:
        """Of the same cell's matrices."""
        on = cells.values(cell)["on"]
        return Step(
            {
                "matrices": self._matrices(cell),
                "comparisons": f"{COMPARISONS}/{on}/calibration.jsonl",
            },
            {"file": CALIBRATES},
        )

    def embeddings(self, cell: str) -> Step:
        """Of the responses that a trained preference model is measured on."""
        axes = cells.values(cell)
        return self._judge(axes).beside({"comparisons": self._measured(axes["on"])})

    def tabulation(self, _: str = "") -> Step:
        names = [cells.folders(axes) for axes in self.grid]
        return Step(
            {
                "matrices": [self._matrices(cell) for cell in names],
                "comparisons": [self._measured(on) for on in self.study.comparisons],
                "calibrations": [
                    f"{self.root}/calibrations/{cell}/calibration.json" for cell in names
                ],
            },
            {
                "cells": [[axes["judge"], axes["on"], axes.get("seed")] for axes in self.grid],
                "sets": self.study.comparisons,
                "measured": MEASURED,
                "calibrates": CALIBRATES,
                "sampled": None if self.study.samples is None else SAMPLES,
                "baseline": self.study.baseline,
                "truth": self._truth,
                "certain": [on for on in self.study.comparisons if self._certain(on)],
                "sources": self.sources,
            },
        )

    @property
    def _truth(self) -> dict[str, str]:
        """Of the sets that are measured."""
        sets = self.study.comparisons
        return {on: judge for on, judge in (self.study.truth or {}).items() if judge and on in sets}

    def _certain(self, on: str) -> bool:
        entry = self.config.comparisons[on]
        return all(map(self._certain, entry.shares)) if entry.shares else entry.certain

    def _matrices(self, cell: str) -> str:
        return f"{self.root}/matrices/{cell}/matrices.parquet"

    def _measured(self, on: str) -> str:
        return f"{COMPARISONS}/{on}/{self.study.measure_on}.jsonl"

    def _judge(self, axes: dict[str, Any]) -> Step:
        """A judge of the config, or the model that was trained on the cell's comparisons."""
        if "seed" not in axes:
            return self.judge(axes["judge"])
        folder, model = _trained(axes), self.config.preference_models[axes["judge"]]
        training = self.config.training_of(model.training).model_dump()
        return Step(
            {"judge": base.manifest(folder)},
            {
                "judge": EMBEDDING,
                # Of what it was trained on, and in what it is saved.
                "options": judges.constants(EMBEDDING)[0]
                | {
                    "max_tokens": model.max_tokens,
                    "max_prompt_tokens": model.max_prompt_tokens,
                    "batch_size": model.batch_size,
                    "precision": base.weights_precision(training),
                },
                "prompt_format": self.config.prompt_format,
            },
            weights=[base.model_weights(folder)],
            modules=(EMBEDDING,),
        )

    def _recipe(self, label: str) -> dict[str, Any]:
        """How a preference model is made, in what the report names."""
        entry = self.config.preference_models[label]
        return entry.model_dump(
            include={*entry.shape, "anneal", "loss", "margin", "ptx"},
        )


def _trained(axes: dict[str, Any]) -> str:
    """The folder of a preference model that was trained on the cell's comparisons."""
    return shared.preference_model(axes["judge"], axes["on"], axes["seed"])
