"""PAVA against brute force, and the conventions of pooling and merging."""

import itertools

import numpy as np
import pytest

from prefgrid.objectives.isotonic import fit_blocks, misplaced, pool_equal


def brute_force(y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The isotonic fit by trying every partition of the points into consecutive blocks."""
    best, best_cost = None, np.inf
    for cuts in itertools.product((False, True), repeat=len(y) - 1):
        block = np.concatenate([[0], np.cumsum(cuts)])
        mean = np.bincount(block, weight * y) / np.bincount(block, weight)
        if np.all(np.diff(mean) >= 0):
            cost = np.sum(weight * (y - mean[block]) ** 2)
            if cost < best_cost:
                best, best_cost = mean[block], cost
    return best


@pytest.mark.parametrize("seed", range(20))
def test_pava_equals_brute_force(seed):
    generator = np.random.default_rng(seed)
    y = generator.integers(0, 2, size=9).astype(float)
    weight = generator.integers(1, 4, size=9).astype(float)
    x = np.arange(9.0)
    blocks = fit_blocks(x, y, weight)
    fitted = blocks.value[np.searchsorted(blocks.right, x)]
    np.testing.assert_allclose(fitted, brute_force(y, weight), atol=1e-12)


def test_worked_example():
    """y = 0 1 0 1 1 at x = 1..5: the pair (1, 0) pools to 1/2. Three blocks."""
    blocks = fit_blocks(np.arange(1.0, 6.0), np.array([0.0, 1.0, 0.0, 1.0, 1.0]))
    assert blocks.left.tolist() == [1, 2, 4]
    assert blocks.right.tolist() == [1, 3, 5]
    assert blocks.value.tolist() == [0, 0.5, 1]
    assert blocks.weight.tolist() == [1, 2, 2]


def test_ties_are_pooled_with_their_weights():
    """x = 2, 1, 2 with w = 1, 1, 3 and y = 1, 0, 0: at x = 2, mean 1/4 of weight 4."""
    x, y, weight = pool_equal(
        np.array([2.0, 1.0, 2.0]), np.array([1.0, 0.0, 0.0]), np.array([1.0, 1.0, 3.0])
    )
    assert (x.tolist(), y.tolist(), weight.tolist()) == ([1, 2], [0, 0.25], [1, 4])


def test_equal_indices_are_one_block_only_if_pooled():
    """t ≡ 0 and z = 0 1 1: pooled, one block at 2/3. Unpooled, an arbitrary order makes a link."""
    x, y = np.zeros(3), np.array([0.0, 1.0, 1.0])
    assert fit_blocks(x, y).value.tolist() == [pytest.approx(2 / 3)]
    assert fit_blocks(x, y, pool_ties=False).value.tolist() == [0, 1]


def test_merge_tolerance_keeps_equal_neighbours_apart():
    """The published rule merges when left > right + 1e-6: z = 0 0 1 1 stays four blocks."""
    x, y = np.arange(4.0), np.array([0.0, 0.0, 1.0, 1.0])
    assert fit_blocks(x, y, merge_tolerance=1e-6).value.tolist() == [0, 0, 1, 1]
    assert fit_blocks(x, y).value.tolist() == [0, 1]


def test_misplaced_blocks_slip_behind_a_tie():
    """x = 1 2 2 3 4, z = 0 0 1 1 1: blocks {1}, {2, 2}, {3, 4} at 0, 1/2, 1 with 1, 2, 2 rows.

    Laid over the distinct x = 1 2 3 4 by their rows: {1}, {2, 3} and {4}; the last slot has no x.
    """
    x, y = np.array([1.0, 2.0, 2.0, 3.0, 4.0]), np.array([0.0, 0.0, 1.0, 1.0, 1.0])
    slipped = misplaced(fit_blocks(x, y), x)
    assert slipped.left.tolist() == [1, 2, 4] and slipped.right.tolist() == [1, 3, 4]
    assert slipped.value.tolist() == [0, 0.5, 1]
    # Two ties push the block at 1 off the end: {1, 1, 1}, {2, 2}, {3} over three distinct x.
    x, y = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 3.0]), np.array([0.0, 0.0, 1.0, 0.0, 1.0, 1.0])
    slipped = misplaced(fit_blocks(x, y), x)
    assert (slipped.left.tolist(), slipped.right.tolist()) == ([1], [3])
    assert slipped.value.tolist() == [pytest.approx(1 / 3)]
    # Without ties nothing slips.
    x, y = np.arange(5.0), np.array([0.0, 1.0, 0.0, 1.0, 1.0])
    assert misplaced(fit_blocks(x, y), x).right.tolist() == fit_blocks(x, y).right.tolist()


def test_no_points():
    with pytest.raises(ValueError, match="no points"):
        fit_blocks(np.array([]), np.array([]))
