"""The section `training`: how a policy is optimised, unless its method overrides it."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from prefgrid.config.fields import (
    Count,
    Decay,
    Dropout,
    LearningRate,
    NonNegative,
    Positive,
    Precision,
    Rows,
    Section,
    Seed,
    Share,
    Width,
)
from prefgrid.limits import bounds


def _all_or_layers(value: Any) -> Any:
    named = isinstance(value, list) and all(isinstance(name, str) and name for name in value)
    if named and value and len(set(value)) == len(value) and "all-linear" not in value:
        return value
    if value == "all-linear":
        return value
    raise ValueError(
        f"{value!r}; allowed: all-linear as it is, without a list, or a list of different names of "
        "layers, such as [q_proj, v_proj]"
    )


# Before the types, so that one message says what is wrong and not one for each of them.
Targets = Annotated[
    Literal["all-linear"] | Annotated[list[str], Field(min_length=1)],
    BeforeValidator(_all_or_layers),
]


class Lora(Section):
    """The adapter that a policy is."""

    rank: Width = Field(8, description="of the adapter matrices")
    alpha: Positive = Field(16.0, description="the adapter's output is scaled by alpha / rank")
    dropout: Dropout = Field(
        0.0, description="on the adapter's input; 0 keeps runs exactly repeatable"
    )
    targets: Targets = Field(
        "all-linear",
        description="every linear layer but the output one, or a list of layer names",
    )


class Training(Section):
    """How one policy (or the SFT reference) is optimised; a step is an optimizer step."""

    epochs: Positive | None = Field(
        3.0, description="passes over the pairs; set exactly one of epochs and max_steps"
    )
    max_steps: Count | None = Field(None, description="optimizer steps")
    batch_size: Rows = Field(32, description="pairs per optimizer step, over all devices")
    micro_batch_size: Rows = Field(
        32, description="pairs per forward and backward; smaller accumulates, same loss"
    )
    learning_rate: LearningRate = Field(
        4.5e-3, description="peak, after warm-up (1.0e-4 suits real models)"
    )
    learning_rate_schedule: Literal["cosine", "linear", "constant"] = Field(
        "cosine", description="cosine, linear, or constant, after the warm-up"
    )
    final_learning_rate_share: Share = Field(
        0.05, description="cosine and linear end at this share of the peak"
    )
    warmup_steps: Annotated[int, Field(ge=0, le=10**9)] = Field(
        10, description="optimizer steps of linear warm-up"
    )
    warmup_share: Annotated[float, Field(ge=1e-6, lt=1)] | None = Field(
        None, description="warm-up as a share of the schedule, with warmup_steps 0; null: by steps"
    )
    schedule_steps: Count | None = Field(
        None, description="horizon of the schedule; null: the run's own number of steps"
    )
    schedule_epochs: Positive | None = Field(
        None, description="the same in epochs, such as more than are trained; null: by steps"
    )
    optimizer: Literal["adamw", "adafactor", "sgd", "rmsprop"] = Field(
        "adamw",
        description="adamw; adafactor: less memory; sgd, rmsprop: without momentum",
    )
    weight_decay: NonNegative = Field(0.0, description="decoupled; spares norms and biases")
    # A strict tuple takes no list, and YAML knows only lists.
    adam_betas: Annotated[tuple[Decay, Decay], Field(strict=False)] = Field(
        (0.9, 0.999), description="of adamw"
    )
    max_grad_norm: Positive | None = Field(
        1.0, description="clip the global gradient norm; null: no clipping"
    )
    precision: Precision = Field("none", description="none (float32), bf16, fp16")
    gradient_checkpointing: bool = Field(
        False, description="compute activations again in the backward: less memory, more time"
    )
    seed: Seed = Field(
        0,
        description="another draw of first weights, data order and dropout, on the same data; 0: the replicate's own",
    )
    lora: Lora | None = Field(
        default_factory=Lora, description="the adapter; null: all weights are trained"
    )

    @property
    def options(self) -> dict[str, Any]:
        """All but the seed, which a job takes apart from how it optimises."""
        return self.model_dump(exclude={"seed"})

    @model_validator(mode="after")
    def _one_length(self) -> "Training":
        if (self.epochs is None) == (self.max_steps is None):
            raise ValueError(
                f"epochs is {self.epochs} and max_steps is {self.max_steps}; "
                "set exactly one of them, the other to null"
            )
        return self

    @model_validator(mode="after")
    def _one_pace(self) -> "Training":
        if problem := bounds.pace_problem(self):
            raise ValueError(problem)
        return self

    @model_validator(mode="after")
    def _horizon_is_after_warmup(self) -> "Training":
        if self.schedule_steps is not None and self.schedule_steps <= self.warmup_steps:
            raise ValueError(
                f"schedule_steps is {self.schedule_steps} and warmup_steps is {self.warmup_steps}; "
                "the schedule must end after the warm-up: allowed: a larger schedule_steps, or null"
            )
        return self

    @model_validator(mode="after")
    def _decay_leaves_weights_their_sign(self) -> "Training":
        if self.learning_rate * self.weight_decay >= 1:
            raise ValueError(
                f"learning_rate is {self.learning_rate:g} and weight_decay is "
                f"{self.weight_decay:g}; every step multiplies weights by 1 − their product: "
                "allowed: a product below 1"
            )
        return self


class _AsInTraining:
    """Lets an editor complete overrides; they are checked on top of the defaults, by `plan.load`."""

    def __get_pydantic_json_schema__(self, _: Any, handler: Any) -> dict[str, Any]:
        return handler(Training.__pydantic_core_schema__)


Overrides = Annotated[dict[str, Any], _AsInTraining()]
