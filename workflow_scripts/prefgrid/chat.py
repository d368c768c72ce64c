"""The one place where prompts and responses become tokens.

SFT, sampling, scoring, training and evaluation all call these functions, so no two stages can
disagree about the text a model sees. Formats: `chat` renders the tokenizer's own chat template
(user turn, generation prompt, thinking off); `raw` is the bare text, as in the published SPO code.
"""

from collections.abc import Sequence
from typing import Any

FORMATS = ("chat", "raw")


def check_format(tokenizer: Any, prompt_format: str) -> None:
    """ValueError if the format is none of `FORMATS`, or the tokenizer cannot render it."""
    if prompt_format not in FORMATS:
        raise ValueError(f"prompt_format {prompt_format!r}: allowed are {', '.join(FORMATS)}")
    if prompt_format == "chat" and not tokenizer.chat_template:
        raise ValueError(
            f"the tokenizer of {str(tokenizer.name_or_path)!r} has no chat template: "
            "use a chat model, or set prompt_format: raw"
        )


def render_prompt(tokenizer: Any, prompt: str, prompt_format: str) -> list[int]:
    """Token ids a model is conditioned on before it writes its response to `prompt`."""
    check_format(tokenizer, prompt_format)
    if prompt_format == "raw":
        return tokenizer(prompt, add_special_tokens=False)["input_ids"]
    return tokenizer.apply_chat_template(
        [{"role": "user", "content": prompt}],
        add_generation_prompt=True,
        enable_thinking=False,
        return_dict=True,
    )["input_ids"]


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
        heads = tokenizer(distinct, add_special_tokens=False)["input_ids"]
        tails = tokenizer(list(responses), add_special_tokens=False)["input_ids"]
        head_of = dict(zip(distinct, heads, strict=True))
        return [(list(head_of[prompt]), tail) for prompt, tail in zip(prompts, tails, strict=True)]

    def rendered(dialogues: list[list[dict[str, str]]]) -> list[list[int]]:
        return tokenizer.apply_chat_template(dialogues, return_dict=True)["input_ids"]

    def asked(prompt: str) -> dict[str, str]:
        return {"role": "user", "content": prompt}

    heads = rendered([[asked(prompt)] for prompt in distinct])
    length_of = {prompt: len(head) for prompt, head in zip(distinct, heads, strict=True)}
    whole = rendered(
        [
            [asked(prompt), {"role": "assistant", "content": response}]
            for prompt, response in zip(prompts, responses, strict=True)
        ]
    )
    return [
        (tokens[: length_of[prompt]], tokens[length_of[prompt] :])
        for prompt, tokens in zip(prompts, whole, strict=True)
    ]


def eos_id(tokenizer: Any) -> int:
    """Id of the token that ends a response."""
    if tokenizer.eos_token_id is None:
        raise ValueError(
            f"the tokenizer of {tokenizer.name_or_path!r} has no end-of-sequence token"
        )
    return tokenizer.eos_token_id


def encode_response(tokenizer: Any, response: str) -> list[int]:
    """Token ids of a response written by somebody else, with the end token it should learn."""
    return [*tokenizer(response, add_special_tokens=False)["input_ids"], eos_id(tokenizer)]


def decode_response(tokenizer: Any, tokens: list[int]) -> str:
    """Text of sampled response tokens, special tokens left out."""
    return tokenizer.decode(tokens, skip_special_tokens=True)
