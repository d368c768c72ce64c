"""Whether the rows that a run can give to a model are short enough for it."""

from typing import Any

from prefgrid import chat
from prefgrid.models import positions

INERT = True


def check_rows(
    source: str,
    model: Any,
    tokenizer: Any,
    prompt_format: str | None,
    *,
    text_tokens: int | None,
    dialogue_tokens: int | None,
) -> None:
    """ValueError naming both numbers if rows can come that are too long for `model`.

    text_tokens: most of a prompt's own text and a response together, to which the template adds.
    dialogue_tokens: most that a judge reads, template included. None: no such rows.
    """
    limit = positions.row_limit(model)
    if limit is None:
        return
    kind = f"{source}: this {model.config.model_type} reads rows of up to {limit} tokens"
    if limit != positions.learned_limit(model):
        kind += " by the same rotations in any batch"
    if dialogue_tokens is not None and dialogue_tokens > limit:
        raise ValueError(
            f"{kind}; a judge's max_tokens is {dialogue_tokens}; allowed: at most {limit}"
        )
    if text_tokens is not None:
        template = _template_tokens(tokenizer, prompt_format)
        if text_tokens + template > limit:
            raise ValueError(
                f"{kind}; max_prompt_tokens + max_response_tokens is {text_tokens}; allowed: at most "
                f"{limit - template} (the prompt's template takes {template})"
            )


def _template_tokens(tokenizer: Any, prompt_format: str | None) -> int:
    """Tokens that a rendered prompt has beside its text's."""
    if prompt_format is None:
        return 0
    rendered = chat.render_prompt(tokenizer, "a", prompt_format)
    return len(rendered) - len(tokenizer("a", add_special_tokens=False)["input_ids"])
