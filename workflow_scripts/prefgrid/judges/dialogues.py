"""The tokens of dialogues as a pointwise judge reads them."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

from prefgrid import chat

# Token ids of the prompt part and of the response part; concatenated they are the dialogue.
Dialogue = tuple[list[int], list[int]]
# Of a prompt part, and of the response parts of K dialogues.
DialogueGroup = tuple[list[int], list[list[int]]]


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
        prompt = _fitted(head, len(tail), start, max_tokens)
        if prompt is None:
            needed = len(_kept(head, start)) + len(tail)
            raise ValueError(
                f"row {number}: the response takes {needed} tokens of the reward model's "
                f"max_tokens = {max_tokens}; it is never cut"
            )
        cut_prompts += len(prompt) < len(head)
        dialogues.append((prompt, tail))
    return dialogues, cut_prompts


def render_groups(
    tokenizer: Any,
    prompts: Sequence[str],
    responses: Sequence[Sequence[str]],
    *,
    prompt_format: str,
    max_prompt_tokens: int,
    max_tokens: int,
) -> tuple[list[DialogueGroup | None], int]:
    """What a preference model reads of each prompt with its responses, trained or asked, and how many prompts
    were cut; None where a dialogue is longer than `max_tokens`.

    A prompt is cut to `max_prompt_tokens` whatever its responses are, so that what is read of one does not
    depend on the others. It loses its oldest tokens, but not the tokenizer's start token.

    Each response part ends with the tokenizer's end token, where its embedding is read: behind the last one
    there, as the template's line break, all is left out, and where there is none it is added. So an empty
    response is read too. (The published code overwrites the last token with the end token, whatever it was,
    and has the tokenizer put its start token before the template's own.)
    """
    start, end = chat.start_ids(tokenizer), chat.eos_id(tokenizer)
    alone = [prompt for prompt, texts in zip(prompts, responses, strict=True) for _ in texts]
    texts = [text for group in responses for text in group]
    rendered = iter(chat.render_dialogues(tokenizer, alone, texts, prompt_format))
    cut_prompts = 0
    groups: list[DialogueGroup | None] = []
    for group in responses:
        dialogues = list(islice(rendered, len(group)))
        head, tails = dialogues[0][0], [_up_to_end(tail, end) for _, tail in dialogues]
        prompt = _fitted(head, 0, start, max_prompt_tokens)
        if prompt is None or len(prompt) + max(map(len, tails)) > max_tokens:
            groups.append(None)
        else:
            cut_prompts += len(prompt) < len(head)
            groups.append((prompt, tails))
    return groups, cut_prompts


def _fitted(head: list[int], tail: int, start: list[int], most: int) -> list[int] | None:
    """A prompt part without the oldest tokens that are too many before `tail` others, but with `start`; None
    where these alone are too many."""
    kept = _kept(head, start)
    room = most - len(kept) - tail
    if room < 0:
        return None
    prompt = head[len(kept) :]
    return [*kept, *prompt[len(prompt) - min(len(prompt), room) :]]


def _kept(head: list[int], start: list[int]) -> list[int]:
    """What of a prompt part is never cut."""
    return start if head[: len(start)] == start else []


def _up_to_end(tail: list[int], end: int) -> list[int]:
    places = [place for place, token in enumerate(tail) if token == end]
    return tail[: places[-1] + 1] if places else [*tail, end]


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
