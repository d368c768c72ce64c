"""Config sections of the two worlds: how the tiny one is made, and where the hub's things are."""

from typing import Annotated, Literal

from pydantic import Field

from prefgrid.config.fields import Count, Positive, Section, Seed, Share


class TinyData(Section):
    prompts: Count
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


class TinySchedule(Section):
    steps: Count
    batch_size: Count
    learning_rate: Positive


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
    """A hub id or a local path, at a pinned revision (null for a local path)."""

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
