"""The section `pairwise_judges`: preference models and other judges, measured by the comparisons they get right."""

from typing import Annotated, Literal

from pydantic import Field

from prefgrid.config.backends import Backend
from prefgrid.config.fields import (
    Count,
    Distinct,
    Label,
    Rows,
    Section,
    Seed,
    Temperature,
    Tokens,
)

# The smallest number that can run in a circle.
LEAST_RESPONSES = 3


class Samples(Section):
    """Responses of the reference that every judge compares, for the share of circles among them."""

    prompts: Count = Field(40, description="held-out prompts, the first of their pool")
    responses: Annotated[int, Field(ge=LEAST_RESPONSES, le=1000)] = Field(
        5, description="K, of each prompt"
    )
    backend: Backend = Field("transformers", description="as of link_robustness.generation")
    max_new_tokens: Tokens = Field(
        64, description='a response that reaches it ends with finish reason "length"'
    )
    temperature: Temperature = Field(1.0, description="1 samples the model as it is")
    batch_rows: Rows = Field(
        512, description="responses decoded at once (fixes rounding, so it is tracked)"
    )
    seed: Seed = Field(0, description="sampling noise")


class Ring(Section):
    """Whose embeddings of which responses the figure of the ring shows."""

    model: Label = Field("gpm", description="of `preference_models`, with dimension 2 or more")
    comparisons: Label = Field("closings", description="of `comparisons`")


class Config(Section):
    """Who judges K responses, and what can a scalar not say?"""

    seeds: Annotated[list[Seed], Field(min_length=1), Distinct] = Field(
        [0], description="each trains every preference model anew"
    )
    preference_models: Annotated[list[Label], Distinct] = Field(
        ["bt", "gpm"],
        description="of the section of that name: trained and measured on each of `comparisons`",
    )
    baseline: Label | None = Field(
        "bt",
        description="one of these or of `judges` below, which all others are compared with; null: none",
    )
    judges: Annotated[list[Label], Distinct] = Field(
        ["rule", "circle"],
        description="of the section of that name: measured on each of `comparisons`",
    )
    comparisons: Annotated[list[Label], Field(min_length=1), Distinct] = Field(
        ["scores", "closings"], description="of the section of that name"
    )
    truth: dict[Label, Label | None] | None = Field(
        default_factory=lambda: {"closings": "circle"},
        description="set → the one of `judges` whose probabilities are its true ones, where its labels are drawn; null: none",
    )
    measure_on: Literal["test", "train"] = Field(
        "test",
        description="train: what the models were trained on, as the published circles are measured",
    )
    prompts_at_once: Rows | None = Field(
        None, description="prompts compared together and kept for a rerun; null: all of a file"
    )
    samples: Samples | None = Field(
        default_factory=Samples, description="K responses of the reference; null: none"
    )
    ring: Ring | None = Field(
        default_factory=Ring, description="the figure of embeddings; null: none"
    )
