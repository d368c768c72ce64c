"""Labelling scored pairs: nested in n, one noise for all shifts, one scale a seed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefgrid import links
from prefgrid.data import preferences

PUBLISHED = ["prompt", "response_0", "response_1", "z", "reward_diff", "reward_scale"]


def scored_row(pair: int, reward_0: float, reward_1: float, uniform: float) -> dict:
    return {
        "pair": pair,
        "prompt_id": f"{pair:016x}",
        "prompt": f"prompt {pair}",
        "prompt_tokens": [pair],
        "response_0": f"first {pair}",
        "response_1": f"second {pair}",
        "tokens_0": [10, pair],
        "tokens_1": [11, pair],
        "finish_0": "stop",
        "finish_1": "length",
        "reward_0": reward_0,
        "reward_1": reward_1,
        "uniform": uniform,
    }


def pool(count: int, seed: int = 0) -> list[dict]:
    rng = np.random.default_rng(seed)
    return [
        scored_row(i, *map(float, rng.normal(size=2)), float(rng.random())) for i in range(count)
    ]


POOLS = st.lists(
    st.tuples(st.floats(-50, 50), st.floats(-50, 50), st.floats(0, 1, exclude_max=True)),
    min_size=2,
    max_size=12,
).map(lambda values: [scored_row(i, *value) for i, value in enumerate(values)])
SHIFTS = st.floats(0, 8)


def test_by_hand():
    """Differences 2, −2, 0, 0: mean 0, sd √(8/4) = √2, scale 1/√2, so u = √2, −√2, 0, 0.

    T = 1, s = 0: Ψ = σ(u) = 0.8044, 0.1956, ½, ½; z = [U < Ψ].
    """
    rows = [
        scored_row(0, 1.0, 3.0, 0.80),
        scored_row(1, 3.0, 1.0, 0.20),
        scored_row(2, 0.0, 0.0, 0.49),
        scored_row(3, 0.0, 0.0, 0.50),
    ]
    labelled = preferences.label(rows, 4, 0.0, 1.0)
    assert [row["z"] for row in labelled] == [1, 0, 1, 0]
    root = np.sqrt(2)
    np.testing.assert_allclose([row["reward_diff"] for row in labelled], [root, -root, 0, 0])
    assert [row["reward_scale"] for row in labelled] == pytest.approx([1 / root] * 4)


@given(POOLS, SHIFTS, st.floats(0.01, 10))
def test_labels_are_noise_below_the_link(rows, shift, temperature):
    labelled = preferences.label(rows, len(rows), shift, temperature)
    u = np.array([row["reward_diff"] for row in labelled])
    uniform = np.array([row["uniform"] for row in rows])
    expected = uniform < links.mixture(u, shift, temperature)
    assert [row["z"] for row in labelled] == list(expected.astype(int))


@given(POOLS, SHIFTS, st.data())
def test_fewer_pairs_are_a_prefix_of_more(rows, shift, data):
    """Scale included: it comes from the whole pool."""
    n = data.draw(st.integers(1, len(rows)))
    assert (
        preferences.label(rows, n, shift, 0.25)
        == preferences.label(rows, len(rows), shift, 0.25)[:n]
    )


@given(POOLS)
def test_utilities_have_standard_deviation_one(rows):
    labelled = preferences.label(rows, len(rows), 0.0, 1.0)
    u = np.array([row["reward_diff"] for row in labelled])
    raw = np.array([row["reward_1"] - row["reward_0"] for row in rows])
    if raw.std() > preferences.SMALLEST_SD:
        assert u.std() == pytest.approx(1.0)
    np.testing.assert_allclose(u, raw * labelled[0]["reward_scale"])


def test_shifts_share_their_noise():
    """A label differs between two shifts only where U lies between the two probabilities."""
    rows = pool(400)
    one, two = (preferences.label(rows, 400, shift, 0.25) for shift in (0.0, 4.0))
    assert [row["reward_diff"] for row in one] == [row["reward_diff"] for row in two]
    u = np.array([row["reward_diff"] for row in one])
    uniform = np.array([row["uniform"] for row in rows])
    ends = np.sort([links.mixture(u, shift, 0.25) for shift in (0.0, 4.0)], axis=0)
    between = (ends[0] <= uniform) & (uniform < ends[1])
    differ = np.array([a["z"] != b["z"] for a, b in zip(one, two, strict=True)])
    np.testing.assert_array_equal(differ, between)
    assert 0 < differ.sum() < 200


def test_a_flipped_pair_has_the_flipped_label():
    """Responses swapped and U → 1 − U: Ψ(−u) = 1 − Ψ(u), so z → 1 − z."""
    rows = pool(200)
    flipped = [
        scored_row(row["pair"], row["reward_1"], row["reward_0"], 1 - row["uniform"])
        for row in rows
    ]
    labelled, opposite = (preferences.label(data, 200, 2.0, 0.25) for data in (rows, flipped))
    assert [row["z"] for row in labelled] == [1 - row["z"] for row in opposite]
    np.testing.assert_allclose(
        [row["reward_diff"] for row in labelled], [-row["reward_diff"] for row in opposite]
    )


def test_label_frequency_is_the_link():
    """One utility for all pairs: Ψ(u) = σ(1) = 0.731 of 5000; standard error 0.0063."""
    rng = np.random.default_rng(1)
    rows = [scored_row(i, 0.0, 1.0, float(x)) for i, x in enumerate(rng.random(5_000))]
    labelled = preferences.label(rows, len(rows), 0.0, 1.0)
    assert {row["reward_scale"] for row in labelled} == {1.0}, "no spread: nothing to divide by"
    assert np.mean([row["z"] for row in labelled]) == pytest.approx(0.7311, abs=4 * 0.0063)


def test_fields_come_in_the_published_order_then_ours():
    (row, *_) = preferences.label(pool(3), 2, 0.0, 1.0)
    assert list(row) == PUBLISHED + list(preferences.CARRIED)
    assert list(preferences.FIELDS) == PUBLISHED
    assert {"pair", "prompt_id", "tokens_0", "tokens_1", "finish_0", "finish_1"} <= row.keys()
    assert isinstance(row["z"], int) and isinstance(row["reward_diff"], float)


def test_more_pairs_than_there_are_is_an_error():
    with pytest.raises(ValueError, match="n = 4, but only 3 scored pairs exist"):
        preferences.label(pool(3), 4, 0.0, 1.0)


def test_chosen_is_what_the_label_prefers():
    rows = [
        {"prompt": "p", "response_0": "a", "response_1": "b", "z": 1, "reward_diff": -1.0},
        {"prompt": "q", "response_0": "c", "response_1": "d", "z": 0, "reward_diff": 1.0},
    ]
    assert preferences.to_chosen_rejected(rows) == [
        {"prompt": "p", "chosen": "b", "rejected": "a"},
        {"prompt": "q", "chosen": "c", "rejected": "d"},
    ]


def test_the_export_loads_as_a_plain_text_preference_dataset():
    import datasets

    pairs = preferences.to_chosen_rejected(preferences.label(pool(5), 5, 0.0, 1.0))
    loaded = datasets.Dataset.from_list(pairs)
    assert loaded.column_names == ["prompt", "chosen", "rejected"]
    assert loaded.to_list() == pairs
    assert all(feature.dtype == "string" for feature in loaded.features.values())
