"""Types, as of `records`, of held-out samples: groups whose responses were measured as they were sampled."""

from typing import Annotated, Literal

from pydantic import Field

from prefgrid.files import records

INERT = True


class Measured(records.Response):
    """A response with sums over its steps: the entropy of what each token was drawn from, and the exact KL to the
    policies that it is measured against."""

    entropy_nats: float
    kl_nats: dict[Literal["base", "previous"], float]


class MeasuredGroup(records.Prompt):
    """A row of samples.jsonl: a prompt and S responses of a policy."""

    group: records.Count
    prompt_tokens: records.TokenIds
    responses: Annotated[list[Measured], Field(min_length=1)]
