"""Runs the scripts that a study's figures and section plug into, as their rules would."""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from prefgrid.job import jobs
from steps import describe_study, draw_figure


def draw(figure: ModuleType, files: Mapping[str, Any], spec: dict, folder: Path) -> dict[str, Path]:
    """Draw a figure module from `files` (name → path or paths) → its files by kind."""
    name = figure.__name__.rpartition(".")[2]
    outputs = {kind: folder / f"{name}.{kind}" for kind in ("svg", "png")}
    draw_figure.main(_job(figure, files, outputs, {}, spec))
    return outputs


def describe(
    section: ModuleType,
    figures: Mapping[ModuleType, Path],
    files: Mapping[str, Any],
    spec: dict,
    path: Path,
) -> None:
    """Write a study's section to `path`; figures: module → SVG, in reading order."""
    modules = [figure.__name__ for figure in figures]
    svgs = {"figures": list(figures.values())}
    describe_study.main(_job(section, files, {"section": path}, svgs, spec | {"figures": modules}))


def _job(
    module: ModuleType, files: Mapping[str, Any], outputs: dict, more: dict, spec: dict
) -> jobs.Job:
    """Of the settings, the job gets those that the module names, and no others."""
    chosen = {name: spec[name] for name in (*module.USES, *(["figures"] if more else []))}
    listed = {
        name: value if isinstance(value, list) else [value]
        for name, value in files.items()
        if name in module.READS
    }
    reads = [[name, len(listed[name])] for name in module.READS]
    return jobs.Job(
        inputs=more | {"files": [path for name in module.READS for path in listed[name]]},
        outputs=outputs,
        finals=outputs,
        spec=chosen
        | {
            "module": module.__name__,
            "reads": reads,
            "sources": spec.get("sources", {"run": "default"}),
        },
    )


def figure_modules(study: str, names: Sequence[str]) -> list[ModuleType]:
    return [importlib.import_module(f"prefgrid.studies.{study}.figures.{name}") for name in names]
