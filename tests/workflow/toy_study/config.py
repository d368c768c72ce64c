"""The section `toy_study`."""

from typing import Annotated

from pydantic import Field

from prefgrid.config.fields import Count, Label, Section, Seed


class Config(Section):
    """Iterated training on scored responses, in a room outside the package."""

    seeds: list[Seed] = Field([0], description="each a run of its own")
    iterations: Count = Field(2, description="each starts from the policy of the one before")
    methods: list[Label] = Field(["toy"], description="labels from `methods`")
    judge: Label = Field("reward", description="the label of the judge whose scores train")
    prompts: Count = Field(16, description="training prompts of every iteration")
    responses: Annotated[int, Field(ge=2)] = Field(3, description="sampled for each prompt")
    eval_prompts: Count = Field(8, description="held-out prompts of the β scan")
    max_new_tokens: Count = Field(16, description="limit of sampled responses")
