"""What each set of comparisons is made from, and where the files of those with a source come from."""

from collections.abc import Iterable
from typing import Any

from prefgrid.comparisons.base import SPLITS
from prefgrid.config import comparisons
from prefgrid.files.shared import COMPARISONS
from prefgrid.plan import local_sources
from prefgrid.plan.schema import Config
from prefgrid.studies.base import Step, Wiring


def step(config: Config, label: str) -> Step:
    """Of the job that collects the comparisons of a label."""
    one = config.comparisons[label]
    files = {
        "dataset": [config.data.path],
        "source": [f"results/{fetched(label)}/train.jsonl"],
        "comparisons": [
            f"{COMPARISONS}/{other}/{split}.jsonl" for other in one.shares or () for split in SPLITS
        ],
        "nothing": [],
    }[one.reads]
    # What decides its rows, and no more: another set does not change with it.
    keys = {
        "dataset": ("dataset", "bad_row_share", "eval_share"),
        # A benchmark holds nobody out.
        "source": ("bad_row_share", "eval_share") if one.trains else ("bad_row_share",),
        "comparisons": (),
        "nothing": ("eval_share",),
    }[one.reads]
    data = {key: config.data.reading[key] for key in keys}
    modules = (one.module, *([config.data.module] if one.reads == "dataset" else []))
    spec = {"comparisons": one.module, "options": one.all_options, "data": data}
    return Step({"files": files}, spec, modules=modules)


def fetched(label: str) -> str:
    """The folder, below results/, of the source of a set."""
    return f"data/comparisons/{label}"


def fetches(config: Config, studies: Iterable[Wiring]) -> dict[str, dict[str, Any]]:
    """Folder below results/ → spec of the job that fetches a dataset's file into it, those that `studies` have
    of their own among them."""
    specs: dict[str, dict[str, Any]] = {}
    if config.world == "hub" and config.hub.dataset is not None:
        folder = config.data.path.removeprefix("results/").rpartition("/")[0]
        specs[folder] = local_sources.origin(config.hub.dataset) | {"fields": config.data.fields}
    for label, one in config.comparisons.items():
        if one.source is not None:
            constants = comparisons.constants(one.comparisons)
            fields = {"fields": constants.fields, "optional_fields": constants.optional_fields}
            specs[fetched(label)] = local_sources.origin(one.source) | fields
    for study in studies:
        for folder, (source, columns) in study.fetches().items():
            specs[folder] = local_sources.origin(source) | {"fields": columns}
    return specs
