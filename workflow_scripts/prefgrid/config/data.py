"""The section `data`: the preference dataset."""

from typing import Annotated, Any

from pydantic import Field, field_validator

from prefgrid.config import datasets
from prefgrid.config.fields import Section, Share


class Data(Section):
    """Which dataset it is, how it is split and how much of it may be unusable."""

    dataset: str = Field(
        "ultrafeedback",
        description="name of a dataset's module in prefgrid/data, or a dotted name of another's",
    )
    eval_share: Annotated[float, Field(ge=1e-6, le=1 - 1e-6)] = Field(
        0.15, description="share of all prompts, chosen by their hash, that may only evaluate"
    )
    bad_row_share: Share = Field(
        0.01,
        description="share of dataset rows that may be skipped as unusable; more is an error",
    )

    @field_validator("dataset")
    @classmethod
    def _known(cls, name: str) -> str:
        datasets.constants(name)
        return name

    @property
    def module(self) -> str:
        """Dotted name of the dataset's module."""
        return datasets.module_name(self.dataset)

    @property
    def path(self) -> str:
        """Where the run keeps the dataset."""
        return f"results/data/{datasets.folder(self.dataset)}/train.jsonl"

    @property
    def fields(self) -> tuple[str, ...]:
        """Columns that the dataset must have."""
        return datasets.constants(self.dataset).fields

    @property
    def reading(self) -> dict[str, Any]:
        """What enters the spec of whoever reads the dataset and splits it."""
        return {
            "dataset": self.module,
            "bad_row_share": self.bad_row_share,
            "eval_share": self.eval_share,
        }
