"""The section `self_play`: policies that train on their own judged responses, iteration by iteration."""

from typing import Annotated, Any, Literal

from pydantic import Field

from prefgrid.config.backends import Backend
from prefgrid.config.fields import (
    Count,
    Distinct,
    Kappa,
    Label,
    Positive,
    Rows,
    Section,
    Seed,
    Share,
    Temperature,
    Tokens,
)
from prefgrid.config.hub import HubDataset, Publish

TopP = Annotated[float, Field(gt=0, le=1)]
# Best of more than a thousand is no use that anybody makes of a judge.
BestOf = Annotated[int, Field(ge=1, le=1000)]


class Row(Section):
    """A judge, the methods that train on what it says, and who checks it."""

    judge: Label = Field(description="of `judges`: whose comparisons train")
    methods: Annotated[list[Label], Field(min_length=1), Distinct] = Field(
        description="of `methods`"
    )
    held_out_judge: Label = Field(
        description="of `judges`, another one: by it policies are evaluated"
    )
    classes: Label | None = Field(
        None,
        description="of `judges`, one whose score is the number of a response's class: shares and exploitability; null: none",
    )


def _rows() -> list[Row]:
    closings = {"methods": ["sppo"], "held_out_judge": "circle", "classes": "closing_class"}
    return [
        Row(judge="bt_scores", methods=["sppo", "gpo", "iterated_dpo"], held_out_judge="rule"),
        Row(judge="gpm_scores", methods=["sppo", "gpo"], held_out_judge="rule"),
        Row(judge="bt_closings", **closings),
        Row(judge="gpm_closings", **closings),
    ]


class Prompts(Section):
    """What each iteration answers, the same for all cells."""

    per_iteration: Count | None = Field(
        300,
        description="prompts of an iteration; null: all of its file, or share, where other `iterations` divide the pool anew",
    )
    parts: Literal["disjoint", "same"] = Field(
        "disjoint", description="disjoint: no prompt in two iterations; same: all have the same"
    )
    sources: Annotated[list[HubDataset], Field(min_length=1)] | None = Field(
        None,
        description="files with a column `prompt`, {source, revision, split} each, one an iteration, in the place of the preference dataset's prompts; null: none",
    )


class Generation(Section):
    """The K responses of each prompt."""

    responses: Annotated[int, Field(ge=2, le=1000)] = Field(5, description="K")
    backend: Backend = Field("transformers", description="as of link_robustness.generation")
    max_new_tokens: Tokens = Field(
        64, description='a response that reaches it ends with finish reason "length"'
    )
    temperature: Temperature = Field(1.0, description="1 samples the model as it is")
    top_p: TopP = Field(1.0, description="nucleus; 1 keeps every token")
    batch_rows: Rows = Field(
        512, description="responses decoded at once (fixes rounding, so it is tracked)"
    )
    shards: Rows = Field(1, description="jobs that share an iteration's sampling")


class Targets(Section):
    """From a judge's logits to what each response is worth against its opponent."""

    estimator: Literal["matrix", "aggregated"] = Field(
        "matrix",
        description="matrix: mean over opponents of σ(logit); aggregated: σ of differences of mean logits, as released",
    )
    symmetrise: bool = Field(True, description="l_ij becomes (l_ij − l_ji)/2")
    logit_scale: Positive = Field(1.0, description="of the logits; 2: as released")
    include_self: bool = Field(
        True, description="whether a response meets itself, with ½, among its opponents"
    )
    opponent: Literal["previous", "base", "mixture"] = Field(
        "previous",
        description="previous: the responses themselves; base: the base's; mixture: of all earlier policies",
    )
    soften: Share = Field(
        0.0, description="how far token overlap draws a probability to ½ (S-SPPO); 0: not"
    )
    length_control: bool = Field(
        False, description="take out what the difference in length explains of the logits"
    )


class Selection(Section):
    """Which responses of a prompt train."""

    mode: Literal["all", "best_worst", "best_random", "above"] = Field(
        "all",
        description="all K; best_worst, best_random: one pair; above: all pairs decided by epsilon",
    )
    by: Literal["mean_probability", "mean_logit"] = Field(
        "mean_probability", description="what the best is the best by"
    )
    epsilon: Annotated[float, Field(ge=0, lt=0.5)] = Field(
        0.0, description="a pair whose probability is no further than this from ½ is dropped"
    )
    drop_duplicates: bool = Field(True, description="a response whose text was there before")
    drop_truncated: bool = Field(True, description="a response without its end")


class Override(Section):
    """What differs for a method."""

    targets: dict[str, Any] = Field(
        default_factory=dict, description="overrides of the study's `targets`"
    )
    selection: dict[str, Any] = Field(
        default_factory=dict, description="overrides of the study's `selection`"
    )


def _pairs() -> dict[str, Override]:
    """The methods that learn from two responses."""
    labels = ("iterated_dpo", "iterated_ipo", "sppo_single", "sppo_hard", "kto_pair")
    return {label: Override(selection={"mode": "best_worst"}) for label in labels}


class Best(Section):
    """Best of n responses by the training judge."""

    of: Annotated[list[BestOf], Field(min_length=1), Distinct] = Field([1, 4, 16], description="n")
    prompts: Count = Field(60, description="held-out prompts, the first of their pool")


class Evaluation(Section):
    """After each iteration, on held-out prompts."""

    prompts: Count = Field(150, description="the first of their pool, the same for every cell")
    samples: Annotated[int, Field(ge=1, le=1000)] = Field(
        4, description="responses of each policy to each; all pairs of two policies' are compared"
    )
    max_new_tokens: Tokens = Field(64, description="limit of these responses")
    temperature: Temperature = Field(1.0, description="1 samples the policy as it is")
    batch_rows: Rows = Field(600, description="responses decoded at once")
    seed: Seed = Field(0, description="sampling noise, common to all cells")
    best: Best | None = Field(
        default_factory=Best, description="of the base and the last iteration; null: none"
    )
    scorers: Annotated[list[Label], Distinct] = Field(
        ["fluency"], description="of `judges`: mean scores that the tables show beside"
    )
    average: bool = Field(
        True, description="the average of all iterations' weights as one more policy"
    )


class Config(Section):
    """Does iterating raise the win rate, for which judge, at which KL and length?"""

    seeds: Annotated[list[Seed], Field(min_length=1), Distinct] = Field(
        [0], description="each a run of its own"
    )
    iterations: Annotated[int, Field(ge=1, le=100)] = Field(
        3, description="each starts from, and is compared with, the policy before"
    )
    grid: Annotated[list[Row], Field(min_length=1)] = Field(
        default_factory=_rows, description="which methods learn from which judge"
    )
    baseline: Label = Field(
        "sppo", description="the method that others of a judge are compared with"
    )
    compat: Literal["fixed", "paper", "released"] = Field(
        "fixed",
        description="paper, released: sampling, targets, pairs and choice as published there",
    )
    prompts: Prompts = Field(default_factory=Prompts, description="what each iteration answers")
    generation: Generation = Field(
        default_factory=Generation, description="the K responses of each prompt"
    )
    targets: Targets = Field(
        default_factory=Targets, description="what each response is worth, by the judge's logits"
    )
    selection: Selection = Field(
        default_factory=Selection, description="which responses of a prompt train"
    )
    overrides: dict[Label, Override] = Field(
        default_factory=_pairs, description="methods that have other targets or pairs in this study"
    )
    evaluation: Evaluation = Field(
        default_factory=Evaluation, description="after each iteration, on held-out prompts"
    )
    kappa: Kappa = Field([0.5, 1.0], description="KLs, in nats, at which methods are compared")
    select: Literal["last", "best"] = Field(
        "last", description="the iteration that is the result; best: by the held-out judge"
    )
    publish: Publish | None = Field(
        None, description="what the target of that name pushes to the hub, and where; null: nothing"
    )
    prompts_at_once: Rows | None = Field(
        None, description="prompts compared together and kept for a rerun; null: all of a file"
    )

    @property
    def kappas(self) -> list[float]:
        """All of `kappa`."""
        return self.kappa if isinstance(self.kappa, list) else [self.kappa]

    @property
    def methods(self) -> list[str]:
        """All that some judge trains."""
        return list(dict.fromkeys(label for row in self.grid for label in row.methods))

    @property
    def judges(self) -> list[str]:
        """All that somebody asks about responses."""
        rows = ((row.judge, row.held_out_judge, row.classes) for row in self.grid)
        found = [label for row in rows for label in row]
        return list(dict.fromkeys(label for label in (*found, *self.evaluation.scorers) if label))

    @property
    def files(self) -> dict[str, HubDataset]:
        """Key below the section → source of each file that the study has of its own."""
        named = enumerate(self.prompts.sources or ())
        return {f"prompts.sources.{place}": source for place, source in named}

    def targets_of(self, label: str) -> Targets:
        """The study's targets with the method's overrides on top."""
        own = self.overrides.get(label, Override()).targets
        return Targets.model_validate(self.targets.model_dump() | own)

    def selection_of(self, label: str) -> Selection:
        """The study's selection with the method's overrides on top."""
        own = self.overrides.get(label, Override()).selection
        return Selection.model_validate(self.selection.model_dump() | own)
