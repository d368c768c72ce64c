"""How long the rows can be that a run gives to its models."""

from typing import Any


def longest_rows(config: Any, name: str) -> dict[str, int | None]:
    """Of the world's model `name`: text_tokens, the most of a prompt's text and a response together;
    dialogue_tokens, the most that a judge reads with it. None where it gets no such rows."""
    text = config.max_prompt_tokens + config.max_response_tokens
    asked = [judge for judge in config.judges.values() if judge.model == name]
    limits = [judge.all_options.get("max_tokens") for judge in asked]
    return {
        "text_tokens": text if name == "base" else None,
        "dialogue_tokens": max((limit for limit in limits if limit is not None), default=None),
    }
