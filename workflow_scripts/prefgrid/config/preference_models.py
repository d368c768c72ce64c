"""The section `preference_models`: what may learn from comparisons who beats whom."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from prefgrid.config.fields import Label, Positive, Rows, Section, Temperature, Tokens
from prefgrid.config.training import Overrides
from prefgrid.limits.preference_models import room_problem, shape_problem

# What is no more than a slip of the hand away from the published 2 to 8.
Dimension = Annotated[int, Field(ge=1, le=10**4)]


class Ptx(Section):
    """A language-model term on the preferred responses."""

    share: Annotated[float, Field(ge=1e-6, lt=1)] = Field(
        0.1, description="of the loss; the preference loss has the rest"
    )
    loss: Literal["token_nll", "token_mean", "sequence", "dpo"] = Field(
        "sequence", description="of their log-probabilities; the published code uses sequence"
    )
    scale: Positive = Field(2.0, description="b, on log-probabilities within a sigmoid")


class Anneal(Section):
    """A temperature that falls while the model learns."""

    start: Temperature = Field(2.0, description="temperature before the first step")
    share: Annotated[float, Field(ge=1e-6, le=1)] = Field(
        0.7, description="first share of the steps, in which it falls to `temperature`"
    )


class PreferenceModel(Section):
    """A general preference model, or with dimension 1 a Bradley-Terry model, and how it is trained."""

    dimension: Dimension = Field(4, description="of the embeddings, even; 1: Bradley-Terry")
    gate: Literal["none", "softmax", "scaled_softmax", "softplus"] = Field(
        "none", description="scales of the coordinate pairs, by the prompt"
    )
    normalize: bool = Field(True, description="embeddings have length 1; false with dimension 1")
    temperature: Temperature = Field(0.25, description="divides skew products into logits")
    learn_temperature: bool = Field(False, description="start from `temperature` and learn it")
    anneal: Anneal | None = Field(
        None, description="a temperature that falls, out of the saddle of circles; null: none"
    )
    loss: Literal["ce", "soft_ce", "mse"] = Field(
        "ce", description="of labels, of probabilities, or against wanted logits"
    )
    margin: bool = Field(False, description="use the margins of comparisons (ce, mse)")
    ptx: Ptx | None = Field(
        None, description="language-model term on the preferred responses; null: none"
    )
    group_size: Rows = Field(1, description="consecutive rows that stay in one batch")
    max_tokens: Tokens = Field(
        1024,
        description="limit of a dialogue, prompt and response; rows with longer ones are left out",
    )
    max_prompt_tokens: Tokens = Field(
        512, description="of its prompt, which loses its start; less than max_tokens"
    )
    batch_size: Rows = Field(
        64, description="dialogues read at once by the judge that it is in the study that trains it"
    )
    start: Literal["base", "reference"] = Field("base", description="the model that it starts from")
    # Not `on`, which is a truth value in YAML.
    comparisons: Label = Field(
        "closings", description="label of those on which the model is trained that judges ask"
    )
    training: Overrides = Field(default_factory=dict, description="overrides of `training`")

    @model_validator(mode="after")
    def _is_a_model(self) -> "PreferenceModel":
        problem = shape_problem(
            self.dimension, self.gate, self.normalize, self.temperature, self.learn_temperature
        )
        if problem is not None:
            raise ValueError(problem)
        return self

    @model_validator(mode="after")
    def _margins_are_read(self) -> "PreferenceModel":
        if self.margin and self.loss == "soft_ce":
            raise ValueError(
                "margin is true, but the loss soft_ce learns probabilities; allowed: ce, mse"
            )
        return self

    @model_validator(mode="after")
    def _scale_is_read(self) -> "PreferenceModel":
        ptx = self.ptx
        if ptx is not None and ptx.loss == "token_nll" and "scale" in ptx.model_fields_set:
            raise ValueError(
                "ptx.scale is set, but ptx.loss token_nll has no sigmoid to scale; allowed: without it"
            )
        return self

    @model_validator(mode="after")
    def _temperature_falls(self) -> "PreferenceModel":
        if self.anneal is None:
            return self
        if self.anneal.start <= self.temperature:
            raise ValueError(
                f"anneal.start is {self.anneal.start} and temperature is {self.temperature}; it should "
                "fall: allowed: a larger start"
            )
        return self

    @model_validator(mode="after")
    def _prompts_leave_room(self) -> "PreferenceModel":
        problem = room_problem(self.max_prompt_tokens, self.max_tokens)
        if problem is not None:
            raise ValueError(problem)
        return self

    @property
    def shape(self) -> dict[str, Any]:
        """What the model is beside its weights."""
        names = ("dimension", "gate", "normalize", "temperature", "learn_temperature")
        return {name: getattr(self, name) for name in names}


# Of all weights, on groups of four responses.
SHORT_FULL_TUNE = {
    "epochs": None,
    "max_steps": 300,
    "batch_size": 8,
    "micro_batch_size": 8,
    "learning_rate": 2.5e-3,
    "lora": None,
}


def ours() -> dict[str, PreferenceModel]:
    """The default preference models."""
    return {
        "bt": PreferenceModel(
            dimension=1, normalize=False, temperature=1.0, training=SHORT_FULL_TUNE
        ),
        # Of length 1, at temperature .25, without annealing, embeddings were caught in the saddle on each of
        # three seeds (docs/preference_models.md).
        "gpm": PreferenceModel(normalize=False, temperature=1.0, training=SHORT_FULL_TUNE),
    }
