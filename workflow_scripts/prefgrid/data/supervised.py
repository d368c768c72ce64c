"""Supervised examples for the reference: prompts with completions to imitate."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prefgrid import chat
from prefgrid.data import pools
from prefgrid.data.instructions import Completion, Instruction
from prefgrid.files import store


@dataclass(frozen=True)
class Example:
    """Token ids; the response ends with the end token of its format."""

    prompt_tokens: list[int]
    response_tokens: list[int]


def examples(
    rows: Sequence[Instruction],
    tokenizer: Any,
    *,
    completions: str,
    prompts: int | None,
    eval_share: float,
    prompt_format: str,
    max_prompt_tokens: int,
    max_response_tokens: int,
) -> list[Example]:
    """Examples of the first `prompts` training prompts (None: all), in the order of the prompt ids.

    completions: "best" (highest score) or "all". Evaluation prompts are never used. Prompts or
    responses over their limit are left out, never cut, and counted in the log.
    """
    first: dict[str, Instruction] = {}
    for row in rows:
        identity = pools.prompt_id(row.prompt)
        if not pools.is_evaluation(identity, eval_share):
            first.setdefault(identity, row)
    chosen = [first[identity] for identity in sorted(first)][:prompts]
    found: list[Example] = []
    end = chat.end_id(tokenizer, prompt_format)
    long_prompts = long_responses = 0
    for row in chosen:
        text_tokens = tokenizer(row.prompt, add_special_tokens=False)["input_ids"]
        if len(text_tokens) > max_prompt_tokens:
            long_prompts += 1
            continue
        prompt_tokens = chat.render_prompt(tokenizer, row.prompt, prompt_format)
        taught = [completion.response for completion in _taught(row.completions, completions)]
        for response_tokens in chat.encode_responses(
            tokenizer, row.prompt, taught, prompt_format, end
        ):
            if len(response_tokens) > max_response_tokens:
                long_responses += 1
            else:
                found.append(Example(prompt_tokens, response_tokens))
    store.log(
        f"{len(found)} examples of {len(chosen)} prompts; left out: {long_prompts} prompts over "
        f"{max_prompt_tokens} tokens, {long_responses} responses over {max_response_tokens}"
    )
    if not found:
        raise store.DataError("no supervised example is left; raise the token limits")
    return found


def _taught(completions: Sequence[Completion], which: str) -> Sequence[Completion]:
    if which == "all":
        return completions
    scored = [completion for completion in completions if completion.score is not None]
    return sorted(scored, key=lambda completion: -completion.score)[:1]
