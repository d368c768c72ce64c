"""The typed configuration: the one truth about keys, types and allowed values.

`config.yaml` sets every key and says what it means; presets override some. Checks that compare
keys with each other live in `checks.py`.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from prefgrid.config.fields import Count, Distinct, Label, Section
from prefgrid.config.merging import merged
from prefgrid.config.sections import Data, Execution, Method, Reference, Reward, Training
from prefgrid.config.worlds import Hub, TinyWorld
from prefgrid.studies.link_robustness.config import LinkRobustness
from prefgrid.studies.single_index.config import SingleIndex


class Config(Section):
    studies: Annotated[
        list[Literal["link_robustness", "single_index"]], Field(min_length=1), Distinct
    ]
    world: Literal["tiny", "hub"]
    tiny_world: TinyWorld
    hub: Hub | None
    data: Data
    prompt_format: Literal["chat", "raw"]
    max_prompt_tokens: Count
    max_response_tokens: Count
    logp_batch_size: Count
    reference: Reference
    reward: Reward
    training: Training
    methods: Annotated[dict[Label, Method], Field(min_length=1)]
    link_robustness: LinkRobustness
    single_index: SingleIndex
    execution: Execution

    def training_of(self, overrides: dict[str, Any]) -> Training:
        """The `training` defaults with `overrides` on top; `lora` merges key by key."""
        return Training.model_validate(merged(self.training.model_dump(), overrides))
