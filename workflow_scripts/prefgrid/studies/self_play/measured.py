"""What the evaluation of self-play is made from: held-out samples, contests, scores, best of n, tables."""

from typing import Any

from prefgrid.config import backends
from prefgrid.files import cells
from prefgrid.studies import base
from prefgrid.studies.base import Step
from prefgrid.studies.self_play import axes as cell_axes
from prefgrid.studies.self_play import grid
from prefgrid.studies.words import trainings

# Of the figures, in reading order; that of classes only where some judge of the grid has them.
FIGURES = ("win_rate_by_kl", "length_and_gap", "iterates", "ring")

# Keys of `evaluation` that say how held-out responses are drawn.
DECODING = {"max_new_tokens", "temperature", "batch_rows"}


class Measured(base.Wiring):
    """A cell is a run and an iterate of it, method=…/judge=…/seed=…/iteration=…, or the average of all,
    average=…; the base's is pool=eval. A judge asked about one stands behind it, asked=…."""

    name = "self_play"
    tables = ("iterations", "contests", "classes", "selected", "summary", "equal_kl", "best_of")

    @property
    def figures(self) -> tuple[str, ...]:
        with_classes = any(row.classes is not None for row in self.study.grid)
        return FIGURES if with_classes else FIGURES[:-1]

    def values(self) -> dict[str, Any]:
        study = self.study
        used = {"prompts", "samples", "best", "average"}
        return {
            "rows": [row.model_dump() for row in study.grid],
            "methods": study.methods,
            "baseline": study.baseline,
            "seeds": study.seeds,
            "iterations": study.iterations,
            "kappas": study.kappas,
            "compat": study.compat,
            "select": study.select,
            "responses": study.generation.responses,
            "asked_prompts": study.prompts.model_dump(include={"per_iteration", "parts"}),
            "evaluation": study.evaluation.model_dump(include=used),
            "trainings": trainings(study.methods, self.learner, "prompts"),
        }

    def held_out(self, cell: str) -> Step:
        """…/iteration=t, …/average=T, or pool=eval: samples on held-out prompts."""
        axes, study = cells.values(cell), self.study
        run = cell_axes.run(axes)
        policies: list[str] = []
        policy: base.Paths = []
        if "average" in axes:
            policy = base.manifest(grid.averaged(run, axes["average"]))
            maker = "average"
        elif "iteration" in axes:
            policies = grid.policies(run, axes["iteration"] - 1)
            policy = base.manifest(grid.policy(run, axes["iteration"]))
            maker = axes["iteration"]
        else:
            maker = 0
        return Step(
            {"prompts": grid.held_out_prompts(), "policy": policy, **base.start(policies).inputs},
            {
                "prompts": study.evaluation.prompts,
                "asked_by": f"{self.name}.evaluation.prompts",
                "samples": study.evaluation.samples,
                # Two iterates' samples are independent; those of two runs at one iteration share their noise.
                "noise": {"purpose": f"self play by {maker}", "seed": study.evaluation.seed},
                "decoding": study.evaluation.model_dump(include=DECODING),
                "prompt_format": self.config.prompt_format,
                "precision": self._precision(axes),
            },
        )

    def contest(self, cell: str) -> Step:
        """…/iteration=t/asked=A, …/average=T/asked=A: A's logits of the cell's held-out samples, the base's and
        those of the iterates before, or of all that are averaged."""
        axes = cells.values(cell)
        run = cell_axes.run(axes)
        if "average" in axes:
            own, others = grid.average_samples(run, axes["average"]), axes["average"]
        else:
            own, others = grid.samples(run, axes["iteration"]), axes["iteration"] - 1
        opponents = [grid.samples(run, iteration) for iteration in range(others + 1)]
        return self.judge(axes["asked"]).beside(
            {"groups": [own], "opponents": opponents}, at_once=self.study.prompts_at_once
        )

    def scores(self, cell: str) -> Step:
        """…/asked=A, behind any cell of `held_out`: A's score of every sample."""
        of, _, asked = cell.rpartition("/asked=")
        at_once = self.study.prompts_at_once
        return self.judge(asked).beside(
            {"responses": [f"{grid.ROOT}/held_out/{of}/samples.jsonl"]},
            at_once=at_once and at_once * self.study.evaluation.samples,
        )

    def best_responses(self, cell: str) -> Step:
        """pool=best/by=0/shard=0, or behind a run's axes pool=best/by=T/shard=0: what is chosen from."""
        axes, study = cells.values(cell), self.study
        evaluation, best = study.evaluation, study.evaluation.best
        backend = backends.module_name(study.generation.backend)
        return Step(
            {
                "prompts": grid.held_out_prompts(),
                **base.start(grid.policies(cell_axes.run(axes), axes["by"])).inputs,
            },
            {
                "prompts": {
                    "pool": best.prompts,
                    "asked_by": f"{self.name}.evaluation.best.prompts",
                    "order_seed": None,
                    "groups": best.prompts,
                    "shard": axes["shard"],
                    "shards": 1,
                },
                "samples": max(best.of),
                "noise": {
                    "purpose": f"self play best of by {axes['by']}",
                    "seed": evaluation.seed,
                },
                "decoding": {**evaluation.model_dump(include=DECODING), "backend": backend},
                "prompt_format": self.config.prompt_format,
                "precision": self._precision(axes),
            },
            modules=(backend,),
        )

    def best_contest(self, cell: str) -> Step:
        """pool=best/asked=A, also behind a run's axes: A's logits of the candidates and of the base's held-out
        samples."""
        axes = cells.values(cell)
        run = cell_axes.run(axes)
        last = self.study.iterations if run else 0
        candidates = grid.best_responses(run, last)
        return self.judge(axes["asked"]).beside(
            {"groups": [candidates], "opponents": [grid.samples({}, 0)]},
            at_once=self.study.prompts_at_once,
        )

    def measurement(self, cell: str) -> Step:
        """Of a run's axes: all that is measured of it, and which of its iterates is the result."""
        run, study = cells.values(cell), self.study
        row = grid.row_of(study, run["judge"])
        judges = (row.judge, row.held_out_judge)
        policies, scorers = self.policies_of(run), grid.scorers_of(study, row)
        iterates = [grid.iterate(run, number) for number in range(1, study.iterations + 1)]
        best = study.evaluation.best
        return Step(
            {
                "base": grid.samples({}, 0),
                "samples": [f"{grid.ROOT}/held_out/{own}/samples.jsonl" for own in policies],
                "training": [grid.contest(own, row.judge) for own in policies],
                "held_out": [grid.contest(own, row.held_out_judge) for own in policies],
                # A scorer's of the base and of every policy, one scorer after the other.
                "scores": [
                    grid.scores(own, asked)
                    for asked in scorers
                    for own in (f"pool={grid.HELD_OUT}", *policies)
                ],
                "metrics": [f"{grid.ROOT}/policies/{own}/metrics.jsonl" for own in iterates],
                "targets": [f"{grid.ROOT}/targets/{own}/summary.json" for own in iterates],
                # The training judge's and the held-out judge's, first of the base's candidates.
                "best": [
                    grid.contest(grid.best_cell(of), asked)
                    for of in ({}, run)
                    for asked in judges
                    if best
                ],
            },
            {
                "key": {**run, "held_out_judge": row.held_out_judge},
                "iterations": study.iterations,
                "average": study.evaluation.average,
                "samples": study.evaluation.samples,
                "scorers": scorers,
                "classes": row.classes,
                "best_of": best and best.of,
                "select": study.select,
            },
        )

    def tabulation(self, _: str = "") -> Step:
        study = self.study
        axes = [axes for _, axes in grid.runs(study)]
        return Step(
            {
                f"run_{kind}": [grid.measured(run, name) for run in axes]
                for kind, name in grid.MEASURED.items()
            },
            {
                "runs": axes,
                "seeds": study.seeds,
                "baseline": study.baseline,
                "kappas": study.kappas,
                "sources": self.sources,
            },
        )

    def policies_of(self, axes: grid.Axes) -> list[str]:
        """The cells of a run's policies that are measured: iterates 1 to T, and their average if asked for."""
        count = self.study.iterations
        found = [grid.iterate(axes, iteration) for iteration in range(1, count + 1)]
        return [*found, grid.average(axes, count)] if self.study.evaluation.average else found

    def _precision(self, axes: grid.Axes) -> str:
        """Of what a cell's policy is computed in: that of its weights."""
        if "method" not in axes:
            return self.config.training.precision
        return base.weights_precision(self.learner(axes["method"])["training"])
