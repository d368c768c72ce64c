"""What nobody needs but who asks for it: models to load, files and entries for others' programs, the hub."""

from prefgrid.config import objectives
from prefgrid.studies import base
from prefgrid.studies.base import Step
from prefgrid.studies.self_play import axes, grid, publication, published
from prefgrid.studies.self_play.measured import Measured


class Requested(Measured):
    """A cell is a policy's: a run and an iteration of it, …/iteration=t, or their average, …/average=T."""

    def export(self, cell: str) -> Step:
        """As one model; an average goes on the bare reference."""
        found = axes.of(self.study, cell, axes.ITERATE, axes.AVERAGE)
        if "average" not in found:
            return super().export(cell)
        policy = base.manifest(grid.averaged(axes.run(found), found["average"]))
        spec = {"prompt_format": self.config.prompt_format}
        return Step({"policy": policy, "adapters": []}, spec)

    def published(self, cell: str) -> Step:
        """…/iteration=t: the files that SPPO published."""
        targets = self.targets(cell)
        method = self.config.methods[axes.of(self.study, cell)["method"]]
        scores = objectives.constants(method.objective).needs["targets"] == "scores"
        return published.files(targets, scores=scores)

    def publication(self, _: str = "") -> Step:
        """Of all runs."""
        return publication.step(self.study)

    def alpaca_config(self, name: str) -> Step:
        """A cell with commas for slashes: the policy in AlpacaEval."""
        found = axes.of(self.study, name.replace(",", "/"), axes.ITERATE, axes.AVERAGE)
        return published.alpaca_config(self, name, self._precision(found))
