"""The section `hub`: where the hub world's models and data are."""

from typing import Annotated, Literal

from pydantic import Field

from prefgrid.config.fields import Distinct, Label, Section

# Of one's own: owner/name.
Repo = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}$")]


class HubSource(Section):
    """A hub id at a named revision, or a local path."""

    source: str = Field(min_length=1, description="hub id, or a local path")
    revision: str | None = Field(min_length=1, description="best a commit; null: of a local path")


class HubModels(Section):
    """The models that the tiny world makes."""

    base: HubSource = Field(description="the base language model")
    reward: HubSource | None = Field(
        None, description="the reward model; null: no study of the run asks one"
    )
    judges: dict[Label, HubSource] = Field(
        default_factory=dict,
        description="further models that judges ask, such as PairRM, by a name for `judges.<label>.model`",
    )


class HubDataset(HubSource):
    """A dataset has splits."""

    split: str = Field(min_length=1, description="of the dataset's own splits, the one to read")


class Publish(Section):
    """Where results go when they are asked to."""

    repo: Repo = Field(description="owner/name on the hub; made private where there is none")
    what: Annotated[
        list[Literal["policies", "averages", "published"]], Field(min_length=1), Distinct
    ] = Field(["policies"], description="policies, averages: a model; published: a data set")


class Hub(Section):
    """No key has a default but null, for what the run's studies do not use: what a run on real models used
    must be written down."""

    models: HubModels = Field(description="models of the hub world")
    dataset: HubDataset | None = Field(
        None,
        description="the preference dataset that `data.dataset` reads; null: no study of the run does",
    )
