"""Sampled responses as rows of responses.jsonl."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prefgrid import chat
from prefgrid.data import groups
from prefgrid.data.pools import Prompt
from prefgrid.files import store
from prefgrid.sampling.request import Response


def write_groups(
    path: Path,
    tokenizer: Any,
    numbers: Sequence[int],
    prompts: Sequence[Prompt],
    prompt_tokens: Sequence[list[int]],
    sampled: Sequence[Response],
) -> None:
    """A row a prompt with its number, as many of `sampled` for each, in order. Logs how many were cut off."""
    texts = [chat.decode_response(tokenizer, response.said) for response in sampled]
    both, samples = list(zip(texts, sampled, strict=True)), len(sampled) // len(prompts)
    store.write_jsonl(
        path,
        (
            groups.row(number, prompt, ids, both[samples * i : samples * (i + 1)])
            for i, (number, prompt, ids) in enumerate(
                zip(numbers, prompts, prompt_tokens, strict=True)
            )
        ),
    )
    cut = sum(response.finish == "length" for response in sampled)
    store.log(f"sampled {len(sampled)} responses; {cut} reached the limit of tokens")
