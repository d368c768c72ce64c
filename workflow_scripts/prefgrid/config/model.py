"""The section `model`: how every model of the hub world is computed."""

from typing import Literal

from pydantic import Field

from prefgrid.config.fields import Section


class Model(Section):
    """Settings of the base and the reward model, and of all that is made of them."""

    attention: Literal["auto", "sdpa", "eager", "flash_attention_2"] = Field(
        "auto",
        description="auto: sdpa where it computes what the model's config says, else eager",
    )
