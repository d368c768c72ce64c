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

    A prompt loses its oldest tokens, but not the tokenizer's start token. ValueError for a response
    that is with it beyond `max_tokens`.
    """
    cut_prompts = 0
    dialogues = []
    start = chat.start_ids(tokenizer)
    rendered = chat.render_dialogues(tokenizer, prompts, responses, prompt_format)
    for number, (head, tail) in enumerate(rendered):
        tail = tail or [chat.eos_id(tokenizer)]
        kept = start if head[: len(start)] == start else []
        room = max_tokens - len(kept) - len(tail)
        if room < 0:
            raise ValueError(
                f"row {number}: the response takes {len(kept) + len(tail)} tokens of the reward "
                f"model's max_tokens = {max_tokens}; it is never cut"
            )
        prompt = head[len(kept) :]
        cut_prompts += len(prompt) > room
        dialogues.append(([*kept, *prompt[len(prompt) - min(len(prompt), room) :]], tail))
    return dialogues, cut_prompts


def read_place(tokens: Sequence[int], padding: int | None) -> int:
    """Index of the token at which a decoder's classifier reads a dialogue that stands alone.

    It is the rightmost that is not the padding of the model's config, whatever the tokenizer's is: a
    model whose padding is also the turn's end reads what stands before. Without padding (None) it is
    the last token, and of padding alone the first.
    """
    places = (place for place in reversed(range(len(tokens))) if tokens[place] != padding)
    return next(places, 0)


def up_to_read(dialogue: Dialogue, padding: int | None) -> Dialogue:
    """The dialogue without what stands behind the token that is read; nothing there is seen."""
    head, tail = dialogue
    stop = read_place([*head, *tail], padding) + 1
    return head[:stop], tail[: max(stop - len(head), 0)]
