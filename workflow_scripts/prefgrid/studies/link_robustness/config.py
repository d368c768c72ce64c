"""The section `link_robustness`: the study on language models."""

from typing import Annotated, Literal

from pydantic import Field

from prefgrid.config.backends import Backend
from prefgrid.config.fields import (
    Count,
    Distinct,
    Kappa,
    Label,
    NonNegative,
    Positive,
    Rows,
    Section,
    Seed,
    Temperature,
    Tokens,
)

# Of one prompt.
Samples = Annotated[int, Field(ge=1, le=10**5)]


class Prompts(Section):
    """The pools' sizes."""

    train: Count = Field(1000, description="size of the training pool")
    eval: Count = Field(200, description="size of the evaluation pool")


class Generation(Section):
    """How the reference answers training prompts."""

    backend: Backend = Field(
        "transformers",
        description="name of prefgrid/sampling/<name>_backend.py, or a dotted name of another module",
    )
    max_new_tokens: Tokens = Field(
        64, description='a response that reaches it ends with finish reason "length"'
    )
    temperature: Temperature = Field(1.0, description="1 samples the model as it is")
    top_p: Annotated[float, Field(ge=1e-6, le=1)] = Field(
        1.0, description="nucleus; 1 keeps every token"
    )
    batch_rows: Rows = Field(
        512, description="responses decoded at once (fixes rounding, so it is tracked)"
    )
    shards: Annotated[int, Field(ge=1, le=10**4)] = Field(
        1, description="jobs that share a seed's sampling; one per device works well"
    )


class Evaluation(Section):
    """How policies and the reference are measured on held-out prompts."""

    prompts: Count = Field(200, description="held-out prompts, the same for every cell")
    samples: Samples = Field(1, description="responses per prompt and beta")
    max_new_tokens: Tokens = Field(64, description="limit of the scan's responses")
    temperature: Temperature = Field(
        1.0, description="1 keeps reward and KL about the same, unscaled policy"
    )
    beta_grid: Annotated[list[Positive], Field(min_length=1), Distinct] = Field(
        [0.25, 0.35, 0.5, 0.7, 1.0, 1.5, 2.5, 4.5],
        description="the scan; 1 is the trained policy",
    )
    kappa: Kappa = Field(
        1.0,
        description="KL, in nats, at which methods are compared; of several, findings are at the first",
    )
    batch_rows: Rows = Field(
        800, description="responses decoded at once, all betas of a prompt together"
    )
    reference_samples: Annotated[int, Field(ge=64, le=10**5)] = Field(
        64, description="scored samples of the reference per prompt, for the oracle estimate"
    )
    backend: Backend = Field(
        "transformers", description="samples the reference, under the noise of the scan"
    )
    index_pairs_per_prompt: Samples = Field(
        2, description="held-out pairs per prompt for the index calibration"
    )
    seed: Seed = Field(0, description="sampling noise, common to all methods, shifts and betas")

    @property
    def kappas(self) -> list[float]:
        """All of `kappa`, the one of the findings first."""
        return self.kappa if isinstance(self.kappa, list) else [self.kappa]


class Config(Section):
    """Which learner keeps its reward when the preference link is not logistic?"""

    seeds: Annotated[list[Seed], Field(min_length=1), Distinct] = Field(
        [0, 1],
        description="each redraws prompt order, responses, preferences' noise, adapter, data order",
    )
    shifts: Annotated[list[NonNegative], Field(min_length=1), Distinct] = Field(
        [0.0, 4.0], description="link shift s; 0 is the logistic link that DPO assumes"
    )
    n: Annotated[list[Count], Field(min_length=1), Distinct] = Field(
        [400, 1000], description="training pairs; smaller sets are prefixes of larger ones"
    )
    methods: Annotated[list[Label], Field(min_length=1), Distinct] = Field(
        ["dpo", "pspo", "ospo", "rspo"], description="of `methods`"
    )
    baseline: Label = Field("dpo", description="the method that the others are compared with")
    judge: Label = Field("reward", description="of `judges`: its score is the reward")
    link_temperature: Positive = Field(
        0.25, description="T of ½σ(u/T−s)+½σ(u/T+s); u has standard deviation 1"
    )
    identical_responses: Literal["keep", "drop"] = Field(
        "keep",
        description="of a prompt, whose label is a coin toss: keep, or drop from the n pairs",
    )
    prompts: Prompts = Field(default_factory=Prompts, description="the pools")
    generation: Generation = Field(
        default_factory=Generation, description="the two responses of each training prompt"
    )
    evaluation: Evaluation = Field(default_factory=Evaluation, description="the β scan")
