"""Where the tokens of prompts and responses stand in the rows of one forward.

Packed rows hold whole groups side by side, each a prompt followed by all of its responses. A token
sees its own prompt and what stands before it in its own response, at the positions of a sequence of
its own; so the prompt is computed once for all responses. Padded rows hold one prompt and one
response each. Everything here is integers on the CPU.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Tokens = Sequence[int]
NO_GROUP = -1
PROMPT = -1


@dataclass(frozen=True)
class Layout:
    """Rows of one forward, and where in them the responses' states stand.

    input_ids, positions int64 [rows, width]: a token and its place in its own sequence.
    groups, branches int64 [rows, width]: a token's group (NO_GROUP: padding), and its response
    within the group (PROMPT: the prompt's).
    states int64 [P]: flat index (row · width + column) of the last token of a response's prompt and
    then of each of its own tokens; response after response in the given order.
    lengths int64 [R]: how many these are for each response, its tokens and one.
    """

    input_ids: np.ndarray
    positions: np.ndarray
    groups: np.ndarray
    branches: np.ndarray
    states: np.ndarray
    lengths: np.ndarray

    @property
    def one_sequence_a_row(self) -> bool:
        """Whether every row is one prompt with one response."""
        return len(self.lengths) == len(self.input_ids)

    @property
    def ends(self) -> np.ndarray:
        """int64 [R]: flat index of the last token of each response, of its prompt if it is empty."""
        return self.states[self.lengths.cumsum() - 1]


def first_fit_decreasing(sizes: Sequence[int], capacity: int) -> list[list[int]]:
    """Bins of indices with total size <= capacity: largest first, each into the first bin it fits.

    Uses at most 11/9 of the fewest possible bins plus one (Johnson 1973). Ties go by index.
    """
    bins: list[list[int]] = []
    free: list[int] = []
    for index in sorted(range(len(sizes)), key=lambda index: (-sizes[index], index)):
        for number, space in enumerate(free):
            if sizes[index] <= space:
                bins[number].append(index)
                free[number] -= sizes[index]
                break
        else:
            bins.append([index])
            free.append(capacity - sizes[index])
    return bins


def lay_out(
    prompts: Sequence[Tokens],
    responses: Sequence[Sequence[Tokens]],
    rows: Sequence[Sequence[int]],
    *,
    pad_id: int,
) -> Layout:
    """Put group `g` into the row that names it: `rows` is a partition of all groups.

    Responses may be empty, and a prompt too, where the state after it is not asked for.
    """
    sizes = [group_tokens(*group) for group in zip(prompts, responses, strict=True)]
    width = max(sum(sizes[group] for group in row) for row in rows)
    shape = (len(rows), width)
    input_ids = np.full(shape, pad_id)
    positions = np.zeros(shape, dtype=np.int64)
    groups = np.full(shape, NO_GROUP)
    branches = np.full(shape, PROMPT)
    states: list[list[np.ndarray]] = [[] for _ in prompts]
    for row, members in enumerate(rows):
        column = 0
        for group in members:
            prompt = len(prompts[group])
            groups[row, column : column + sizes[group]] = group
            input_ids[row, column : column + prompt] = prompts[group]
            positions[row, column : column + prompt] = np.arange(prompt)
            last_of_prompt = row * width + column + prompt - 1
            column += prompt
            for branch, response in enumerate(responses[group]):
                stop = column + len(response)
                input_ids[row, column:stop] = response
                positions[row, column:stop] = np.arange(prompt, prompt + len(response))
                branches[row, column:stop] = branch
                own = np.arange(column, stop) + row * width
                states[group].append(np.concatenate([[last_of_prompt], own]))
                column = stop
    in_order = [response for group in states for response in group]
    return Layout(
        input_ids,
        positions,
        groups,
        branches,
        states=np.concatenate(in_order),
        lengths=np.array([len(response) for response in in_order]),
    )


def group_tokens(prompt: Tokens, responses: Sequence[Tokens]) -> int:
    """Tokens of a group whose responses share the prompt."""
    return len(prompt) + sum(map(len, responses))
