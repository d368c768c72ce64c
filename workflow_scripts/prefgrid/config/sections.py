"""Sections of the config that every study may use."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from prefgrid.config import objectives
from prefgrid.config.fields import (
    Count,
    Decay,
    NonNegative,
    Positive,
    Precision,
    Section,
    Seed,
    Share,
)


class Lora(Section):
    rank: Count
    alpha: Positive
    dropout: Annotated[float, Field(ge=0, lt=1)]
    targets: Literal["all-linear"] | Annotated[list[str], Field(min_length=1)]


class Training(Section):
    """How one policy (or the SFT reference) is optimised; a step is an optimizer step."""

    epochs: Positive | None
    max_steps: Count | None
    batch_size: Count
    micro_batch_size: Count
    learning_rate: Positive
    final_learning_rate_share: Share
    warmup_steps: Annotated[int, Field(ge=0)]
    schedule_steps: Count | None
    weight_decay: NonNegative
    # A strict tuple takes no list, and YAML knows only lists.
    adam_betas: Annotated[tuple[Decay, Decay], Field(strict=False)]
    max_grad_norm: Positive | None
    precision: Precision
    lora: Lora | None

    @model_validator(mode="after")
    def _one_length(self) -> "Training":
        if (self.epochs is None) == (self.max_steps is None):
            raise ValueError(
                f"epochs is {self.epochs} and max_steps is {self.max_steps}; "
                "set exactly one of them, the other to null"
            )
        return self

    @model_validator(mode="after")
    def _horizon_is_after_warmup(self) -> "Training":
        if self.schedule_steps is not None and self.schedule_steps <= self.warmup_steps:
            raise ValueError(
                f"schedule_steps is {self.schedule_steps} and warmup_steps is {self.warmup_steps}; "
                "the cosine must end after the warm-up: allowed: a larger schedule_steps, or null"
            )
        return self


class Method(Section):
    """A grid label: an objective, its options, and overrides of the `training` defaults."""

    objective: str
    options: dict[str, Any]
    training: dict[str, Any]

    @field_validator("objective")
    @classmethod
    def _known(cls, name: str) -> str:
        objectives.source(name)
        return name

    @model_validator(mode="after")
    def _options_fit(self) -> "Method":
        objectives.check_options(self.objective, self.options)
        return self


class Sft(Section):
    """Supervised fine-tuning of the base model into the reference."""

    completions: Literal["best", "all"]
    prompts: Count | None
    seed: Seed
    training: dict[str, Any]


class Reference(Section):
    sft: Sft | None


class Data(Section):
    eval_share: Annotated[float, Field(gt=0, lt=1)]
    bad_row_share: Share


class Reward(Section):
    max_tokens: Count
    batch_size: Count
    precision: Precision


class Execution(Section):
    """Where and how fast; nothing here may change a result beyond rounding, nothing is tracked."""

    torch_threads: Count
    torch_threads_of: dict[str, Count]
    gpus_per_job: Annotated[int, Field(ge=0)]
    jobs_per_gpu: Count
    checkpoint_seconds: Annotated[float, Field(ge=0)]
    preload: bool
    mem_mb: Count
    runtime_minutes: Count
