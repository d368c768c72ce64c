"""Labelling scored pairs: nested in n, one noise for all shifts, one scale a seed."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from link_robustness import label_preferences
from prefgrid import links, seeding
from prefgrid.data import preferences
from prefgrid.files import kinds, records, store
from prefgrid.job.jobs import Job

PUBLISHED = ["prompt", "response_0", "response_1", "z", "reward_diff", "reward_scale"]
SEED = 3


def scored_group(group: int, reward_0: float, reward_1: float) -> dict:
    return {
        "group": group,
        "prompt_id": f"{group:016x}",
        "prompt": f"prompt {group}",
        "prompt_tokens": [group],
        "responses": [
            {"text": f"first {group}", "tokens": [10, group], "finish": "stop", "reward": reward_0},
            {"text": f"second {group}", "tokens": [11], "finish": "length", "reward": reward_1},
        ],
    }


def swapped(group: dict) -> dict:
    return group | {"responses": group["responses"][::-1]}


def pool(count: int, seed: int = 0) -> list[dict]:
    rng = np.random.default_rng(seed)
    return [scored_group(i, *map(float, rng.normal(size=2))) for i in range(count)]


def label(groups: list[dict], n: int, shift: float, temperature: float) -> list[dict]:
    return preferences.label(groups, n, shift, temperature, SEED)


def noise(groups: list[dict]) -> np.ndarray:
    """U of each pair, float64 [N]: of the seed and the prompt."""
    keys = [(group["prompt_id"],) for group in groups]
    return seeding.uniforms(SEED, "labels", keys, 1)[:, 0]


def chosen_noise(monkeypatch: pytest.MonkeyPatch, uniform: Sequence[float]) -> None:
    """The pairs' U, in order, are `uniform`."""
    drawn = np.array(uniform)[:, None]
    monkeypatch.setattr(preferences.seeding, "uniforms", lambda *_, **__: drawn)


POOLS = st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=2, max_size=12).map(
    lambda values: [scored_group(i, *value) for i, value in enumerate(values)]
)
SHIFTS = st.floats(0, 8)


def test_identical_responses_are_kept_or_left_out_and_the_others_stay_as_they_are():
    """Kind: pairs without any difference train on a coin toss and on rounding noise, uncounted.

    What is left out of the first n has no other pair in its place: n = 3 is a prefix of n = 6 still.
    """
    groups = pool(6)
    for index in (1, 4):
        first, second = groups[index]["responses"]
        second["text"] = first["text"]
    kept = label(groups, 6, 4.0, 1.0)
    dropped = preferences.label(groups, 6, 4.0, 1.0, SEED, drop_identical=True)
    assert [row["pair"] for row in kept] == [0, 1, 2, 3, 4, 5]
    assert dropped == [row for row in kept if row["pair"] not in (1, 4)]
    fewer = preferences.label(groups, 3, 4.0, 1.0, SEED, drop_identical=True)
    assert fewer == dropped[:2]
    with pytest.raises(store.DataError, match="same in all of the first 2 pairs"):
        preferences.label([groups[1], groups[4]], 2, 4.0, 1.0, SEED, drop_identical=True)


def test_responses_of_other_text_are_never_identical():
    assert not any(map(preferences.identical, pool(5)))
    group = scored_group(0, 1.0, 1.0)
    group["responses"][1] = dict(group["responses"][0])
    assert preferences.identical(group)


@pytest.mark.parametrize(("identical", "warns"), [(0, None), (1, False), (2, True)])
@pytest.mark.parametrize("choice", ["keep", "drop"])
def test_identical_responses_are_counted_and_many_are_a_warning(
    tmp_path, capsys, identical, warns, choice
):
    """More than 5 % of 20 pairs are 2."""
    groups = pool(30)
    for group in [*groups[:identical], *groups[20:]]:  # those behind the first n do not count
        group["responses"][1] = group["responses"][0] | {"reward": 0.0}
    store.write_jsonl(tmp_path / "rewards.jsonl", groups)
    spec = {"n": 20, "shift": 0.0, "link_temperature": 1.0, "seed": SEED}
    outputs = {"preferences": tmp_path / "preferences.jsonl"}
    label_preferences.main(
        Job(
            inputs={"rewards": tmp_path / "rewards.jsonl"},
            outputs=outputs,
            finals=outputs,
            spec=spec | {"identical_responses": choice},
        )
    )
    said = capsys.readouterr().err
    words = f"{identical} of the first 20 pairs have the same response twice; they are "
    assert (words in said) == bool(identical)
    assert ("warning" in said) == bool(warns)
    assert ("left out" in said) == (bool(identical) and choice == "drop")
    rows = store.read_jsonl(outputs["preferences"])
    assert len(rows) == 20 - (identical if choice == "drop" else 0)


def test_by_hand(monkeypatch):
    """Differences 2, −2, 0, 0: mean 0, sd √(8/4) = √2, scale 1/√2, so u = √2, −√2, 0, 0.

    T = 1, s = 0: Ψ = σ(u) = 0.8044, 0.1956, ½, ½; z = [U < Ψ].
    """
    rewards = [(1.0, 3.0), (3.0, 1.0), (0.0, 0.0), (0.0, 0.0)]
    groups = [scored_group(i, *both) for i, both in enumerate(rewards)]
    chosen_noise(monkeypatch, [0.80, 0.20, 0.49, 0.50])
    labelled = label(groups, 4, 0.0, 1.0)
    assert [row["z"] for row in labelled] == [1, 0, 1, 0]
    root = np.sqrt(2)
    np.testing.assert_allclose([row["reward_diff"] for row in labelled], [root, -root, 0, 0])
    assert [row["reward_scale"] for row in labelled] == pytest.approx([1 / root] * 4)


@given(POOLS, SHIFTS, st.floats(0.01, 10))
def test_labels_are_noise_below_the_link(groups, shift, temperature):
    labelled = label(groups, len(groups), shift, temperature)
    u = np.array([row["reward_diff"] for row in labelled])
    expected = noise(groups) < links.mixture(u, shift, temperature)
    assert [row["z"] for row in labelled] == list(expected.astype(int))


def test_noise_belongs_to_a_seed_and_a_prompt():
    """Even odds for all (u = 0): z is the noise alone. It follows the prompt, not the place."""
    groups = [scored_group(i, 0.0, 0.0) for i in range(200)]
    labels = {row["pair"]: row["z"] for row in label(groups, 200, 0.0, 1.0)}
    turned = {row["pair"]: row["z"] for row in label(groups[::-1], 200, 0.0, 1.0)}
    other = {row["pair"]: row["z"] for row in preferences.label(groups, 200, 0.0, 1.0, SEED + 1)}
    assert turned == labels
    # Of 200 fair coins, 100 differ on average; fewer than 60 or more than 140 has probability 1e-8.
    assert 60 < sum(labels[pair] != other[pair] for pair in labels) < 140


@given(POOLS, SHIFTS, st.data())
def test_fewer_pairs_are_a_prefix_of_more(groups, shift, data):
    """Scale included: it comes from the whole pool."""
    n = data.draw(st.integers(1, len(groups)))
    assert label(groups, n, shift, 0.25) == label(groups, len(groups), shift, 0.25)[:n]


@given(POOLS)
def test_utilities_have_standard_deviation_one(groups):
    labelled = label(groups, len(groups), 0.0, 1.0)
    u = np.array([row["reward_diff"] for row in labelled])
    raw = np.array([row["reward_1"] - row["reward_0"] for row in labelled])
    if raw.std() > preferences.SMALLEST_SD:
        assert u.std() == pytest.approx(1.0)
    np.testing.assert_allclose(u, raw * labelled[0]["reward_scale"])


def test_shifts_share_their_noise():
    """A label differs between two shifts only where U lies between the two probabilities."""
    groups = pool(400)
    one, two = (label(groups, 400, shift, 0.25) for shift in (0.0, 4.0))
    assert [row["reward_diff"] for row in one] == [row["reward_diff"] for row in two]
    u, uniform = np.array([row["reward_diff"] for row in one]), noise(groups)
    ends = np.sort([links.mixture(u, shift, 0.25) for shift in (0.0, 4.0)], axis=0)
    between = (ends[0] <= uniform) & (uniform < ends[1])
    differ = np.array([a["z"] != b["z"] for a, b in zip(one, two, strict=True)])
    np.testing.assert_array_equal(differ, between)
    assert 0 < differ.sum() < 200


def test_a_flipped_pair_has_the_flipped_label(monkeypatch):
    """Responses swapped and U → 1 − U: Ψ(−u) = 1 − Ψ(u), so z → 1 − z."""
    groups = pool(200)
    uniform = noise(groups)
    labelled = label(groups, 200, 2.0, 0.25)
    chosen_noise(monkeypatch, 1 - uniform)
    opposite = label(list(map(swapped, groups)), 200, 2.0, 0.25)
    assert [row["z"] for row in labelled] == [1 - row["z"] for row in opposite]
    np.testing.assert_allclose(
        [row["reward_diff"] for row in labelled], [-row["reward_diff"] for row in opposite]
    )


def test_label_frequency_is_the_link():
    """One utility for all pairs: Ψ(u) = σ(1) = 0.731 of 5000; standard error 0.0063."""
    labelled = label([scored_group(i, 0.0, 1.0) for i in range(5_000)], 5_000, 0.0, 1.0)
    assert {row["reward_scale"] for row in labelled} == {1.0}, "no spread: nothing to divide by"
    assert np.mean([row["z"] for row in labelled]) == pytest.approx(0.7311, abs=4 * 0.0063)


def test_fields_come_in_the_published_order_then_ours():
    (row, *_) = label([scored_group(7, 0.0, 1.0), scored_group(8, 0.0, 0.0)], 1, 0.0, 1.0)
    assert list(row)[: len(PUBLISHED)] == PUBLISHED
    ours = {name: value for name, value in row.items() if name not in PUBLISHED}
    assert ours == {
        "pair": 7,
        "prompt_id": f"{7:016x}",
        "prompt_tokens": [7],
        "tokens_0": [10, 7],
        "tokens_1": [11],
        "reward_0": 0.0,
        "reward_1": 1.0,
        "finish_0": "stop",
        "finish_1": "length",
    }
    assert (row["prompt"], row["response_0"], row["response_1"]) == (
        "prompt 7",
        "first 7",
        "second 7",
    )
    assert isinstance(row["z"], int) and isinstance(row["reward_diff"], float)
    assert kinds.problem(row, records.Preference) is None


def test_pairs_as_groups_again():
    """What training reads: the responses in their order, the label as target."""
    labelled = label(pool(3), 3, 0.0, 1.0)
    for row, group in zip(labelled, preferences.groups(labelled), strict=True):
        assert group == {
            "group": row["pair"],
            "prompt_tokens": row["prompt_tokens"],
            "responses": [{"tokens": row["tokens_0"]}, {"tokens": row["tokens_1"]}],
            "target": float(row["z"]),
        }


def test_more_pairs_than_there_are_is_an_error():
    with pytest.raises(ValueError, match="n = 4, but only 3 scored pairs exist"):
        label(pool(3), 4, 0.0, 1.0)


def test_rewards_that_are_all_the_same_number_are_refused():
    """The kind: a judge that prefers nothing, whose labels are coin tosses all through a study."""
    flat = [scored_group(k, 0.5, 0.5) for k in range(3)]
    with pytest.raises(store.DataError, match="all 6 rewards are 0.5, so no response is preferred"):
        preferences.check_told_apart(flat)
    preferences.check_told_apart([*flat, scored_group(3, 0.5, 0.6)])
