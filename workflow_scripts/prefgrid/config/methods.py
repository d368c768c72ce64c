"""The section `methods`: what a grid may train, with the methods that come with prefgrid."""

from typing import Any

from pydantic import Field, field_validator, model_validator

from prefgrid.config import objectives
from prefgrid.config.fields import Section
from prefgrid.config.training import Overrides


class Method(Section):
    """An objective, its options, and overrides of the `training` defaults."""

    blamed = ("options",)

    objective: str = Field(
        description="name of a module in prefgrid/objectives, or a dotted name of another's"
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="those not set have the objective's own defaults"
    )
    training: Overrides = Field(default_factory=dict, description="overrides of `training`")

    @field_validator("objective")
    @classmethod
    def _known(cls, name: str) -> str:
        objectives.constants(name)
        return name

    @model_validator(mode="after")
    def _options_fit(self) -> "Method":
        objectives.check_options(self.objective, self.options)
        return self


def ours() -> dict[str, Method]:
    """The default methods; config.yaml says what each is."""
    return {
        **{name: Method(objective=name) for name in ("dpo", "pspo", "ospo", "ospo_orthogonal")},
        "rspo": Method(objective="rspo"),
        "true_link": Method(objective="true_link"),
        "dpo_early": Method(objective="dpo", training={"epochs": 1, "max_steps": None}),
        **_published(),
        "ipo": Method(objective="ipo"),
        "ipo_mean": Method(objective="ipo", options={"reduction": "token_mean", "beta_train": 5.0}),
        "robust_dpo": Method(objective="robust_dpo", options={"flip_rate": 0.1}),
        "cdpo": Method(objective="cdpo", options={"flip_rate": 0.1}),
        "hinge": Method(objective="hinge"),
        "simpo": Method(objective="simpo"),
        **_on_scores(),
        **_of_self_play(),
        **_published_self_play(),
    }


# SPO's code at its released defaults.
PUBLISHED_TRAINING = {
    "epochs": None,
    "max_steps": 125,
    "batch_size": 16,
    "micro_batch_size": 4,
    "learning_rate": 5.0e-6,
    "final_learning_rate_share": 0.0,
    "warmup_steps": 10,
    "schedule_steps": 500,
    "max_grad_norm": 0.25,
    "lora": {"rank": 16, "alpha": 32, "dropout": 0.05, "targets": ["q_proj", "v_proj"]},
}


def _published() -> dict[str, Method]:
    training = PUBLISHED_TRAINING
    undropped = training | {"lora": training["lora"] | {"dropout": 0.0}}
    return {
        "dpo_published": Method(objective="dpo", options={"beta_train": 1.0}, training=training),
        "pspo_published": Method(
            objective="pspo",
            options={
                "beta_train": 1.0,
                "warm_start_epochs": 0,
                "refit_every_epochs": 1.0,
                "refit_every_steps": 12.5,
                "link_share": 0.0,
                "symmetrize": False,
                "pool_ties": False,
                "merge_tolerance": 1.0e-6,
                "level_clip": 1.0e-4,
                "smoother": "knot_softmax",
                "bandwidth": 0.1,
                "bandwidth_unit": "nats",
                "logistic_blend": 0.05,
                "clip": 1.0e-6,
            },
            training=undropped,
        ),
        "ospo_published": Method(
            objective="ospo",
            options={
                "beta_train": 1.0,
                "warm_start_epochs": 0,
                "fifo_capacity": 4096,
                "refresh_visited": False,
                "symmetrize": False,
                "exclude_own_row": False,
                "bandwidth": 0.5,
                "bandwidth_exponent": 0.0,
                "bandwidth_floor": 1.0e-6,
                "prior_mass": 1.0e-6,
                "prior": "zero",
                "clip": 1.0e-4,
                "logistic_blend": 0.05,
            },
            training=training,
        ),
        "rspo_published": Method(
            objective="rspo",
            options={"beta_train": 1.0, "include_diagonal": True, "block_size": 4},
            training=training,
        ),
    }


# Of all weights, on groups of a hundred responses; how long it trains is `soft_policy`'s.
ON_SCORES_TRAINING = {
    "batch_size": 1,
    "micro_batch_size": 1,
    "learning_rate": 2.0e-3,
    "max_grad_norm": 0.1,
    "lora": None,
}
# SoftPO's code at its released constants; how long it trains is `soft_policy`'s.
PUBLISHED_SOFTPO_TRAINING = {
    "batch_size": 1,
    "micro_batch_size": 1,
    "learning_rate": 1.0e-4,
    "learning_rate_schedule": "constant",
    "warmup_steps": 0,
    "weight_decay": 0.01,
    "max_grad_norm": 1.0,
    "lora": None,
}


def _on_scores() -> dict[str, Method]:
    """Labels with one method differ in what `soft_policy` draws for them, or in their Q̂₀."""
    annealed = Method(
        objective="softpo",
        options={"beta_start": 0.1, "anneal_share": 0.6, "cap_nats": 0.2},
        training=ON_SCORES_TRAINING,
    )
    published = Method(
        objective="softpo",
        options={"loss": "published_squared", "value": "given"},
        training=PUBLISHED_SOFTPO_TRAINING,
    )
    return {
        "softpo": annealed,
        "softpo_sampled_value": annealed,
        "softpo_squared": Method(
            objective="softpo", options={"loss": "squared"}, training=ON_SCORES_TRAINING
        ),
        "reinforce": Method(objective="reinforce", training=ON_SCORES_TRAINING),
        "softpo_published": published,
        "softpo_published_exact": published,
        "softpo_published_log": published,
    }


# An iteration: a few steps on few prompts, from the policy before.
SELF_PLAY_TRAINING = {
    "epochs": 2,
    "max_steps": None,
    "batch_size": 16,
    "micro_batch_size": 16,
    "learning_rate": 3.0e-3,
}
# SPPO's code at what its launcher sets, on any number of devices.
PUBLISHED_SELF_PLAY_TRAINING = {
    "epochs": 1,
    "max_steps": None,
    "batch_size": 64,
    "micro_batch_size": 8,
    "learning_rate": 5.0e-7,
    "learning_rate_schedule": "linear",
    "final_learning_rate_share": 0.0,
    "warmup_steps": 0,
    "warmup_share": 0.1,
    "optimizer": "rmsprop",
    "max_grad_norm": 1.0,
    "lora": None,
}


def _of_self_play() -> dict[str, Method]:
    def method(objective: str, **options: Any) -> Method:
        return Method(objective=objective, options=options, training=SELF_PLAY_TRAINING)

    return {
        "sppo": method("sppo"),
        "sppo_single": method("sppo_single"),
        "sppo_hard": method("sppo_hard"),
        "gpo": method("gpo"),
        "gpo_length_normalised": method("gpo", length_power=1.0, eta=0.4),
        "kto_pair": method("kto_pair"),
        "iterated_dpo": method("dpo"),
        "iterated_ipo": method("ipo"),
    }


def _published_self_play() -> dict[str, Method]:
    training = PUBLISHED_SELF_PLAY_TRAINING
    sppo = {"eta": 1000.0, "baseline": "half", "scale": "native"}
    gpo = {"eta": 1000.0, "baseline": "zero", "scale": "native", "clip_nats": 1000.0}
    return {
        "sppo_published": Method(objective="sppo", options=sppo, training=training),
        "sppo_paper": Method(
            objective="sppo", options=sppo, training=training | {"schedule_epochs": 18}
        ),
        "gpo_published": Method(objective="gpo", options=gpo, training=training),
    }
