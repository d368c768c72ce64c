"""Config sections of the two worlds: how the tiny one is made, and where the hub's things are."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from prefgrid.config.fields import Count, Positive, Section, Seed, Share
from prefgrid.limits import tiny_world


class TinyData(Section):
    prompts: Annotated[int, Field(ge=1, le=tiny_world.PROMPTS)]
    seed: Seed


class TinyTokenizer(Section):
    vocabulary: Annotated[int, Field(ge=300)]


class TinyArchitecture(Section):
    """Sizes of the Qwen3 model; other components' CPU kernels need these head dimensions."""

    hidden_size: Count
    num_hidden_layers: Count
    num_attention_heads: Count
    num_key_value_heads: Count
    head_dim: Literal[32, 64]
    intermediate_size: Count
    initializer_range: Positive
    rope_theta: Positive

    @model_validator(mode="after")
    def _heads_share_evenly(self) -> "TinyArchitecture":
        if self.num_attention_heads % self.num_key_value_heads:
            raise ValueError(
                f"num_attention_heads is {self.num_attention_heads} and num_key_value_heads is "
                f"{self.num_key_value_heads}; allowed: a multiple of it"
            )
        return self


class TinySchedule(Section):
    steps: Count
    batch_size: Count
    learning_rate: Positive
    decay_share: Annotated[float, Field(gt=0, le=1)]


class TinyBase(Section):
    seed: Seed
    whole_text_share: Share
    architecture: TinyArchitecture
    schedule: TinySchedule


class TinyReward(Section):
    seed: Seed
    schedule: TinySchedule


class TinyWorld(Section):
    data: TinyData
    tokenizer: TinyTokenizer
    base: TinyBase
    reward: TinyReward


class HubSource(Section):
    """A hub id at a named revision, or a local path (whose revision is null)."""

    source: str = Field(min_length=1)
    revision: str | None


class HubModels(Section):
    base: HubSource
    reward: HubSource


class HubDataset(HubSource):
    split: str


class Hub(Section):
    models: HubModels
    ultrafeedback: HubDataset
