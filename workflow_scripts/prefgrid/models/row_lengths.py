"""Whether the rows that a run can give to a model are short enough for it."""

from typing import Any

from prefgrid import chat
from prefgrid.models import positions

INERT = True


def check_texts(model: Any, text_tokens: int, template: int) -> None:
    """ValueError if a prompt's own text and a response, together of up to `text_tokens`, can be too long
    for `model` with the `template` tokens of a rendered prompt."""
    limit = positions.row_limit(model)
    if limit is not None and text_tokens + template > limit:
        raise ValueError(
            f"{_kind(model, limit)}; max_prompt_tokens + max_response_tokens is {text_tokens}; "
            f"allowed: at most {limit - template} (the prompt's template takes {template})"
        )


def check_dialogues(model: Any, dialogue_tokens: int) -> None:
    """ValueError if dialogues of up to so many tokens, template included, can be too long for `model`."""
    limit = positions.row_limit(model)
    if limit is not None and dialogue_tokens > limit:
        raise ValueError(
            f"{_kind(model, limit)}; max_tokens is {dialogue_tokens}; allowed: at most {limit}"
        )


def _kind(model: Any, limit: int) -> str:
    learned = limit == positions.learned_limit(model)
    reason = "" if learned else " by the same rotations in any batch"
    return f"this {model.config.model_type} reads rows of up to {limit} tokens{reason}"


def template_tokens(tokenizer: Any, prompt_format: str) -> int:
    """Tokens that a rendered prompt has beside its text's."""
    rendered = chat.render_prompt(tokenizer, "a", prompt_format)
    return len(rendered) - len(tokenizer("a", add_special_tokens=False)["input_ids"])
