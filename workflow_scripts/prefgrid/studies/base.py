"""How a study wires the shared steps: what each of its cells is made from, as paths and settings.

A rule exists once for all studies; its {study} and {cell} choose the study's answers. Plain strings
and dictionaries, made from the config alone: no torch, no file of results is opened.
"""

from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from typing import Any

from prefgrid.config import judging, literals, objectives
from prefgrid.config.hub import HubDataset
from prefgrid.config.suggestions import allowed
from prefgrid.studies import sources, training_spec
from prefgrid.studies.step import Paths, Step

MODELS = judging.MODELS
POOLS = "results/data/prompts"
# What a user may ask for by name, beside the studies themselves.
STAGES = ("preferences", "policies", "evaluations", "figures", "tables")


class Wiring:
    """A study's answers. Subclasses define what their blocks need; `{cell}` comes as its folders.

    The shared rules ask `responses`, `rewards`, `reference_logps`, `policy`, `averaging`, `held_out`, `evaluation`,
    `matrices` and `calibration` for the Step of a cell, where there are such cells; and `export`, `gathered`, `figure`,
    `section`.
    """

    name: str
    # In reading order: modules of the study's package `figures`.
    figures: tuple[str, ...] = ()
    # Files below `gathered/`, of all cells of the grid.
    gathers: tuple[str, ...] = ()
    # Whether it takes prompts, or anything else, of the preference dataset itself.
    reads_dataset = True
    # Files below `tables/`, made by a rule of the study's own.
    tables: tuple[str, ...] = ()

    def __init__(self, config: Any, package: str) -> None:
        study = package.rpartition(".")[2]
        if getattr(self, "name", None) != study:
            raise ValueError(f"its Wiring must have the name {study!r}, that of its package")
        self.config = config
        self.package = package
        self.study = config.section(self.name)
        self.root = f"results/{self.name}"
        self.learner = cache(self._learner)

    def artifacts(self) -> dict[str, Paths]:
        """Name → file or files, of what figures and the section may read."""
        return {
            **{name.split(".")[0]: f"{self.root}/gathered/{name}" for name in self.gathers},
            **{name: f"{self.root}/tables/{name}.csv" for name in self.tables},
        }

    def values(self) -> dict[str, Any]:
        """Name → setting, of what figures and the section may use."""
        return {}

    def cells(self, stage: str) -> list[str]:
        """The files of one of STAGES that this study's grid has."""
        if stage == "figures":
            forms = ("svg", "png")
            return [f"{self.root}/figures/{name}.{form}" for name in self.figures for form in forms]
        if stage == "tables":
            return [f"{self.root}/tables/{name}.csv" for name in self.tables]
        return []

    def captions(self) -> dict[str, str]:
        """File → caption, of the figures and tables in `snakemake --report`."""
        found = {
            f"{self.root}/figures/{name}.svg": f"{self.package}.figures.{name}"
            for name in self.figures
        }
        texts = {
            path: literals.read(module, ["CAPTION"])["CAPTION"] for path, module in found.items()
        }
        if self.tables:
            module = f"{self.package}.tables"
            captions = literals.read(module, ["CAPTIONS"])["CAPTIONS"]
            missing = [name for name in self.tables if name not in captions]
            if missing:
                raise ValueError(f"module {module!r}: CAPTIONS lacks {', '.join(missing)}")
            texts |= {f"{self.root}/tables/{name}.csv": captions[name] for name in self.tables}
        return texts

    def assessed(self) -> str | None:
        """Samples of the reference on held-out prompts that the world's reward model scored, as it is; None
        if the study makes none. The tiny world judges itself by them."""
        return None

    def trainings(self) -> list[dict[str, Any]]:
        """`training` of every policy made of the reference: what a fetched base is rehearsed with."""
        methods = getattr(self.study, "methods", ())
        return [self.learner(label)["training"] for label in methods]

    def asked(self) -> list[Any]:
        """Entries of `judges` that it asks: what a fetched model is rehearsed as."""
        label = getattr(self.study, "judge", None)
        return [] if label is None else [self.config.judges[label]]

    def fetches(self) -> dict[str, tuple[HubDataset, list[str]]]:
        """Folder below results/ → a dataset of the study's own that is fetched into it, and its columns."""
        return {}

    def sets(self) -> dict[str, Any]:
        """Label → entry of `comparisons`, of all that it trains on or measures."""
        return {}

    @cached_property
    def sources(self) -> dict[str, str]:
        """Which run, models and data the study is of, as it names them: see `sources.named`."""
        used = self.trainings(), self.asked(), self.reads_dataset, self.sets()
        return sources.named(self.config, *used)

    def figure(self, name: str) -> Step:
        """One figure, by the literals of its module."""
        return self._reader(f"figures.{name}", "TITLE", "CAPTION", sources=self.sources)

    def section(self, _: str = "") -> Step:
        """The study's section of the report."""
        step = self._reader("section")
        modules = [f"{self.package}.figures.{name}" for name in self.figures]
        drawn = [path for path in self.cells("figures") if path.endswith(".svg")]
        return Step(
            {"figures": drawn, **step.inputs},
            {**step.spec, "figures": modules},
            modules=(*step.modules, *modules),
        )

    def export(self, cell: str) -> Step:
        """A policy merged into what it starts from, as one model."""
        policy = self.policy(cell)
        if "adapters" not in policy.inputs:
            raise ValueError(
                "its policies are no adapters of the reference: none can be merged into it"
            )
        return Step(
            {
                "policy": f"{self.root}/policies/{cell}/manifest.json",
                "adapters": policy.inputs["adapters"],
            },
            {"prompt_format": self.config.prompt_format},
            weights=policy.weights,
        )

    def judge(self, label: str) -> Step:
        """A judge of the config, as the steps that ask it take it."""
        return self.judge_of(self.config.judges[label])

    def judge_of(self, judge: Any) -> Step:
        """The same of an entry of `judges`."""
        folder = judging.folder(self.config, judge)
        tried = judging.rehearsals(self.config, judge.model)
        return Step(
            {"judge": manifest(folder) if folder else []},
            {
                "judge": judge.module,
                "options": judge.all_options,
                "prompt_format": self.config.prompt_format,
            },
            weights=[model_weights(folder), *tried] if folder else [],
            modules=(judge.module,),
        )

    def _reader(self, name: str, *shown: str, **more: Any) -> Step:
        """A module of the study that has READS, USES, what is `shown` of it, and the function of the job,
        `figure` or `section`; `more`: further settings of the job."""
        module = f"{self.package}.{name}"
        found = literals.read(module, ("READS", "USES", *shown))
        literals.defines(module, ["section" if name == "section" else "figure"])
        reads = _named(self.artifacts(), found["READS"], module, "READS")
        uses = _named(self.values(), found["USES"], module, "USES")
        if not reads:
            raise ValueError(f"module {module!r}: READS is empty; allowed: names of artifacts")
        files = {name: _listed(paths) for name, paths in reads.items()}
        own = {
            "module": module,
            "reads": [[name, len(paths)] for name, paths in files.items()],
            **more,
        }
        if own.keys() & uses.keys():
            raise ValueError(f"values: {', '.join(own.keys() & uses.keys())} is no setting's name")
        return Step(
            {"files": [path for paths in files.values() for path in paths]},
            {**own, **uses},
            modules=(module,),
        )

    def training_spec(self, label: str, replicate: int) -> dict[str, Any]:
        """The spec of a policy of this method on the data of a replicate, by the replicate's seed."""
        return training_spec.of(self.learner(label), replicate)

    def _learner(self, label: str) -> dict[str, Any]:
        """How a method is trained, the same in all of its cells; ValueError for an unknown label."""
        if label not in self.config.methods:
            raise ValueError(f"unknown method {label!r}; {allowed(label, self.config.methods)}")
        method = self.config.methods[label]
        return {
            "objective": objectives.module_name(method.objective),
            "options": objectives.constants(method.objective).defaults | method.options,
            "training": self.config.training_of(method.training).model_dump(),
            "prompt_format": self.config.prompt_format,
        }


def manifest(folder: str) -> str:
    """What vouches for a model or policy, and is tracked for it."""
    return f"{folder}/manifest.json"


def model_weights(folder: str) -> str:
    """Of a whole model."""
    return f"{folder}/model.safetensors"


def weights_precision(training: Mapping[str, Any]) -> str:
    """Of a policy with this `training`, and of the reference that it is compared with: all weights are
    trained in float32, whatever they are computed in."""
    return training["precision"] if training["lora"] else "none"


def start(policies: Sequence[str] = ()) -> Step:
    """What is stacked on the reference model where something starts from policies: their folders, oldest
    first. The rules themselves take the reference model."""
    return Step({"adapters": [manifest(one) for one in policies]}, {})


def _named(
    known: Mapping[str, Any], names: Sequence[str], module: str, literal: str
) -> dict[str, Any]:
    """The entries of `known` that a module's literal names; ValueError for one that it lacks."""
    if not isinstance(names, list | tuple):
        raise ValueError(f"module {module!r}: {literal} {names!r} must be a tuple of names")
    for name in names:
        if name not in known:
            raise ValueError(
                f"module {module!r}: {literal} names {name!r}; {allowed(str(name), known)}"
            )
    return {name: known[name] for name in names}


def _listed(paths: Paths) -> list[str]:
    return [paths] if isinstance(paths, str) else list(paths)
