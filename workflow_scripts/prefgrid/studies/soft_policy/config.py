"""The section `soft_policy`: soft-Q regression on a task whose optimum is known exactly."""

from typing import Annotated, Any, Literal

from pydantic import Field

from prefgrid.config.fields import (
    Count,
    Distinct,
    Label,
    Positive,
    Rows,
    Section,
    Share,
    Tokens,
)
from prefgrid.config.training import Overrides

# Answers are enumerated in one forward.
Number = Annotated[int, Field(ge=0, le=10**4)]
Seeds = Annotated[int, Field(ge=1, le=10**5)]
Epochs = Annotated[int, Field(ge=1, le=10**5)]
Targets = Annotated[int, Field(ge=0, le=1000)]
Score = Annotated[float, Field(ge=-1e6, le=1e6)]
TAUGHT = ("uniform", "peaked")
BEHAVIOURS = ("policy", "replay", "reference", "uniform", "invalid")
VALUES = ("exact", "reference", "weighted", "published", "logged", "group", "learned")


class Task(Section):
    """Write one whole number; the score is minus the distance to the target."""

    lo: Number = Field(1, description="smallest number that is an answer")
    hi: Number = Field(100, description="largest")
    r_invalid: Score = Field(-1.0, description="score of whatever is no answer")
    max_new_tokens: Annotated[Tokens, Field(ge=2)] = Field(
        8, description="of a sampled answer, the end token included"
    )


class Many(Section):
    """Targets named in the prompt, instead of one that the policy has to find out."""

    trained: Targets = Field(
        0, description="targets that are trained on, drawn by the seed; 0: those of `targets`"
    )
    tested: Targets = Field(0, description="others that only evaluate")


class References(Section):
    """How the base model is taught numbers, where it has to be."""

    center: Number = Field(74, description="where the peaked reference has its peak")
    training: Overrides = Field(
        default_factory=lambda: {
            "seed": 0,
            "epochs": None,
            "max_steps": 500,
            "batch_size": 1,
            "micro_batch_size": 1,
            "learning_rate": 2.0e-3,
            "lora": None,
        },
        description="overrides of `training`; a step is a group of `answers`",
    )
    answers: Rows = Field(64, description="numbers a step")
    min_valid_mass: Share = Field(
        0.98, description="probability of answers below which the job fails"
    )


class Drawing(Section):
    """What a policy is trained on."""

    epochs: Epochs = Field(6, description="the exact metrics are computed after each")
    samples: Rows = Field(2800, description="responses of an epoch")
    group_size: Rows = Field(
        112, description="responses of a group, which share the prompt's forward"
    )
    refresh_steps: Count = Field(
        1, description="optimizer steps for which responses are drawn at once"
    )
    mix: dict[Literal[BEHAVIOURS], Share] = Field(
        default_factory=lambda: {"uniform": 0.875, "policy": 0.125},
        description="share of each behaviour: policy, replay, reference, uniform, invalid; 0 or absent: none",
    )
    replay: Rows = Field(
        1024, description="newest samples of the policy, of each prompt, that replay draws from"
    )
    value: Literal[VALUES] = Field(
        "exact",
        description="Q̂₀: exact, reference, weighted, published, logged, group, learned",
    )
    value_samples: Rows = Field(256, description="for reference, weighted and published")
    keep_best: bool = Field(
        True, description="keep the weights of the epoch with the lowest TV; else the last"
    )
    patience: Count | None = Field(
        None, description="epochs without a lower TV that end a run; null: none do"
    )

    @property
    def shares(self) -> dict[str, float]:
        """Those of `mix` that draw at all."""
        return {name: share for name, share in self.mix.items() if share > 0}


class Override(Section):
    """What differs for a method."""

    betas: Annotated[list[Positive], Field(min_length=1), Distinct] | None = Field(
        None, description="null: as in the study"
    )
    drawing: dict[str, Any] = Field(
        default_factory=dict, description="overrides of the study's `drawing`"
    )
    transcript: bool = Field(False, description="print the published program's lines into the log")


def _published() -> dict[str, Override]:
    """The published program: 200 answers an epoch, one an update, and its log; with its own estimate of
    Q̂₀, and with the right one."""
    drawing = {
        "epochs": 3,
        "samples": 200,
        "group_size": 1,
        "refresh_steps": 200,
        "mix": {"uniform": 1.0},
        "value": "published",
        "value_samples": 256,
        "keep_best": False,
        "patience": None,
    }
    return {
        "softpo_published": Override(drawing=drawing, transcript=True),
        "softpo_published_exact": Override(drawing=drawing | {"value": "exact"}, transcript=True),
        "softpo_published_log": Override(drawing=drawing | {"value": "logged"}, transcript=True),
    }


def _ours() -> dict[str, Override]:
    """What differs from our recipe in one thing each."""
    return {
        "softpo": Override(betas=[0.01, 0.05]),
        "softpo_squared": Override(betas=[0.01, 0.05], drawing={"mix": {"uniform": 1.0}}),
        "softpo_sampled_value": Override(drawing={"value": "reference"}),
        "reinforce": Override(drawing={"mix": {"policy": 1.0}, "value": "group"}),
        **_published(),
    }


class Config(Section):
    """Does soft-Q regression reach the optimum, where the optimum is known exactly?"""

    seeds: Seeds = Field(
        2, description="how many: 0, 1, 2, …; each redraws samples and first weights"
    )
    seeds_per_job: Seeds = Field(
        10, description="trained one after the other in one process; a block is one artifact"
    )
    references: Annotated[
        list[Literal["uniform", "peaked", "model"]], Field(min_length=1), Distinct
    ] = Field(
        ["uniform", "peaked"],
        description="uniform, peaked: the base model taught such numbers; model: the reference as it is",
    )
    targets: Annotated[list[Number], Field(min_length=1), Distinct] = Field(
        [1], description="numbers with the score 0; each is trained alone"
    )
    many: Many = Field(
        default_factory=Many, description="one policy for many targets, named in the prompt"
    )
    betas: Annotated[list[Positive], Field(min_length=1), Distinct] = Field(
        [0.01], description="β of max E[r] − β·KL"
    )
    methods: Annotated[list[Label], Field(min_length=1), Distinct] = Field(
        [
            "softpo",
            "softpo_squared",
            "softpo_published",
            "softpo_published_exact",
            "softpo_published_log",
        ],
        description="of `methods`",
    )
    baseline: Label = Field("softpo", description="the method that findings are about")
    task: Task = Field(default_factory=Task, description="the numbers and their score")
    reference: References = Field(
        default_factory=References, description="how the base model is taught numbers"
    )
    drawing: Drawing = Field(default_factory=Drawing, description="samples, and what draws them")
    overrides: dict[Label, Override] = Field(
        default_factory=_ours, description="methods that draw in another way in this study"
    )
    final_samples: Rows = Field(10, description="samples shown before and after training")
    measure_seconds: bool = Field(
        False,
        description="write the seconds of training into the evaluations, which then differ by run",
    )

    @property
    def named(self) -> dict[str, int] | None:
        """`many`, if targets are named in the prompt."""
        return self.many.model_dump() if self.many.trained else None

    def override(self, label: str) -> Override:
        return self.overrides.get(label, Override())

    def betas_of(self, label: str) -> list[float]:
        """The β that a method is trained at."""
        return self.override(label).betas or self.betas

    def drawing_of(self, label: str) -> Drawing:
        """The study's drawing with the method's overrides on top; a mix is replaced as a whole."""
        return Drawing.model_validate(self.drawing.model_dump() | self.override(label).drawing)
