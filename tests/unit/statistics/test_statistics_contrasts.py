"""Means over seeds and paired contrasts, for any study's table of runs."""

import numpy as np
import pandas as pd
import pytest

from prefgrid.statistics.contrasts import over_seeds, paired
from prefgrid.statistics.intervals import holm, t_interval, t_test_p
from prefgrid.statistics.power import seeds_needed

GROUPS = ["n", "shift"]
METHODS = ["dpo", "pspo", "ospo"]


@pytest.fixture
def runs() -> pd.DataFrame:
    """Five seeds; a seed's level is shared by all methods, so pairing matters."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        [
            {"method": m, "seed": s, "n": n, "shift": shift, "reward": 3.0 * s + gain + noise}
            for s in range(5)
            for n in (10, 20)
            for shift in (0.0, 1.5)
            for (m, gain), noise in zip(
                {"dpo": 0.0, "pspo": 0.1, "ospo": -0.2}.items(), rng.normal(0, 0.1, 3), strict=True
            )
        ]
    )


def _values(runs: pd.DataFrame, method: str, n: int, shift: float) -> np.ndarray:
    cell = (runs["method"] == method) & (runs["n"] == n) & (runs["shift"] == shift)
    return runs[cell].sort_values("seed")["reward"].to_numpy()


def test_a_cells_summary_is_the_t_interval_of_its_seeds(runs):
    table = over_seeds(runs, "reward", GROUPS, METHODS, range(5))
    assert list(table[["n", "shift", "method"]].itertuples(index=False, name=None)) == [
        (n, shift, method) for n in (10, 20) for shift in (0.0, 1.5) for method in METHODS
    ]
    for row in table.itertuples():
        interval = t_interval(_values(runs, row.method, row.n, row.shift))
        assert (row.mean, row.low, row.high, row.seeds) == interval
        assert row.seeds_missing == 0


def test_contrasts_are_paired_by_seed(runs):
    table = paired(runs, "reward", GROUPS, [(METHODS, "dpo")])
    assert set(table["method"]) == {"pspo", "ospo"}
    for row in table.itertuples():
        cell = (row.n, row.shift)
        gaps = _values(runs, row.method, *cell) - _values(runs, "dpo", *cell)
        interval = t_interval(gaps)
        assert (row.difference, row.low, row.high, row.seeds) == pytest.approx(interval)
        assert row.p == pytest.approx(t_test_p(gaps))
        assert row.seeds_positive == (gaps > 0).sum()


def test_a_table_is_one_family_of_holms_correction(runs):
    """Two methods to DPO and one to another baseline, in four groups: twelve p values."""
    table = paired(runs, "reward", GROUPS, [(METHODS, "dpo"), (["pspo", "ospo"], "ospo")])
    assert table["baseline"].tolist() == ["dpo"] * 8 + ["ospo"] * 4
    assert table["p_holm"].to_numpy() == pytest.approx(holm(table["p"].to_numpy()))
    smallest = table.loc[table["p"].idxmin()]
    assert smallest["p_holm"] == pytest.approx(12 * smallest["p"])
    alone = paired(runs, "reward", GROUPS, [(METHODS, "dpo")])
    others = [name for name in alone if name != "p_holm"]
    pd.testing.assert_frame_equal(alone[others], table[:8][others])


@pytest.mark.parametrize(("seeds", "planned"), [(1, False), (2, False), (3, False), (4, True)])
def test_a_plan_is_made_from_four_seeds_on(runs, seeds, planned):
    """From k seeds' mean and sd, as `power.seeds_needed` has it of them."""
    table = paired(runs[runs["seed"] < seeds], "reward", GROUPS, [(METHODS, "dpo")])
    assert table["seeds_needed"].notna().eq(planned).all()
    for row in table[table["seeds_needed"].notna()].itertuples():
        cell = (row.n, row.shift)
        gaps = (_values(runs, row.method, *cell) - _values(runs, "dpo", *cell))[:seeds]
        assert row.seeds_needed == seeds_needed(gaps.mean(), gaps.std(ddof=1))


def test_missing_runs_and_values_are_counted(runs):
    """PSPO loses seed 4 at (10, 0) altogether and its value of seed 3; OSPO is never run at n = 20."""
    first = (runs["n"] == 10) & (runs["shift"] == 0.0) & (runs["method"] == "pspo")
    runs.loc[first & (runs["seed"] == 3), "reward"] = np.nan
    runs = runs[~(first & (runs["seed"] == 4))]
    runs = runs[(runs["method"] != "ospo") | (runs["n"] == 10)]
    cells = over_seeds(runs, "reward", GROUPS, METHODS, range(5)).set_index(["method", *GROUPS])
    assert tuple(cells.loc[("pspo", 10, 0.0), ["seeds", "seeds_missing"]]) == (3, 2)
    assert tuple(cells.loc[("ospo", 20, 1.5), ["seeds", "seeds_missing"]]) == (0, 5)
    assert np.isnan(cells.loc[("ospo", 20, 1.5), "mean"])
    gaps = paired(runs, "reward", GROUPS, [(METHODS, "dpo")]).set_index(["method", *GROUPS])
    assert gaps.loc[("pspo", 10, 0.0), "seeds"] == 3
    nothing = gaps.loc[("ospo", 20, 0.0)]
    assert (nothing["seeds"], nothing["seeds_positive"]) == (0, 0)
    assert nothing[["difference", "p", "p_holm", "seeds_needed"]].isna().all()


def test_a_baseline_that_was_never_run_leaves_nothing_to_compare(runs):
    gaps = paired(runs[runs["method"] != "dpo"], "reward", GROUPS, [(METHODS, "dpo")])
    assert gaps["seeds"].eq(0).all()


def test_a_baseline_alone_gives_an_empty_table_of_the_same_columns(runs):
    full = paired(runs, "reward", GROUPS, [(METHODS, "dpo")])
    alone = paired(runs, "reward", GROUPS, [(["dpo"], "dpo")])
    assert alone.empty
    assert list(alone) == list(full)


def test_one_grouping_column_is_enough(runs):
    runs = runs[runs["n"] == 10]
    gaps = paired(runs, "reward", ["shift"], [(METHODS, "dpo")])
    assert gaps[["shift", "method"]].to_numpy().tolist() == [
        [shift, method] for shift in (0.0, 1.5) for method in ("pspo", "ospo")
    ]
    assert gaps["seeds"].eq(5).all()


def test_bad_tables_are_refused(runs):
    with pytest.raises(ValueError, match="more than once"):
        over_seeds(pd.concat([runs, runs]), "reward", GROUPS, METHODS, range(5))
    with pytest.raises(ValueError, match="'ipo' is none of the methods"):
        paired(runs, "reward", GROUPS, [(METHODS, "ipo")])
