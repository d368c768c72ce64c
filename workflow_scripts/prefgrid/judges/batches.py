"""Which dialogues a reward model reads in one forward, and which of them share their prompt."""

import math
from collections.abc import Iterator, Sequence

from prefgrid.judges.dialogues import Dialogue
from prefgrid.logprobs.packing import group_tokens

# A row of so many hidden sizes of tokens spends as much on attention as on linear layers: 4 to 7 in
# the usual shapes of decoders. Only its root counts, and the cost is flat around the best.
ATTENTION_EQUALS_LINEAR = 5


def sharing_groups(
    dialogues: Sequence[Dialogue], *, hidden_size: int | None, most: int
) -> list[list[int]]:
    """Numbers of the dialogues that share one copy of their prompt; at most `most` a group.

    A group of P prompt tokens and T response tokens costs about (P + T)(c + P + T) in a row of its
    own, where a row of c tokens spends as much on attention as on linear layers. For a response
    token that is least at T = √(P(c + P)), so the responses to a prompt are cut into groups of
    about so many tokens, each of neighbours in length. A prompt without tokens is shared by nobody,
    and with `hidden_size` None no prompt is. Groups of most tokens come first: those in a batch
    then fit each other, and memory that does not suffice is missed early. Which dialogues share
    does not depend on the given order.
    """

    def place(number: int) -> tuple[int, list[int], list[int]]:
        prompt, response = dialogues[number]
        return -len(response), prompt, response

    def tokens(numbers: list[int]) -> int:
        return group_tokens(dialogues[numbers[0]][0], [dialogues[number][1] for number in numbers])

    by_prompt: dict[tuple[int, ...], list[int]] = {}
    for number in sorted(range(len(dialogues)), key=place):
        by_prompt.setdefault(tuple(dialogues[number][0]), []).append(number)
    groups: list[list[int]] = []
    for prompt, numbers in by_prompt.items():
        size = 1
        if prompt and hidden_size is not None:
            best = math.sqrt(len(prompt) * (ATTENTION_EQUALS_LINEAR * hidden_size + len(prompt)))
            parts = max(1, round((tokens(numbers) - len(prompt)) / best))
            size = min(most, math.ceil(len(numbers) / parts))
        groups += [numbers[start : start + size] for start in range(0, len(numbers), size)]
    return sorted(groups, key=tokens, reverse=True)


def padded(rows: Sequence[list[int]], pad_id: int) -> tuple[list[list[int]], list[list[int]]]:
    """(token ids, mask) of rows, filled up on the right to the longest."""
    longest = max(map(len, rows))
    ids = [row + [pad_id] * (longest - len(row)) for row in rows]
    return ids, [[1] * len(row) + [0] * (longest - len(row)) for row in rows]


def batches(groups: Sequence[list[int]], most: int) -> Iterator[list[list[int]]]:
    """Whole groups, in the given order, of at most `most` dialogues together; none may have more."""
    batch: list[list[int]] = []
    size = 0
    for group in groups:
        if size + len(group) > most:
            yield batch
            batch, size = [], 0
        batch.append(group)
        size += len(group)
    if batch:
        yield batch
