"""Mean height of a frontier on a common KL interval."""

import numpy as np
import pandas as pd
import pytest

from prefgrid.statistics.area import mean_height, mean_heights


def test_trapezoids_in_root_kl_by_hand():
    """√KL 0, 1, 2 with rewards 0, 2, 3. From √KL ½ to 2: rewards 1, 2, 3;
    area ½·(1 + 2)/2 + 1·(2 + 3)/2 = 3.25, width 1.5."""
    assert mean_height([4.0, 0.0, 1.0], [3.0, 0.0, 2.0], 0.25, 4.0) == pytest.approx(3.25 / 1.5)


def test_gaussian_policies_against_the_closed_form():
    """π_β = N(m, 1) against N(0, 1): KL = m²/2, reward m = √2·√KL, linear in √KL. Its mean from KL a
    to b is √2·(√a + √b)/2."""
    kl_nats = np.linspace(0.1, 1.7, 6) ** 2 / 2
    height = mean_height(kl_nats, np.sqrt(2 * kl_nats), 0.02, 0.9)
    assert height == pytest.approx(np.sqrt(2) * (np.sqrt(0.02) + np.sqrt(0.9)) / 2)


def test_nothing_is_extrapolated():
    assert np.isnan(mean_height([0.1, 1.0], [0.0, 1.0], 0.05, 1.0))
    assert np.isnan(mean_height([0.1, 1.0], [0.0, 1.0], 0.1, 1.01))
    assert mean_height([-1e-17, 1.0], [0.0, 1.0], 0.0, 1.0) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="low < high"):
        mean_height([0.1, 1.0], [0.0, 1.0], 0.5, 0.5)


def _curves(reach: dict[tuple[str, int], float]) -> pd.DataFrame:
    """Reward = √KL up to the given KL, from the reference at KL 0."""
    return pd.DataFrame(
        [
            {"method": method, "seed": seed, "shift": 0.0, "kl_div": kl, "reward": np.sqrt(kl)}
            for (method, seed), last in reach.items()
            for kl in (0.0, last / 3, last)
        ]
    )


def test_the_interval_is_common_to_all_runs_that_reach_kappa():
    """Scans up to 1.44, 4 and 0.25 with κ = 1: the last run is missing and shortens nothing; the
    others are measured on [0, 1.44], where the mean of √KL is 0.6."""
    curves = _curves({("dpo", 0): 1.44, ("pspo", 0): 4.0, ("ospo", 0): 0.25})
    table = mean_heights(curves, "reward", ["shift"], 1.0).set_index("method")
    assert table["area_kl_high"].eq(1.44).all()
    assert table["area_kl_low"].eq(0.0).all()
    assert table.loc[["dpo", "pspo"], "mean_height"].to_numpy() == pytest.approx([0.6, 0.6])
    assert np.isnan(table.loc["ospo", "mean_height"])


def test_the_interval_is_common_to_all_groups_too():
    """The second shift is scanned up to 0.36 only, so both are measured on [0, 0.36]: 0.3."""
    first, second = _curves({("dpo", 0): 1.44}), _curves({("dpo", 0): 0.36})
    table = mean_heights(
        pd.concat([first, second.assign(shift=4.0)]), "reward", ["shift"], kappa_nats=0.2
    )
    assert table["area_kl_high"].tolist() == [0.36, 0.36]
    assert table["mean_height"].to_numpy() == pytest.approx([0.3, 0.3])


def test_without_any_run_that_reaches_kappa_all_are_missing():
    table = mean_heights(_curves({("dpo", 0): 0.5, ("dpo", 1): 0.6}), "reward", ["shift"], 1.0)
    assert len(table) == 2
    assert table["mean_height"].isna().all()
