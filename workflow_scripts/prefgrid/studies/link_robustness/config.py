"""The section `link_robustness`: the study on language models."""

from typing import Annotated

from pydantic import Field

from prefgrid.config.fields import Count, Distinct, Label, NonNegative, Positive, Section, Seed


class Prompts(Section):
    train: Count
    eval: Count


class Generation(Section):
    max_new_tokens: Count
    temperature: Positive
    top_p: Annotated[float, Field(gt=0, le=1)]
    batch_rows: Count
    shards: Count


class Evaluation(Section):
    prompts: Count
    samples: Count
    max_new_tokens: Count
    temperature: Positive
    beta_grid: Annotated[list[Positive], Field(min_length=1), Distinct]
    kappa: Positive
    batch_rows: Count
    reference_samples: Annotated[int, Field(ge=64)]
    index_pairs_per_prompt: Count
    seed: Seed


class LinkRobustness(Section):
    seeds: Annotated[list[Seed], Field(min_length=1), Distinct]
    shifts: Annotated[list[NonNegative], Field(min_length=1), Distinct]
    n: Annotated[list[Count], Field(min_length=1), Distinct]
    methods: Annotated[list[Label], Field(min_length=1), Distinct]
    baseline: Label
    link_temperature: Positive
    prompts: Prompts
    generation: Generation
    evaluation: Evaluation
