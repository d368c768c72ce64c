"""PAVA against scikit-learn, on inputs with ties and weights."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from prefgrid.objectives.isotonic import fit_blocks

# Few distinct x, so that most examples have ties; weights and targets in eighths are exact.
POINTS = st.lists(
    st.tuples(st.integers(-5, 5), st.integers(-16, 16), st.integers(1, 24)),
    min_size=1,
    max_size=40,
)


def level_at(x: np.ndarray, blocks) -> np.ndarray:
    """The level of the block each x lies in."""
    return blocks.value[np.searchsorted(blocks.right, x)]


@settings(max_examples=150, deadline=None)
@given(POINTS)
def test_pava_equals_sklearn(points):
    x, y, weight = np.array(points, dtype=np.float64).T
    y, weight = y / 8, weight / 8
    blocks = fit_blocks(x, y, weight)
    expected = IsotonicRegression().fit(x, y, sample_weight=weight).predict(x)
    np.testing.assert_allclose(level_at(x, blocks), expected, atol=1e-6)
    assert np.all(np.diff(blocks.value) > 0)
    assert np.isclose(blocks.weight.sum(), weight.sum())
    assert np.all(blocks.left <= blocks.right)
    assert np.all(blocks.right[:-1] < blocks.left[1:])


def test_pava_equals_sklearn_on_labels():
    """0/1 labels at continuous indices, as PSPO uses it; the same with and without pooling ties."""
    generator = np.random.default_rng(0)
    t = generator.normal(size=3000)
    z = (generator.random(3000) < 1 / (1 + np.exp(-2 * t))).astype(np.float64)
    expected = IsotonicRegression().fit(t, z).predict(t)
    for pool_ties in (True, False):
        blocks = fit_blocks(t, z, pool_ties=pool_ties)
        np.testing.assert_allclose(level_at(t, blocks), expected, atol=1e-9)
