"""The preference link: its values, its symmetry, its plateau."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefgrid.links import mixture

UTILITIES = st.floats(-1e6, 1e6)
SHIFTS = st.floats(0, 50)
TEMPERATURES = st.floats(1e-3, 1e3)


def test_values_by_hand():
    """u = ln 3, T = 1: σ(u) = 3/4. With s = ln 3: ½·σ(0) + ½·σ(2 ln 3) = ½·½ + ½·9/10 = 0.7."""
    u = np.log(3)
    assert mixture(u, 0.0, 1.0) == pytest.approx(0.75)
    assert mixture(u, np.log(3), 1.0) == pytest.approx(0.7)
    assert mixture(u / 4, 0.0, 0.25) == pytest.approx(0.75), "T is in the unit of u"


@given(UTILITIES, SHIFTS, TEMPERATURES)
def test_a_flipped_pair_has_the_opposite_probability(u, shift, temperature):
    there, back = mixture(u, shift, temperature), mixture(-u, shift, temperature)
    assert there + back == pytest.approx(1.0, abs=1e-12)
    assert 0 <= there <= 1


@given(st.lists(UTILITIES, min_size=2, max_size=20), SHIFTS, TEMPERATURES)
def test_it_never_falls(us, shift, temperature):
    probabilities = mixture(np.sort(us), shift, temperature)
    assert (np.diff(probabilities) >= -1e-15).all()
    assert probabilities.shape == (len(us),)


def test_a_large_shift_has_a_plateau_at_one_half():
    """T = ¼, s = 4 (the default run): at u = ±½, u/T = ±2: ½σ(−2) + ½σ(6) = 0.558."""
    assert mixture(0.5, 4.0, 0.25) == pytest.approx(0.5 * 0.119203 + 0.5 * 0.997527, abs=1e-6)
    assert mixture(3.0, 4.0, 0.25) > 0.999


@pytest.mark.parametrize(("shift", "steepest_at_zero"), [(1.30, True), (1.33, False)])
def test_the_slope_at_zero_is_the_steepest_up_to_ln_2_plus_sqrt_3(shift, steepest_at_zero):
    """ln(2 + √3) = 1.317."""
    x = np.linspace(0, 0.5, 2001)
    slopes = np.diff(mixture(x, shift, 1.0))
    assert (slopes.argmax() == 0) == steepest_at_zero


def test_extreme_arguments_do_not_overflow():
    with np.errstate(over="raise", invalid="raise"):
        found = mixture(np.array([-1e5, 0.0, 1e5]), 2.0, 1e-8)
    np.testing.assert_allclose(found, [0.0, 0.5, 1.0], atol=1e-15)


@pytest.mark.parametrize(
    ("shift", "temperature", "message"),
    [(-0.5, 1.0, "shift -0.5: must be >= 0"), (0.0, 0.0, "temperature 0.0: must be > 0")],
)
def test_values_out_of_range_are_named(shift, temperature, message):
    with pytest.raises(ValueError, match=message):
        mixture(1.0, shift, temperature)
