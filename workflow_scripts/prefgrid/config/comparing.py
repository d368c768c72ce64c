"""The section `comparisons`: what preference models learn from and judges are measured on."""

from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from prefgrid.config import comparisons
from prefgrid.config.fields import Label, Section
from prefgrid.config.hub import HubDataset
from prefgrid.limits import bounds

PositiveShare = Annotated[float, Field(ge=1e-6, le=1)]


class Comparisons(Section):
    """A module that makes comparisons, what it reads, and its options."""

    comparisons: str = Field(
        description="name of a module in prefgrid/comparisons, or a dotted name of another's"
    )
    source: HubDataset | None = Field(
        None, description="hub id or local path, of a module that reads files of its own; else null"
    )
    shares: dict[Label, PositiveShare] | None = Field(
        None, description="of a mixture: label of other comparisons → share of its rows; else null"
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="those not set have the module's own defaults"
    )

    @field_validator("comparisons")
    @classmethod
    def _known(cls, name: str) -> str:
        comparisons.constants(name)
        return name

    @model_validator(mode="after")
    def _has_what_it_reads(self) -> "Comparisons":
        for key, reads, value in (
            ("source", "source", self.source),
            ("shares", "comparisons", self.shares),
        ):
            needed = self.reads == reads
            if needed and value is None:
                raise ValueError(f"{key} is null, but {self.comparisons!r} reads {_WORDS[reads]}")
            if not needed and value is not None:
                raise ValueError(
                    f"{key} is set, but {self.comparisons!r} reads {_WORDS[self.reads]}; allowed: null"
                )
        return self

    @model_validator(mode="after")
    def _shares_are_whole(self) -> "Comparisons":
        if self.shares is not None and not (self.shares and bounds.are_whole(self.shares.values())):
            total = sum(self.shares.values())
            raise ValueError(f"shares sum to {total:g}; allowed: at least one, with the sum 1")
        return self

    @model_validator(mode="after")
    def _options_fit(self) -> "Comparisons":
        comparisons.check_options(self.comparisons, self.options)
        return self

    @property
    def reads(self) -> str:
        """What it is made from, by its module's literal."""
        return comparisons.constants(self.comparisons).reads

    @property
    def certain(self) -> bool:
        """Whether its module says of its labels that none is drawn; a mixture's parts say it."""
        return comparisons.constants(self.comparisons).certain

    @property
    def trains(self) -> bool:
        """Whether it has rows to train on; a benchmark has none."""
        return comparisons.constants(self.comparisons).trains

    @property
    def module(self) -> str:
        """Dotted name of its module."""
        return comparisons.module_name(self.comparisons)

    @property
    def all_options(self) -> dict[str, Any]:
        """The options, those not set included, and a mixture's shares."""
        shares = {} if self.shares is None else {"shares": self.shares}
        return comparisons.constants(self.comparisons).defaults | self.options | shares


_WORDS = {
    "dataset": "the dataset of `data`",
    "source": "a file of its own",
    "comparisons": "other comparisons",
    "nothing": "no file",
}


def ours() -> dict[str, Comparisons]:
    """The default comparisons; config.yaml says what each is."""
    circles = {
        f"circles_without_{aspect}": Comparisons(
            comparisons="aspects", options={"aspect": aspect, "circles": True}
        )
        for aspect in ("instruction_following", "honesty", "truthfulness", "helpfulness")
    }
    return {
        "scores": Comparisons(comparisons="scores"),
        **circles,
        "closings": Comparisons(comparisons="prefgrid.tinyworld.closings"),
    }
