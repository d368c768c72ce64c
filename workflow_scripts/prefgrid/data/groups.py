"""Groups: a prompt with its K responses, as rows of responses.jsonl and rewards.jsonl."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from prefgrid.data.pools import Prompt

if TYPE_CHECKING:
    import pandas

Row = Mapping[str, Any]


# Fields of a response for which a step's `decoding.log_probs` asks: one number a token, nats.
LOG_PROBS = ("token_logps", "sampling_token_logps")
# Fields of a response that was sampled beside references (`sampling.measured`).
MEASURES = ("entropy_nats", "kl_nats")


def said(tokens: Sequence[int], finish: str) -> Sequence[int]:
    """A response's tokens without the one that ends them, which need not be special to the tokenizer."""
    return tokens[:-1] if finish == "stop" else tokens


class Sampled(Protocol):
    """What a sampler returns: token ids, why they end ("stop" or "length"), and, where it was asked
    for them, each token's log-probability under the model and under what it was drawn from."""

    tokens: list[int]
    finish: str
    token_logps: list[float] | None
    sampling_token_logps: list[float] | None


def row(
    group: int, prompt: Prompt, prompt_tokens: list[int], sampled: Iterable[tuple[str, Sampled]]
) -> dict[str, Any]:
    """A row of responses.jsonl from the (text, response) of each of the group's samples."""
    responses = [
        {"text": text, "tokens": one.tokens, "finish": one.finish}
        | _told(one, LOG_PROBS)
        | _told(one, MEASURES)
        for text, one in sampled
    ]
    return {"group": group, **prompt, "prompt_tokens": prompt_tokens, "responses": responses}


def _told(one: Sampled, names: Iterable[str]) -> dict[str, Any]:
    found = {name: getattr(one, name, None) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def check_log_probs(sampled: Iterable[Sampled], sampler: str) -> None:
    """ValueError naming the sampler and a response without a finite number a token in LOG_PROBS."""
    for number, one in enumerate(sampled):
        found = _told(one, LOG_PROBS)
        for name in LOG_PROBS:
            if name not in found:
                raise ValueError(
                    f"{sampler} gave response {number} without {name}, which decoding.log_probs asks "
                    "for; allowed: a sampling backend that gives it"
                )
            if len(found[name]) != len(one.tokens) or not all(map(math.isfinite, found[name])):
                raise ValueError(
                    f"{sampler} gave response {number} of {len(one.tokens)} tokens the {name} "
                    f"{found[name]}; allowed: one finite number a token"
                )


def scored(rows: Iterable[Row], rewards: Iterable[float]) -> Iterable[dict[str, Any]]:
    """`rows` with the next of `rewards` in each of their responses, in order."""
    remaining = iter(rewards)
    for one in rows:
        yield {
            **one,
            "responses": [response | {"reward": next(remaining)} for response in one["responses"]],
        }


def frame(rows: Iterable[Row]) -> "pandas.DataFrame":
    """A row a response: prompt_id, sample (its number in the group), reward (float32),
    length_tokens, finish, response (its text)."""
    import pandas

    flat = [
        (one["prompt_id"], sample, response)
        for one in rows
        for sample, response in enumerate(one["responses"])
    ]
    return pandas.DataFrame(
        {
            "prompt_id": [prompt_id for prompt_id, _, _ in flat],
            "sample": [sample for _, sample, _ in flat],
            # As judges give them: wider numbers would be summed otherwise.
            "reward": np.array([one["reward"] for _, _, one in flat], dtype=np.float32),
            "length_tokens": [len(one["tokens"]) for _, _, one in flat],
            "finish": [one["finish"] for _, _, one in flat],
            "response": [one["text"] for _, _, one in flat],
        }
    )


def texts(rows: Sequence[Row]) -> tuple[list[str], list[str]]:
    """(prompts, responses) of all responses, in order: what a judge is asked."""
    prompts = [one["prompt"] for one in rows for _ in one["responses"]]
    return prompts, [response["text"] for one in rows for response in one["responses"]]


def tokens(rows: Sequence[Row], first: int | None = None) -> tuple[list, list]:
    """(prompts [N], responses [N][K]) as token ids; the `first` responses of each, None: all."""
    responses = [[one["tokens"] for one in row["responses"][:first]] for row in rows]
    return [row["prompt_tokens"] for row in rows], responses
