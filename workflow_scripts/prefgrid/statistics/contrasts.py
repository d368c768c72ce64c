"""Means over seeds and paired contrasts to a baseline, for any study's table of runs.

A table of runs has one row a run: columns `method`, `seed`, the study's grouping columns (at least
one) and a value; NaN where the run has none. A cell is a (method, group). Cells of the grid that the table
spans are listed even if no run is in them: they are missing, not absent.
"""

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
import pandas as pd

from prefgrid.statistics.intervals import LEVEL, holm, t_interval, t_test_p
from prefgrid.statistics.power import FEWEST_SEEDS, seeds_needed


def over_seeds(
    runs: pd.DataFrame,
    value: str,
    groups: Sequence[str],
    methods: Sequence[str],
    seeds: Sequence[int],
    level: float = LEVEL,
) -> pd.DataFrame:
    """One row a cell: `method`, the groups, `seeds, mean, low, high, seeds_missing`.

    `low`, `high`: t interval over seeds. `seeds` counts the seeds with a value, `seeds_missing`
    those of the argument `seeds` without. Rows are sorted by the groups, in the order given, then by
    `methods`.
    """
    rows = []
    for group, method, values in _cells(_wide(runs, value, groups), groups, methods):
        interval = t_interval(values, level)
        figures = (interval.count, interval.mean, interval.low, interval.high)
        rows.append((method, *group, *figures, len(seeds) - interval.count))
    columns = ["method", *groups, "seeds", "mean", "low", "high", "seeds_missing"]
    return pd.DataFrame(rows, columns=columns)


def paired(
    runs: pd.DataFrame,
    value: str,
    groups: Sequence[str],
    comparisons: Sequence[tuple[Sequence[str], str]],
    level: float = LEVEL,
) -> pd.DataFrame:
    """Differences to a baseline of the same seed and group, one row a cell but the baseline's own.

    `comparisons`: (methods, their baseline, which is among them), one after the other. Columns:
    `method`, the groups, `baseline, seeds` (pairs with both values), `difference` (mean), `low,
    high` (t interval), `p` (paired t test), `p_holm` (Holm over all rows: a table is one family),
    `seeds_positive` (seeds with a difference > 0), `seeds_needed` (`power.seeds_needed` for the mean
    and sd observed; NaN below `power.FEWEST_SEEDS`).
    """
    runs_by_method = _wide(runs, value, groups)
    rows = []
    for methods, baseline in comparisons:
        if baseline not in methods:
            raise ValueError(f"baseline {baseline!r} is none of the methods {list(methods)}")
        wide = runs_by_method.reindex(columns=list(methods))
        others = [method for method in methods if method != baseline]
        for group, method, gaps in _cells(wide.sub(wide[baseline], axis=0), groups, others):
            rows.append((method, *group, baseline, *_figures(gaps[~np.isnan(gaps)], level)))
    columns = ["method", *groups, "baseline", "seeds", "difference", "low", "high", "p"]
    table = pd.DataFrame(rows, columns=[*columns, "seeds_positive", "seeds_needed"])
    table.insert(table.columns.get_loc("p") + 1, "p_holm", holm(table["p"].to_numpy()))
    return table


def _figures(gaps: np.ndarray, level: float) -> tuple[float, ...]:
    """Of differences [seeds]: count, mean, ends, p, how many are positive, seeds needed."""
    interval = t_interval(gaps, level)
    needed = np.nan
    if gaps.size >= FEWEST_SEEDS:
        needed = seeds_needed(interval.mean, float(gaps.std(ddof=1)))
    figures = (interval.count, interval.mean, interval.low, interval.high, t_test_p(gaps))
    return (*figures, int((gaps > 0).sum()), needed)


def _wide(runs: pd.DataFrame, value: str, groups: Sequence[str]) -> pd.DataFrame:
    """Values with a row a (group, seed) and a column a method."""
    keys = ["method", *groups, "seed"]
    twice = runs.duplicated(keys)
    if twice.any():
        first = runs.loc[twice, keys].iloc[0].to_dict()
        raise ValueError(f"table of runs: {first} occurs more than once; allowed: one row a run")
    return runs.pivot(index=[*groups, "seed"], columns="method", values=value)


def _cells(
    wide: pd.DataFrame, groups: Sequence[str], methods: Sequence[str]
) -> Iterator[tuple[tuple, str, np.ndarray]]:
    """(group, method, values over seeds) of every cell of the grid."""
    wide = wide.reindex(columns=list(methods))
    found = dict(iter(wide.groupby(list(groups))))
    for group in product(*(sorted(wide.index.unique(name)) for name in groups)):
        rows = found.get(group, wide.iloc[:0])
        for method in methods:
            yield group, method, rows[method].to_numpy(np.float64)
