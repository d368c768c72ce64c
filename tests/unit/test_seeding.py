"""Random streams are keyed by purpose, never by call order."""

import numpy as np
import pytest

from prefgrid import seeding

PINNED_SEED = 4500416526356179731
PINNED_UNIFORMS = [0.46110383564334934, 0.9102332793440128]


def test_same_key_same_numbers_wherever_they_are_drawn():
    first = seeding.stream(3, "label noise", "pair", 7).random(5)
    seeding.stream(3, "something else").random(1000)
    np.testing.assert_array_equal(first, seeding.stream(3, "label noise", "pair", 7).random(5))


def test_numbers_are_pinned():
    """A change of the derivation would silently change every result; these are its first values."""
    assert seeding.torch_seed(0, "init") == PINNED_SEED
    np.testing.assert_allclose(seeding.stream(0, "init").random(2), PINNED_UNIFORMS, rtol=1e-15)


def test_a_wider_matrix_extends_every_row():
    keys = [("a", 0), ("a", 1), ("b", 0)]
    narrow, wide = (seeding.uniforms(1, "sampling", keys, width) for width in (4, 9))
    np.testing.assert_array_equal(narrow, wide[:, :4])


def test_a_row_depends_on_its_key_alone():
    keys = [(f"prompt {i}", i % 3) for i in range(6)]
    whole = seeding.uniforms(1, "sampling", keys, 5)
    reverse = seeding.uniforms(1, "sampling", keys[::-1], 5)
    np.testing.assert_array_equal(whole, reverse[::-1])
    np.testing.assert_array_equal(whole[2:4], seeding.uniforms(1, "sampling", keys[2:4], 5))


@pytest.mark.parametrize(
    "other", [(2, "noise", "k"), (1, "order", "k"), (1, "noise", "l"), (1, "noise")], ids=str
)
def test_different_keys_give_independent_streams(other):
    """|correlation| of n independent pairs is below 5/√n but for a chance of 6e-7."""
    count = 10_000
    first = seeding.stream(1, "noise", "k").random(count)
    second = seeding.stream(*other).random(count)
    assert abs(np.corrcoef(first, second)[0, 1]) < 5 / np.sqrt(count)


def test_rows_are_uniform_and_independent():
    """Mean ½ and variance 1/12; standard errors are √(1/12/n) and √(1/180/n)."""
    rows = seeding.uniforms(5, "sampling", [(i,) for i in range(500)], 40)
    assert rows.dtype == np.float64
    assert rows.min() >= 0 and rows.max() < 1
    assert abs(rows.mean() - 1 / 2) < 5 * np.sqrt(1 / 12 / rows.size)
    assert abs(rows.var() - 1 / 12) < 5 * np.sqrt(1 / 180 / rows.size)
    neighbours = np.corrcoef(rows[:-1].ravel(), rows[1:].ravel())[0, 1]
    assert abs(neighbours) < 5 / np.sqrt(rows.size)


def test_adjacent_keys_do_not_run_together():
    """("ab", "c") and ("a", "bc") are two keys, and so are 1 and "1"."""
    assert seeding.torch_seed(0, "p", "ab", "c") != seeding.torch_seed(0, "p", "a", "bc")
    assert seeding.torch_seed(0, "p", 1) != seeding.torch_seed(0, "p", "1")


def test_torch_seeds_fit_in_63_bits():
    seeds = [seeding.torch_seed(seed, "init") for seed in range(200)]
    assert len(set(seeds)) == 200
    assert 2**61 < max(seeds) < 2**63 and min(seeds) >= 0
