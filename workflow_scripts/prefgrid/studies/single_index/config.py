"""The section `single_index`: the exact synthetic study."""

from typing import Annotated, Any

from pydantic import Field

from prefgrid.config.fields import (
    Count,
    Distinct,
    Kappa,
    Label,
    LearningRate,
    NonNegative,
    Positive,
    Rows,
    Section,
    Width,
)

Epochs = Annotated[int, Field(ge=1, le=10**6)]
# A seed of every method, shift, tau and n is a row of each table.
Seeds = Annotated[int, Field(ge=1, le=10**5)]
Orders = Annotated[int, Field(ge=0, le=1000)]


class World(Section):
    """Where rewards and KL are exact."""

    dimension: Width = Field(20, description="of the contexts")
    actions: Annotated[int, Field(ge=2, le=10**5)] = Field(
        10, description="responses to a context; the reference is uniform over them"
    )
    hidden: Width = Field(32, description="width of both hidden layers, of teacher and student")
    reward_scale: Positive = Field(10.0, description="ν in r* = ν·(log π_teacher + log K)")
    contexts: Rows = Field(
        2000, description="held-out contexts that rewards and KL are averaged over"
    )


class Training(Section):
    """How a student is trained, whatever its method."""

    epochs: Epochs = Field(100, description="passes over the pairs")
    batch_size: Rows = Field(
        128, description="pairs a step; the last step of an epoch may have fewer"
    )
    learning_rate: LearningRate = Field(2.0e-3, description="of Adam")
    discarded_orders: Orders = Field(
        0, description="orders of the pairs that are drawn and not used, before the first epoch's"
    )


class Override(Section):
    """What a method is in this study, where it is not what it is elsewhere."""

    options: dict[str, Any] | None = Field(
        None, description="in the place of the method's own; null: its own"
    )
    epochs: Epochs | None = Field(None, description="null: as in training")
    batch_size: Rows | None = Field(None, description="null: as in training")
    learning_rate: LearningRate | None = Field(None, description="null: as in training")
    discarded_orders: Orders | None = Field(None, description="null: as in training")


class Evaluation(Section):
    """How students are measured."""

    beta_grid: Annotated[list[Positive], Field(min_length=2), Distinct] = Field(
        # fmt: off
        [
            0.2,
            0.3,
            0.5,
            0.8,
            1.0,
            1.5,
            2.0,
            3.0,
            5.0,
            8.0,
            10.0,
            15.0,
            20.0,
            30.0,
            50.0,
            80.0,
            100.0,
            150.0,
            200.0,
            300.0,
            500.0,
            800.0,
            1000.0,
        ],
        # fmt: on
        description="the scan of the curves",
    )
    kappa: Kappa = Field(
        0.2,
        description="KL, in nats, at which methods are compared; of several, findings are at the first",
    )
    pareto_shifts: Annotated[list[NonNegative], Field(min_length=1), Distinct] = Field(
        [0.0, 1.5], description="shifts whose reward–KL curves are drawn"
    )

    @property
    def kappas(self) -> list[float]:
        """All of `kappa`, the one of the findings first."""
        return self.kappa if isinstance(self.kappa, list) else [self.kappa]


def _published() -> dict[str, Override]:
    """The published synthetic code."""
    return {
        "pspo_published": Override(
            epochs=11,
            options={
                "warm_start_epochs": 3,
                "refit_every_epochs": 2,
                "link_share": 0.0,
                "symmetrize": False,
                "pool_ties": "misplaced",
                "level_clip": 1.0e-4,
                "smoother": "knot_linear",
                "clip": 1.0e-4,
            },
        ),
        "ospo_published": Override(
            epochs=102,
            discarded_orders=1,
            options={
                "warm_start_epochs": 2,
                "refresh_visited": False,
                "symmetrize": False,
                "bandwidth": 1.0,
                "bandwidth_floor": 1.0e-6,
                "prior_mass": 1.0e-6,
                "prior": "zero",
                "clip": 1.0e-6,
            },
        ),
        "rspo_published": Override(options={"include_diagonal": True}),
        "dpo_early": Override(epochs=12),
    }


class Config(Section):
    """The same question where rewards and KL are exact, in seconds."""

    seeds: Seeds = Field(
        5, description="how many: 0, 1, 2, …; each redraws teacher, pairs, noise, student"
    )
    seeds_per_job: Seeds = Field(
        10, description="trained together in one process; a block of seeds is one artifact"
    )
    shifts: Annotated[list[NonNegative], Field(min_length=1), Distinct] = Field(
        [0.0, 0.75, 1.5], description="link shift s, here in the unit of u; 0 is the logistic link"
    )
    tau: Annotated[list[Positive], Field(min_length=1), Distinct] = Field(
        [0.25], description="τ of ½σ((u−s)/τ)+½σ((u+s)/τ)"
    )
    n: Annotated[list[Count], Field(min_length=1), Distinct] = Field(
        [1000], description="training pairs"
    )
    methods: Annotated[list[Label], Field(min_length=1), Distinct] = Field(
        ["dpo", "pspo", "ospo", "rspo", "dpo_early", "true_link"], description="of `methods`"
    )
    baseline: Label = Field("dpo", description="the method that the others are compared with")
    world: World = Field(default_factory=World, description="the data-generating process")
    training: Training = Field(default_factory=Training, description="Adam, constant learning rate")
    overrides: dict[Label, Override] = Field(
        default_factory=_published, description="methods that are something else in this study"
    )
    evaluation: Evaluation = Field(
        default_factory=Evaluation, description="exact sums over the actions"
    )

    def training_of(self, label: str) -> Training:
        """The study's training with the method's overrides on top."""
        override, training = self.overrides.get(label, Override()), self.training
        return Training(
            epochs=override.epochs or training.epochs,
            batch_size=override.batch_size or training.batch_size,
            learning_rate=override.learning_rate or training.learning_rate,
            discarded_orders=training.discarded_orders
            if override.discarded_orders is None
            else override.discarded_orders,
        )

    def options_of(self, label: str, options: dict[str, Any]) -> dict[str, Any]:
        """The method's own `options`, or those that this study puts in their place."""
        replaced = self.overrides.get(label, Override()).options
        return options if replaced is None else replaced
