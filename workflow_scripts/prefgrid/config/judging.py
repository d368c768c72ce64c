"""The section `judges`: what may score responses."""

from typing import Any

from pydantic import Field, field_validator, model_validator

from prefgrid.config import judges
from prefgrid.config.fields import Label, Section
from prefgrid.config.hub import HubSource
from prefgrid.files import shared

# The world's own models; every run has folders for them.
WORLDS = ("base", "reward")
MODELS = "results/models"
FETCHED = f"{MODELS}/judges"


class Judge(Section):
    """A module that scores, the model it asks, and its options."""

    judge: str = Field(
        description="name of a module in prefgrid/judges, or a dotted name of another's"
    )
    model: Label | None = Field(
        "reward",
        description="it asks: base, reward, a label of hub.models.judges or of preference_models; null: none",
    )
    comparisons: Label | None = Field(
        None,
        description="on which its model was trained, one of preference_models; null: on that one's own",
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
                f"model is null, but judge {self.judge!r} asks one; allowed: {', '.join(WORLDS)}, or a "
                "label of hub.models.judges or preference_models"
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
    return {
        "reward": DEFAULT,
        "rule": Judge(judge="prefgrid.tinyworld.rule_judge", model=None),
        "circle": Judge(judge="prefgrid.tinyworld.circle_judge", model=None),
        "length": Judge(judge="length", model=None),
        **{
            f"{model}_{on}": Judge(judge="embedding", model=model, comparisons=on)
            for on in ("scores", "closings")
            for model in ("bt", "gpm")
        },
        "fluency": Judge(judge="prefgrid.tinyworld.fluency_judge", model=None),
        "closing_class": Judge(judge="prefgrid.tinyworld.class_judge", model=None),
    }


def models(config: Any) -> dict[str, str]:
    """Name → folder of every model that an entry of `judges` may ask and that is not trained on
    comparisons, of a config or what is usable of it."""
    found = {name: f"{MODELS}/{name}" for name in WORLDS}
    return found | {label: f"{FETCHED}/{label}" for label in fetched(config)}


def trained_on(config: Any, judge: Judge) -> str | None:
    """Label of the comparisons that its model was trained on; None of a model of another sort, or of none."""
    model = config.preference_models.get(judge.model)
    return model and (judge.comparisons or model.comparisons)


def folder(config: Any, judge: Judge) -> str | None:
    """Of the model that it asks; None where it asks none."""
    on = trained_on(config, judge)
    if on is not None:
        # Of several seeds the first.
        return shared.preference_model(judge.model, on, 0)
    return judge.model and models(config)[judge.model]


def fetched(config: Any) -> dict[str, HubSource]:
    """`hub.models.judges` of a run in the hub world."""
    return config.hub.models.judges if config.world == "hub" and config.hub is not None else {}


def rehearsals(config: Any, model: str | None) -> list[str]:
    """What tries a judge's model before anybody asks it, if it is one of `fetched`: of the world's own models
    the rules wait for that themselves."""
    return [f"results/rehearsals/judges/{model}/rehearsal.json"] if model in fetched(config) else []
