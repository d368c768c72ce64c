"""Pairs of a prompt and a response as an encoder's tokenizer writes them.

Encoders (BERT, DeBERTa, …) were trained on two texts with special tokens around and between them, and
often with token types: [CLS] prompt [SEP] response [SEP]. Only their tokenizer knows which.
"""

from collections.abc import Sequence
from typing import Any

# A pair's inputs of a model by name, such as input_ids and token_type_ids; each [tokens].
Pair = dict[str, list[int]]
FIRST, SECOND = 0, 1


def check_pairs(tokenizer: Any, prompt_format: str) -> None:
    """ValueError if an encoder with this tokenizer cannot read pairs.

    The format is how decoders are asked; pairs are the same in both. But a chat template says that
    an encoder was trained on something else.
    """
    name = repr(str(tokenizer.name_or_path))
    if prompt_format == "chat" and tokenizer.chat_template:
        raise ValueError(
            f"the reward model {name} is an encoder whose tokenizer has a chat template: which "
            "special tokens stand around a template's text is not known. Encoders read (prompt, "
            "response) pairs as their tokenizer joins two texts; use a model without a chat "
            "template, or set prompt_format: raw, where the template is not used"
        )
    if not tokenizer.is_fast:
        raise ValueError(
            f"the tokenizer of {name} has no tokenizer.json, without which it is not known which "
            "tokens of a pair are the prompt's; use another reward model"
        )
    if not _marks_the_end_of_the_prompt(tokenizer):
        raise ValueError(
            f"the tokenizer of {name} puts no special token between two texts: its model could not "
            "tell where the prompt ends. Use an encoder with its own tokenizer, or a decoder with a "
            "linear layer `score`"
        )


def _marks_the_end_of_the_prompt(tokenizer: Any) -> bool:
    places = tokenizer("a", "b").sequence_ids(0)
    if FIRST not in places or SECOND not in places:
        return False
    last_of_first = len(places) - 1 - places[::-1].index(FIRST)
    return None in places[last_of_first : places.index(SECOND)]


def render_pairs(
    tokenizer: Any, prompts: Sequence[str], responses: Sequence[str], *, max_tokens: int
) -> tuple[list[Pair], int]:
    """Pairs of at most `max_tokens`, and how many of their prompts were cut to fit.

    An empty response is one that is empty, in a pair nevertheless: [CLS] prompt [SEP] [SEP]. A prompt
    loses its oldest tokens; special tokens and the response are never cut. ValueError for a
    pair whose response and special tokens alone are beyond `max_tokens`.
    """
    if not prompts:
        return [], 0
    encoded = tokenizer(list(prompts), list(responses))
    pairs, cut_prompts = [], 0
    for number in range(len(prompts)):
        pair = {name: encoded[name][number] for name in encoded}
        places = encoded.sequence_ids(number)
        excess = max(len(places) - max_tokens, 0)
        prompt = [place for place, text in enumerate(places) if text == FIRST]
        if excess > len(prompt):
            raise ValueError(
                f"row {number}: the response takes {len(places) - len(prompt)} tokens, special ones "
                f"included, of the reward model's max_tokens = {max_tokens}; it is never cut"
            )
        if excess:
            lost = set(prompt[:excess])
            pair = {
                name: [value for place, value in enumerate(values) if place not in lost]
                for name, values in pair.items()
            }
        cut_prompts += excess > 0
        pairs.append(pair)
    return pairs, cut_prompts
