"""The tokens of dialogues as a pointwise judge reads them."""

from collections.abc import Sequence
from typing import Any

from prefgrid import chat

# Token ids of the prompt part and of the response part; concatenated they are the dialogue.
Dialogue = tuple[list[int], list[int]]


def render(
    tokenizer: Any,
    prompts: Sequence[str],
    responses: Sequence[str],
    *,
    prompt_format: str,
    max_tokens: int,
) -> tuple[list[Dialogue], int]:
    """Dialogues of at most `max_tokens`, and how many of their prompts were cut to fit.

    ValueError for a response beyond `max_tokens`.
    """
    cut_prompts = 0
    dialogues = []
    rendered = chat.render_dialogues(tokenizer, prompts, responses, prompt_format)
    for number, (head, tail) in enumerate(rendered):
        tail = tail or [chat.eos_id(tokenizer)]
        room = max_tokens - len(tail)
        if room < 0:
            raise ValueError(
                f"row {number}: the response takes {len(tail)} tokens of the reward model's "
                f"max_tokens = {max_tokens}; it is never cut"
            )
        cut_prompts += len(head) > room
        dialogues.append((head[len(head) - min(len(head), room) :], tail))
    return dialogues, cut_prompts
