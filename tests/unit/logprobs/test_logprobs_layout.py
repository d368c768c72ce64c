"""Rows of a forward: every token once in its place, seeing exactly its own past."""

import types

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_policy import tiny_model

from prefgrid.logprobs.packing import NO_GROUP, PROMPT, first_fit_decreasing, lay_out
from prefgrid.logprobs.planning import plan, takes_packed_rows
from prefgrid.logprobs.states import _additive_mask

PAD = 0
TOKENS = st.lists(st.integers(1, 9), max_size=6)
GROUPS = st.lists(
    st.tuples(TOKENS.filter(len), st.lists(TOKENS, min_size=1, max_size=3)), min_size=1, max_size=5
)


@given(st.lists(st.integers(1, 20), min_size=1, max_size=30), st.integers(20, 50))
@settings(deadline=None)
def test_first_fit_fills_bins_with_everything_once(sizes, capacity):
    bins = first_fit_decreasing(sizes, capacity)
    assert sorted(index for members in bins for index in members) == list(range(len(sizes)))
    loads = [sum(sizes[index] for index in members) for members in bins]
    assert max(loads) <= capacity
    # First fit: no two bins could have been one.
    assert all(a + b > capacity for n, a in enumerate(loads) for b in loads[n + 1 :])


def test_first_fit_by_hand():
    assert first_fit_decreasing([4, 8, 1, 4, 2, 1], 10) == [[1, 4], [0, 3, 2, 5]]
    assert first_fit_decreasing([5, 5, 5], 10) == [[0, 1], [2]]


@given(GROUPS, st.sampled_from([1.0, 1.5, 3.0]))
@settings(deadline=None, max_examples=50)
def test_every_response_can_be_read_back_through_the_mask(groups, budget):
    """What a response's k-th state sees, ordered by position, is its prompt and k of its tokens."""
    prompts, responses = [prompt for prompt, _ in groups], [group for _, group in groups]
    sizes = [len(prompt) + sum(map(len, group)) for prompt, group in groups]
    rows = first_fit_decreasing(sizes, int(budget * max(sizes)))
    layout = lay_out(prompts, responses, rows, pad_id=PAD)
    seen = (_additive_mask(layout, torch.zeros(1)) == 0).numpy()[:, 0]
    width = layout.input_ids.shape[1]
    assert seen[:, range(width), range(width)].all(), "a token that sees nothing makes NaN"

    in_order = [(p, r) for p, group in zip(prompts, responses, strict=True) for r in group]
    stops = np.cumsum(layout.lengths)
    assert layout.lengths.tolist() == [1 + len(response) for _, response in in_order]
    assert layout.ends.tolist() == layout.states[stops - 1].tolist()
    for (prompt, response), start, stop in zip(
        in_order, stops - layout.lengths, stops, strict=True
    ):
        for token, state in enumerate(layout.states[start:stop]):
            row, column = divmod(state, width)
            columns = np.flatnonzero(seen[row, column])
            positions = layout.positions[row, columns]
            history = [*prompt, *response[:token]]
            assert positions.tolist() == list(range(len(history)))
            assert layout.input_ids[row, columns].tolist() == history
    used = sum(sizes)
    assert (layout.groups != NO_GROUP).sum() == used
    assert (layout.input_ids[layout.groups == NO_GROUP] == PAD).all()
    assert (layout.branches == PROMPT).sum() == layout.groups.size - (layout.lengths - 1).sum()


def is_padded(prompt: int, lengths: list[int]) -> bool:
    """Whether eight groups of a prompt and responses of these lengths get one row a response."""
    prompts, responses = [[1] * prompt] * 8, [[[2] * length for length in lengths]] * 8
    return plan(tiny_model().config, prompts, responses, pad_id=PAD).one_sequence_a_row


def test_the_cheaper_layout_is_taken():
    assert not is_padded(64, [16, 16]), "half of the tokens are the prompt's second copy"
    assert is_padded(64, [16]), "nothing to share, no padding: a mask would only cost"
    assert is_padded(1, [40, 40]), "next to nothing to share"
    assert not is_padded(1, [2, 40]), "two thirds of the padded rows are padding"
    assert not is_padded(64, [16] * 8)


@pytest.mark.parametrize(
    "changes",
    [
        {"model_type": "gemma2"},
        {"_attn_implementation": "flash_attention_2"},
        {"layer_types": ["full_attention", "sliding_attention"]},
        {"sliding_window": 4096},
        {"is_causal": False},
        {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0}},
    ],
)
def test_models_that_would_ignore_or_break_the_mask_take_padded_rows(changes):
    config = tiny_model().config
    known = {
        "model_type": config.model_type,
        "_attn_implementation": config._attn_implementation,
        "layer_types": config.layer_types,
        "sliding_window": config.sliding_window,
        "rope_parameters": config.rope_parameters,
    }
    assert takes_packed_rows(types.SimpleNamespace(**known))
    assert not takes_packed_rows(types.SimpleNamespace(**{**known, **changes}))
