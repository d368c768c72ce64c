"""The section `single_index`: the exact synthetic study."""

from typing import Annotated, Any

from pydantic import Field

from prefgrid.config.fields import Count, Distinct, Label, NonNegative, Positive, Section


class World(Section):
    dimension: Count
    actions: Annotated[int, Field(ge=2)]
    hidden: Count
    reward_scale: Positive
    contexts: Count


class Training(Section):
    epochs: Count
    batch_size: Count
    learning_rate: Positive


class Override(Section):
    """What a label of `methods` is in this study, where it is not what it is elsewhere."""

    options: dict[str, Any] | None = None
    epochs: Count | None = None
    batch_size: Count | None = None
    learning_rate: Positive | None = None


class Evaluation(Section):
    beta_grid: Annotated[list[Positive], Field(min_length=2), Distinct]
    kappa: Positive
    pareto_shifts: Annotated[list[NonNegative], Field(min_length=1), Distinct]


class SingleIndex(Section):
    seeds: Count
    seeds_per_job: Count
    shifts: Annotated[list[NonNegative], Field(min_length=1), Distinct]
    tau: Annotated[list[Positive], Field(min_length=1), Distinct]
    n: Annotated[list[Count], Field(min_length=1), Distinct]
    methods: Annotated[list[Label], Field(min_length=1), Distinct]
    baseline: Label
    world: World
    training: Training
    overrides: dict[Label, Override]
    evaluation: Evaluation

    def training_of(self, label: str) -> Training:
        """The study's training with the label's overrides on top."""
        override = self.overrides.get(label, Override())
        changes = override.model_dump(exclude={"options"}, exclude_none=True)
        return Training.model_validate(self.training.model_dump() | changes)

    def options_of(self, label: str, options: dict[str, Any]) -> dict[str, Any]:
        """The label's own `options`, or those that this study puts in their place."""
        replaced = self.overrides.get(label, Override()).options
        return options if replaced is None else replaced
