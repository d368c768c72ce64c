"""What the self-play study's iterations are made from: prompts, responses, targets, policies."""

from typing import Any

from prefgrid.config import backends
from prefgrid.config.hub import HubDataset
from prefgrid.files import cells
from prefgrid.studies import base, preference_models
from prefgrid.studies.base import POOLS, Step
from prefgrid.studies.self_play import axes, compat, grid
from prefgrid.studies.self_play.requested import Requested


class Wiring(Requested):
    """A cell of the training side is a run and an iteration of it, method=…/judge=…/seed=…/iteration=…. What
    runs share lacks the axes that it does not depend on: the base's responses method and judge, and the first
    iteration's matrices the method. by=…, of responses: the iterate that drew them."""

    def __init__(self, config: Any, package: str) -> None:
        super().__init__(config, package)
        self.study = compat.applied(self.study)

    @property
    def reads_dataset(self) -> bool:
        if self.study.prompts.sources is None:
            return True
        return any(one.reads == "dataset" for one in self.sets().values())

    def sets(self) -> dict[str, Any]:
        """Label → entry of `comparisons`, of those that the judges' models were trained on."""
        return preference_models.sets(self.config, (), self.asked())

    def asked(self) -> list[Any]:
        return [self.config.judges[label] for label in self.study.judges]

    def trainings(self) -> list[dict[str, Any]]:
        own = [self.learner(label)["training"] for label in self.study.methods]
        return [*own, *preference_models.trainings(self.config, (), self.asked())]

    def fetches(self) -> dict[str, tuple[HubDataset, list[str]]]:
        return {
            _source(number): (source, ["prompt"])
            for number, source in enumerate(self.study.prompts.sources or (), start=1)
        }

    def cells(self, stage: str) -> list[str]:
        numbers = range(1, self.study.iterations + 1)
        runs = [run for _, run in grid.runs(self.study)]
        if stage == "preferences":
            return [_targets(run, number, "groups.jsonl") for run in runs for number in numbers]
        if stage == "policies":
            found = [grid.policy(run, number) for run in runs for number in numbers]
            if self.study.evaluation.average:
                found += [grid.averaged(run, self.study.iterations) for run in runs]
            return [base.manifest(folder) for folder in found]
        return super().cells(stage)

    def prompts(self, cell: str) -> Step:
        """iteration=t, or pool=eval."""
        own, found = self.study.prompts, axes.of(self.study, cell)
        number = found.get("iteration")
        files = [f"results/{folder}/train.jsonl" for folder in self.fetches()]
        part = None
        if number is not None:
            # A file of its own, or the same part of the pool for all, is counted from its start.
            first = bool(files) or own.parts == "same"
            shares = None if first or own.per_iteration else self.study.iterations
            part = {"number": 1 if first else number, "size": own.per_iteration, "shares": shares}
        data = {
            **{key: self.config.data.reading[key] for key in ("bad_row_share", "eval_share")},
            "max_prompt_tokens": self.config.max_prompt_tokens,
        }
        pool = f"{POOLS}/{'eval' if number is None else 'train'}.jsonl"
        return Step(
            {
                "pool": [] if files else pool,
                # What evaluates is of the first file, so that a longer run leaves it as it is.
                "sources": files[: number or 1],
                "tokenizer": "results/models/base/tokenizer.json" if files else [],
            },
            {
                "part": part,
                "asked_by": f"{self.name}.prompts.per_iteration",
                "sources": data if files else None,
            },
        )

    def responses(self, cell: str) -> Step:
        """…/iteration=t/by=r/shard=k: iterate r's responses to iteration t's prompts; or …/pool=best."""
        found = axes.of(self.study, cell, *axes.RESPONSES)
        if "pool" in found:
            return self.best_responses(cell)
        study, by, number = self.study, found["by"], found["iteration"]
        options = study.generation.model_dump()
        samples, shards = options.pop("responses"), options.pop("shards")
        backend = backends.module_name(options["backend"])
        return Step(
            {
                "prompts": grid.prompts(number),
                **base.start(grid.policies(axes.run(found), by)).inputs,
            },
            {
                "prompts": {
                    "pool": None,
                    "asked_by": f"{self.name}.prompts.per_iteration",
                    "order_seed": None,
                    "groups": None,
                    "shard": found["shard"],
                    "shards": shards if by == number - 1 else 1,
                },
                "samples": samples,
                # Of the same prompt, in another iteration or by another iterate, other draws.
                "noise": {"purpose": f"self play {number} by {by}", "seed": found["seed"]},
                "decoding": {**options, "backend": backend},
                "prompt_format": self.config.prompt_format,
                "precision": self._precision(found),
            },
            modules=(backend,),
        )

    def matrices(self, cell: str) -> Step:
        """…/iteration=t: the training judge's logits of its responses; behind asked=… another's, of samples."""
        found = axes.of(self.study, cell)
        if "asked" in found:
            return self.best_contest(cell) if "pool" in found else self.contest(cell)
        judge = self.judge(found["judge"])
        opponents = self._opponents(found) if "method" in found else []
        return judge.beside(
            {"groups": self._own(found), "opponents": opponents},
            at_once=self.study.prompts_at_once,
        )

    def rewards(self, cell: str) -> Step:
        """…/asked=A: A's scores of held-out samples."""
        axes.of(self.study, cell)
        return self.scores(cell)

    def targets(self, cell: str) -> Step:
        """…/iteration=t: what each of its responses is worth, and which train."""
        found = axes.of(self.study, cell, axes.ITERATE)
        study, method = self.study, found["method"]
        return Step(
            self._judged(found),
            {
                "targets": study.targets_of(method).model_dump(),
                "selection": study.selection_of(method).model_dump(),
                "seed": found["seed"],
            },
        )

    def reference_logps(self, cell: str) -> Step:
        """…/iteration=t: of what trains, under the policy before."""
        found = axes.of(self.study, cell, axes.ITERATE)
        number = found["iteration"]
        return Step(
            {
                "responses": [_targets(axes.run(found), number, "groups.jsonl")],
                **base.start(grid.policies(axes.run(found), number - 1)).inputs,
            },
            {
                "batch_size": self.config.logp_batch_size,
                "precision": self._precision(found),
                "first": None,
            },
        )

    def policy(self, cell: str) -> Step:
        """…/iteration=t: from the policy before."""
        found = axes.of(self.study, cell, axes.ITERATE)
        run, number = axes.run(found), found["iteration"]
        spec = self.training_spec(found["method"], found["seed"])
        return Step(
            {
                "data": _targets(run, number, "groups.jsonl"),
                "logps": f"{self.root}/reference_logps/{grid.iterate(run, number)}/logps.parquet",
                **base.start(grid.policies(run, number - 1)).inputs,
            },
            spec,
            modules=(spec["objective"],),
        )

    def averaging(self, cell: str) -> Step:
        """…/average=T: the mean of the weights of iterates 1 to T."""
        found = axes.of(self.study, cell, axes.AVERAGE)
        policies = grid.policies(axes.run(found), found["average"])
        return Step({"policies": [base.manifest(one) for one in policies]}, {})

    def held_out(self, cell: str) -> Step:
        axes.of(self.study, cell, axes.ITERATE, axes.AVERAGE, axes.POOL)
        return super().held_out(cell)

    def _judged(self, found: axes.Axes) -> dict[str, Any]:
        """Own responses and opponents of an iteration, and the matrices of both."""
        number = found["iteration"]
        # Before the first iteration all methods have the same responses, and no opponents.
        names = ("method", "judge", "seed") if number > 1 else ("judge", "seed")
        cell = cells.folders({name: found[name] for name in (*names, "iteration")})
        return {
            "responses": self._own(found),
            "matrices": f"{self.root}/matrices/{cell}/matrices.parquet",
            "opponents": self._opponents(found),
        }

    def _own(self, found: axes.Axes) -> list[str]:
        """Files of the responses of an iteration, by the policy before."""
        number = found["iteration"]
        shards = range(self.study.generation.shards)
        return [self._responses(found, number - 1, shard) for shard in shards]

    def _opponents(self, found: axes.Axes) -> list[str]:
        """Files of others' responses to the same prompts, the base's first."""
        number = found["iteration"]
        others = {"previous": 0, "base": min(1, number - 1), "mixture": number - 1}
        count = others[self.study.targets_of(found["method"]).opponent]
        return [self._responses(found, by, 0) for by in range(count)]

    def _responses(self, found: axes.Axes, by: int, shard: int) -> str:
        names = ("method", "judge", "seed") if by else ("seed",)
        cell = {name: found[name] for name in (*names, "iteration")} | {"by": by, "shard": shard}
        return f"{self.root}/responses/{cells.folders(cell)}/responses.jsonl"


def _source(number: int) -> str:
    """Folder below results/ of the prompts of an iteration that a file brings."""
    return f"self_play/sources/iteration={number}"


def _targets(run: axes.Axes, number: int, file: str) -> str:
    return f"{grid.ROOT}/targets/{grid.iterate(run, number)}/{file}"
