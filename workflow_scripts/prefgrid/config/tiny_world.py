"""The section `tiny_world`: how the tiny world's data and models are made."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from prefgrid.config.fields import LearningRate, Rows, Section, Seed, Share, Width
from prefgrid.limits import tiny_world

# The warm-up ends within the training.
Steps = Annotated[int, Field(gt=tiny_world.WARMUP_STEPS, le=10**9)]
DecayShare = Annotated[float, Field(ge=1e-6, le=1)]
PARTS = "AdamW: linear warm-up, constant, linear decay"


class TinyData(Section):
    """The tiny language."""

    prompts: Annotated[int, Field(ge=1, le=tiny_world.PROMPTS)] = Field(
        tiny_world.PROMPTS,
        description="how many of the language's prompts exist, four completions each",
    )
    seed: Seed = Field(0, description="of the writers' choices")


class TinyTokenizer(Section):
    """What splits texts."""

    vocabulary: Annotated[int, Field(ge=300, le=10**6)] = Field(
        640, description="most tokens of the byte-level BPE tokenizer"
    )


class TinyArchitecture(Section):
    """Sizes of the Qwen3 model; other components' CPU kernels need these head dimensions."""

    hidden_size: Width = Field(96, description="width")
    num_hidden_layers: Annotated[int, Field(ge=1, le=1000)] = Field(3, description="depth")
    num_attention_heads: Annotated[int, Field(ge=1, le=1000)] = Field(4, description="query heads")
    num_key_value_heads: Annotated[int, Field(ge=1, le=1000)] = Field(
        2, description="shared by the query heads"
    )
    head_dim: Literal[32, 64] = Field(32, description="32 or 64")
    intermediate_size: Width = Field(192, description="of the MLP")
    initializer_range: Annotated[float, Field(ge=1e-4, le=10)] = Field(
        0.08, description="the usual 0.02 gives a fluent model that ignores its prompt"
    )
    rope_theta: Annotated[float, Field(ge=1, le=1e9)] = Field(
        1000.0, description="base of the rotary positions; texts are short"
    )

    @model_validator(mode="after")
    def _heads_share_evenly(self) -> "TinyArchitecture":
        if self.num_attention_heads % self.num_key_value_heads:
            raise ValueError(
                f"num_attention_heads is {self.num_attention_heads} and num_key_value_heads is "
                f"{self.num_key_value_heads}; allowed: a multiple of it"
            )
        return self


class BaseSchedule(Section):
    """Of the base model."""

    steps: Steps = Field(1400, description="optimizer steps")
    batch_size: Rows = Field(16, description="dialogues a step")
    learning_rate: LearningRate = Field(4.0e-3, description="peak")
    decay_share: DecayShare = Field(
        0.6, description="last share of the steps; a long decay makes it fluent"
    )


class RewardSchedule(BaseSchedule):
    """Of the reward model."""

    steps: Steps = Field(560, description="optimizer steps")
    batch_size: Rows = Field(8, description="groups of four responses a step")
    learning_rate: LearningRate = Field(2.5e-3, description="peak")
    decay_share: DecayShare = Field(
        0.2, description="short: when it learns to look at the prompt varies with the seed"
    )


class TinyBase(Section):
    """The base model, trained from nothing."""

    seed: Seed = Field(0, description="initial weights and data order")
    whole_text_share: Share = Field(
        0.25,
        description="first share of the steps that learns prompts too, not responses only",
    )
    architecture: TinyArchitecture = Field(
        default_factory=TinyArchitecture, description="of the Qwen3 model"
    )
    schedule: BaseSchedule = Field(default_factory=BaseSchedule, description=PARTS)


class TinyReward(Section):
    """The reward model, trained from the base model."""

    seed: Seed = Field(0, description="responses and data order")
    schedule: RewardSchedule = Field(default_factory=RewardSchedule, description=PARTS)


class TinyWorld(Section):
    """All that the hub world would download."""

    data: TinyData = Field(
        default_factory=TinyData, description="the prompts and their completions"
    )
    tokenizer: TinyTokenizer = Field(
        default_factory=TinyTokenizer, description="learned on the prompts and completions"
    )
    base: TinyBase = Field(default_factory=TinyBase, description="the base language model")
    reward: TinyReward = Field(
        default_factory=TinyReward, description="the reward model, from the base model"
    )
