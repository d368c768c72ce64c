"""Preferences as others' trainers take them: chosen and rejected, with an explicit prompt (TRL)."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prefgrid import chat


def rows(preferences: Iterable[Mapping[str, Any]], prompt_format: str) -> Iterator[dict[str, Any]]:
    """Each preference as {prompt, chosen, rejected}.

    chat: each of the three is a list of one turn, {role, content}, for the trainer to render with
    the tokenizer's chat template; `chat_template_kwargs` asks it to leave thinking off, as our
    prompts do. raw: plain text.
    """
    user, assistant = chat.ROLES
    for row in preferences:
        texts = {
            "prompt": (user, row["prompt"]),
            "chosen": (assistant, row[f"response_{row['z']}"]),
            "rejected": (assistant, row[f"response_{1 - row['z']}"]),
        }
        if prompt_format == "raw":
            yield {name: text for name, (_, text) in texts.items()}
        else:
            turns = {
                name: [{"role": role, "content": text}] for name, (role, text) in texts.items()
            }
            yield {**turns, "chat_template_kwargs": chat.THINKING_OFF}
