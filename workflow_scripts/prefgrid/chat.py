"""The one place where prompts and responses become tokens.

SFT, sampling, scoring, training and evaluation all call these functions, so no two stages can
disagree about the text a model sees. Formats: `chat` renders the tokenizer's own chat template
(user turn, generation prompt, thinking off); `raw` is the bare text, as in the published SPO code,
after the start token where the tokenizer puts one. What a template renders is tokenized as it
stands: it writes its start token itself.
"""

from collections.abc import Sequence
from typing import Any

FORMATS = ("chat", "raw")
ROLES = ("user", "assistant")
# Of a prompt: what templates of thinking models read, and others do not know.
THINKING_OFF = {"enable_thinking": False}
# Any dialogue: what surrounds the texts is the same in all.
PROMPT, RESPONSE = "Name a colour.", "Blue it is."
LINE = "\n"


def check_format(tokenizer: Any, prompt_format: str) -> None:
    """ValueError if the format is none of `FORMATS`, or the tokenizer cannot render it."""
    if prompt_format not in FORMATS:
        raise ValueError(f"prompt_format {prompt_format!r}: allowed are {', '.join(FORMATS)}")
    if prompt_format == "chat" and not tokenizer.chat_template:
        raise ValueError(
            f"the tokenizer of {str(tokenizer.name_or_path)!r} has no chat template: "
            "use a chat model, or set prompt_format: raw"
        )


def template_texts(
    tokenizer: Any, dialogues: Sequence[Sequence[str]], *, asks: bool = False
) -> list[str]:
    """What the template makes of dialogues, each a prompt or a prompt and a response.

    asks: up to where the model's own response begins, with thinking off.
    """
    messages = [
        [{"role": role, "content": text} for role, text in zip(ROLES, turns, strict=False)]
        for turns in dialogues
    ]
    options = {"add_generation_prompt": True, **THINKING_OFF} if asks else {}
    return tokenizer.apply_chat_template(messages, tokenize=False, **options)


def render_prompt(tokenizer: Any, prompt: str, prompt_format: str) -> list[int]:
    """Token ids a model is conditioned on before it writes its response to `prompt`."""
    start = start_ids(tokenizer) if prompt_format == "raw" else []
    return [*start, *_bare(tokenizer, [prompt_text(tokenizer, prompt, prompt_format)])[0]]


def prompt_text(tokenizer: Any, prompt: str, prompt_format: str) -> str:
    """What stands before a response to `prompt`, but for the start token of the raw format."""
    check_format(tokenizer, prompt_format)
    if prompt_format == "raw":
        return prompt
    return template_texts(tokenizer, [[prompt]], asks=True)[0]


def render_dialogues(
    tokenizer: Any, prompts: Sequence[str], responses: Sequence[str], prompt_format: str
) -> list[tuple[list[int], list[int]]]:
    """Token ids of finished dialogues, as (prompt part, response part): what a reward model reads.

    The two parts concatenated are exactly the template's rendering of both turns.
    """
    check_format(tokenizer, prompt_format)
    if not prompts:
        return []
    distinct = list(dict.fromkeys(prompts))
    if prompt_format == "raw":
        start = start_ids(tokenizer)
        heads = _bare(tokenizer, distinct)
        tails = continuations(tokenizer, list(zip(prompts, responses, strict=True)))
        head_of = dict(zip(distinct, heads, strict=True))
        return [
            ([*start, *head_of[prompt]], tail) for prompt, tail in zip(prompts, tails, strict=True)
        ]
    heads = _bare(tokenizer, template_texts(tokenizer, [[prompt] for prompt in distinct]))
    length_of = {prompt: len(head) for prompt, head in zip(distinct, heads, strict=True)}
    pairs = list(zip(prompts, responses, strict=True))
    whole = _bare(tokenizer, template_texts(tokenizer, pairs))
    return [
        (tokens[: length_of[prompt]], tokens[length_of[prompt] :])
        for prompt, tokens in zip(prompts, whole, strict=True)
    ]


def start_ids(tokenizer: Any) -> list[int]:
    """What the tokenizer itself puts before a text, its start token; for most it is nothing.

    An end token that it would put behind a text is left out: nothing could follow.
    """
    [bare], whole = _bare(tokenizer, [PROMPT]), tokenizer(PROMPT)["input_ids"]
    for start in range(len(whole) - len(bare) + 1):
        if whole[start : start + len(bare)] == bare:
            return whole[:start]
    raise ValueError(
        f"the tokenizer of {str(tokenizer.name_or_path)!r} reads a text with special tokens "
        "otherwise than without: use another model, or set prompt_format: chat"
    )


def eos_id(tokenizer: Any) -> int:
    """Id of the tokenizer's own end token."""
    if tokenizer.eos_token_id is None:
        raise ValueError(
            f"the tokenizer of {tokenizer.name_or_path!r} has no end-of-sequence token"
        )
    return tokenizer.eos_token_id


def end_id(tokenizer: Any, prompt_format: str) -> int:
    """Id of the token that ends a response.

    In the chat format the first special token that the template writes behind a response, which
    need not be the tokenizer's own end token (Gemma's <end_of_turn>); that one is taken where the
    template writes none, and in the raw format.
    """
    check_format(tokenizer, prompt_format)
    if prompt_format == "chat":
        [text] = template_texts(tokenizer, [(PROMPT, RESPONSE)])
        _, found, behind = text.rpartition(RESPONSE)
        special = _special_ids(tokenizer)
        for token in _bare(tokenizer, [behind])[0] if found else []:
            if token in special:
                return token
    return eos_id(tokenizer)


def _special_ids(tokenizer: Any) -> set[int]:
    """Added tokens with a meaning: not runs of white space, which some vocabularies add."""
    added = {
        number
        for number, token in tokenizer.added_tokens_decoder.items()
        if token.special or token.content.strip()
    }
    # GPT-2 has one token for both.
    unknown = {tokenizer.unk_token_id} - {tokenizer.eos_token_id}
    return added - unknown


def encode_responses(
    tokenizer: Any, prompt: str, responses: Sequence[str], prompt_format: str, end: int
) -> list[list[int]]:
    """Token ids of responses to `prompt` that somebody else wrote, with the end token to be learned.

    Behind those of `render_prompt` they are the tokens of the whole text.
    """
    text = prompt_text(tokenizer, prompt, prompt_format)
    return [[*ids, end] for ids in continuations(tokenizer, [(text, one) for one in responses])]


def continuations(tokenizer: Any, pairs: Sequence[tuple[str, str]]) -> list[list[int]]:
    """Token ids of the second text of each pair where it stands behind the first.

    Alone a text may be read otherwise: tokenizers after SentencePiece put a space before it. Where
    a token of both texts together would cross their border, which no response to the first text's
    own tokens can do, the second is read as at the start of a line.
    """
    firsts = list(dict.fromkeys(first for first, _ in pairs))
    heads = dict(zip(firsts, _bare(tokenizer, firsts), strict=True))
    wholes = _bare(tokenizer, [first + second for first, second in pairs])
    [line] = _bare(tokenizer, [LINE])
    found = []
    for (first, second), whole in zip(pairs, wholes, strict=True):
        head = heads[first]
        if whole[: len(head)] != head:
            head, [whole] = line, _bare(tokenizer, [LINE + second])
        found.append(
            whole[len(head) :] if whole[: len(head)] == head else _bare(tokenizer, [second])[0]
        )
    return found


def decode_response(tokenizer: Any, tokens: list[int]) -> str:
    """Text of sampled response tokens, special tokens left out."""
    return tokenizer.decode(tokens, skip_special_tokens=True)


def _bare(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    return tokenizer(list(texts), add_special_tokens=False)["input_ids"] if texts else []
