"""The typed configuration: the one truth about keys, types, defaults and allowed values.

`config.yaml` repeats the defaults with their comments; presets override some. Checks that compare keys
with each other live in `checks.py` and in the studies' rooms.
"""

from collections.abc import Mapping
from datetime import date
from functools import cache
from inspect import getdoc
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, create_model, field_validator

from prefgrid.config import comparing, judging, methods, preference_models
from prefgrid.config.comparing import Comparisons
from prefgrid.config.data import Data
from prefgrid.config.execution import Execution
from prefgrid.config.fields import Day, Distinct, Label, Name, Rows, Section, Tokens
from prefgrid.config.hub import Hub
from prefgrid.config.judging import Judge
from prefgrid.config.merging import merged
from prefgrid.config.methods import Method
from prefgrid.config.model import Model
from prefgrid.config.preference_models import PreferenceModel
from prefgrid.config.reference import Reference
from prefgrid.config.tiny_world import TinyWorld
from prefgrid.config.training import Training
from prefgrid.studies import registry


def _is_a_study(name: str) -> str:
    registry.package(name)
    return name


class Config(Section):
    """What all studies share; `of` adds the sections of those that a run builds."""

    run_name: Name = Field(
        "default",
        description="names this run in tables, figures and the page; changes no model",
    )
    studies: Annotated[
        list[Annotated[str, AfterValidator(_is_a_study)]], Field(min_length=1), Distinct
    ] = Field(
        default_factory=lambda: list(registry.BUILT_IN),
        description="what a run without a target builds and reports",
    )
    world: Literal["tiny", "hub"] = Field(
        "tiny",
        description="tiny: made here, no network, no GPU; hub: real models and data",
    )
    tiny_world: TinyWorld = Field(default_factory=TinyWorld, description="what world: tiny makes")
    hub: Hub | None = Field(
        None, description="world: hub names its models and data here; see presets/"
    )
    data: Data = Field(default_factory=Data, description="the preference dataset")
    model: Model = Field(default_factory=Model, description="how the hub's models are computed")
    prompt_format: Literal["chat", "raw"] = Field(
        "chat", description="chat: the tokenizer's chat template, thinking off; raw: bare text"
    )
    # What Llama's own templates say where no clock is to be had.
    prompt_date: Day = Field(
        date(2024, 7, 26),
        description="today, for chat templates that tell the model the date",
    )
    max_prompt_tokens: Tokens = Field(
        64, description="prompts whose text is longer are left out, and counted"
    )
    max_response_tokens: Tokens = Field(
        64,
        description="limit of sampled responses; longer supervised ones are left out, and counted",
    )
    logp_batch_size: Rows = Field(
        32,
        description="pairs per forward where log-probabilities of a whole dataset are computed",
    )
    reference: Reference = Field(
        default_factory=Reference,
        description="the model that every policy starts from and is compared with",
    )
    judges: dict[Label, Judge] = Field(
        default_factory=judging.ours, description="what may score responses, by a name of its own"
    )
    comparisons: dict[Label, Comparisons] = Field(
        default_factory=comparing.ours,
        description="of responses, for preference models and judges, by a name of its own",
    )
    training: Training = Field(
        default_factory=Training,
        description="defaults of every method; methods.<method>.training overrides them",
    )
    methods: Annotated[dict[Label, Method], Field(min_length=1)] = Field(
        default_factory=methods.ours, description="what studies may train"
    )
    preference_models: dict[Label, PreferenceModel] = Field(
        default_factory=preference_models.ours,
        description="what may learn from comparisons, by a name of its own",
    )
    execution: Execution = Field(
        default_factory=Execution,
        description="how jobs run; never tracked; threads, devices and the sort of CPU change the last bits",
    )

    @field_validator("studies")
    @classmethod
    def _have_names_of_their_own(cls, studies: list[str]) -> list[str]:
        taken = [name for name in registry.packages(studies) if is_taken(name)]
        if taken:
            raise ValueError(
                f"{taken[0]!r} is no name for a study: the config, a target or a folder has it"
            )
        return studies

    @property
    def packages(self) -> dict[str, str]:
        """Study → its package, of those that the run builds."""
        return registry.packages(self.studies)

    def section(self, study: str) -> Any:
        """The section of a study that the run builds."""
        return getattr(self, study)

    def training_of(self, overrides: dict[str, Any]) -> Training:
        """The `training` defaults with `overrides` on top; `lora` merges key by key."""
        return Training.model_validate(merged(self.training.model_dump(), overrides))


SCRIPTS = sorted(path.stem for path in Path(__file__).resolve().parents[2].glob("*/*.py"))
# Other targets of Snakemake, and folders of results/ that are no study's. Rules are called as their
# scripts are, and are no targets, but one name cannot be two rules'.
RESERVED = (
    *(
        "all",
        "sources",
        "references",
        "preferences",
        "policies",
        "evaluations",
        "figures",
        "tables",
    ),
    *(
        "report",
        "clean_work",
        "models",
        "rehearsals",
        "logs",
        "work",
        "trackers",
        "data",
        "captions",
        "results",
    ),
    *SCRIPTS,
)


def is_taken(name: str) -> bool:
    """Whether a study of this name would hide something that every config has."""
    return name in Config.model_fields or hasattr(Config, name) or name in RESERVED


def of(packages: Mapping[str, str]) -> type[Config]:
    """The config of a run that builds these studies (name → package).

    The section of a study of ours that is not built may hold anything, so that what is wrong there
    does not stop a run that never reads it. A section of another's study is known only while `studies`
    names it.
    """
    return _of(tuple(packages.items()))


@cache
def _of(packages: tuple[tuple[str, str], ...]) -> type[Config]:
    built = dict(packages)
    fields: dict[str, Any] = {}
    for name in dict.fromkeys((*registry.BUILT_IN, *built)):
        if name in built:
            section = registry.section(built[name])
            question = (getdoc(section) or name).splitlines()[0]
            fields[name] = (section, Field(default_factory=section, description=question))
        else:
            fields[name] = (dict[str, Any], Field(default_factory=dict))
    return create_model("Config", __base__=Config, **fields)
