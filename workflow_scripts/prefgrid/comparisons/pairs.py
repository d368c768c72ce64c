"""Pairs of a chosen and a rejected response, in the shapes that preference data have on the hub.

A side is a list of messages with the prompt in it (Skywork-Reward-Preference-80K), a list of messages
behind a prompt of its own (TRL), or a text. Columns: `prompt` or `instruction`; `chosen`; `rejected`
or, in the GPM repository's own rows, `reject`; `margin` where somebody said by how much.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prefgrid.comparisons import rows
from prefgrid.comparisons.base import Compared, Sets, by_prompt
from prefgrid.data import lines

READS = "source"
FIELDS = ("chosen",)
OPTIONAL_FIELDS = ("rejected", "reject", "prompt", "instruction", "margin")
OPTIONS: dict[str, Any] = {}
TURNS = ("user", "assistant")


def read(files: Sequence[Path], options: Mapping[str, Any], data: Mapping[str, Any]) -> Sets:
    """A row a pair. What is not one question and two different answers, which is all that can be
    rendered, is left out and counted."""
    found, left_out = rows.read(files[0], parse, data["bad_row_share"])
    return by_prompt(found, data["eval_share"], **left_out)


def parse(row: Mapping[str, Any]) -> Compared:
    """One pair."""
    rejected = "reject" if row.get("rejected") is None and "reject" in row else "rejected"
    asked = "instruction" if row.get("prompt") is None and "instruction" in row else "prompt"
    sides = [_dialogue(row, asked, side) for side in ("chosen", rejected)]
    (prompt, chosen), (other, unwanted) = sides
    if prompt != other:
        raise rows.Dropped("unequal prompts")
    if not chosen.strip() or not unwanted.strip():
        raise rows.Dropped("empty responses")
    margin = row.get("margin")
    if margin is not None and (isinstance(margin, bool) or not isinstance(margin, int | float)):
        raise rows.Misfit("margin", "number", margin)
    return rows.pair(prompt, chosen, unwanted, margin=None if margin is None else float(margin))


def _dialogue(row: Mapping[str, Any], asked: str, side: str) -> tuple[str, str]:
    """(prompt, response) of one side."""
    if isinstance(row.get(side), list):
        turns = _messages(row, side)
    else:
        turns = [(TURNS[1], rows.text(row, side))]
    # Some write the prompt into a column of its own as well as into the messages.
    if turns and turns[0][0] == TURNS[1]:
        before = row.get(asked)
        given = isinstance(before, list)
        turns = [
            *(_messages(row, asked) if given else [(TURNS[0], rows.words(row, asked))]),
            *turns,
        ]
    if any(role == "system" for role, _ in turns):
        raise rows.Dropped("system messages")
    if len(turns) > len(TURNS):
        raise rows.Dropped("several turns")
    if tuple(role for role, _ in turns) != TURNS or not turns[0][1].strip():
        raise rows.Dropped("no question and answer")
    return turns[0][1], turns[1][1]


def _messages(row: Mapping[str, Any], field: str) -> list[tuple[str, str]]:
    """(role, content) of each message."""
    found = []
    for index, message in enumerate(row[field]):
        for key in ("role", "content"):
            value = message.get(key) if isinstance(message, dict) else None
            if not lines.is_text(value):
                raise rows.Misfit(f"{field}[{index}].{key}", "string", value)
        found.append((message["role"], message["content"]))
    return found
