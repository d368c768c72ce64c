"""The section `judges`: what may score responses."""

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from prefgrid.config import judges
from prefgrid.config.fields import Section


class Judge(Section):
    """A module that scores, the model it asks, and its options."""

    judge: str = Field(
        description="name of a module in prefgrid/judges, or a dotted name of another's"
    )
    model: Literal["base", "reward"] | None = Field(
        "reward", description="the world's model it asks; null: none"
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="those not set have the judge's own defaults"
    )

    @field_validator("judge")
    @classmethod
    def _known(cls, name: str) -> str:
        judges.constants(name)
        return name

    @model_validator(mode="after")
    def _has_a_model_to_ask(self) -> "Judge":
        if self.model is None and judges.asks_a_model(self.judge):
            raise ValueError(
                f"model is null, but judge {self.judge!r} asks one; allowed: base, reward"
            )
        return self

    @model_validator(mode="after")
    def _options_fit(self) -> "Judge":
        judges.check_options(self.judge, self.options)
        return self

    @property
    def module(self) -> str:
        """Dotted name of the judge's module."""
        return judges.module_name(self.judge)

    @property
    def all_options(self) -> dict[str, Any]:
        """The options, those not set included."""
        return judges.constants(self.judge)[0] | self.options


# The world's reward model, read as it is.
DEFAULT = Judge(judge="scalar")


def ours() -> dict[str, Judge]:
    """The default judges; config.yaml says what each is."""
    return {"reward": DEFAULT}
