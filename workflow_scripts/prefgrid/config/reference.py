"""The section `reference`: the model that every policy starts from."""

from typing import Any, Literal

from pydantic import Field, model_validator

from prefgrid.config.fields import Count, Section
from prefgrid.config.training import Overrides


def _short_full_tune() -> dict[str, Any]:
    return {
        "epochs": 1,
        "batch_size": 32,
        "micro_batch_size": 32,
        "learning_rate": 5.0e-4,
        "lora": None,
        "seed": 0,
    }


class Sft(Section):
    """Supervised fine-tuning of the base model into the reference."""

    completions: Literal["best", "all"] = Field(
        "all", description="which completions of a prompt teach: best (highest score) or all"
    )
    prompts: Count | None = Field(1000, description="how many training prompts (null: all)")
    training: Overrides = Field(
        default_factory=_short_full_tune, description="overrides of `training` below"
    )

    @model_validator(mode="before")
    @classmethod
    def _seed_is_of_the_training(cls, value: Any) -> Any:
        if isinstance(value, dict) and "seed" in value:
            raise ValueError("seed: unknown key; the seed of its training is training.seed")
        return value


class Reference(Section):
    """How the reference comes from the base model."""

    sft: Sft | None = Field(
        default_factory=Sft,
        description="supervised fine-tuning of the base model; null: the base is the reference",
    )
