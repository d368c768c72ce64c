"""Which part of a single-index grid the figures show, and how they say so."""

import pandas as pd


def shown(table: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Rows of the largest n and, of these, of the smallest τ; and these two in words.

    The largest n has the least noise, the smallest τ the link farthest from a logistic one. The
    words name the other n and τ of the grid, so that nothing is left out unsaid.
    """
    sizes, temperatures = sorted(table["n"].unique()), sorted(table["tau"].unique())
    n, tau = sizes[-1], temperatures[0]
    words = f"n = {n:,} pairs, τ = {tau:g}"
    others = [f"n = {size:,}" for size in sizes[:-1]] + [
        f"τ = {other:g}" for other in temperatures[1:]
    ]
    if others:
        words += f" (not drawn, but in the tables: {', '.join(others)})"
    return table[(table["n"] == n) & (table["tau"] == tau)], words


def chosen_shifts(table: pd.DataFrame, shifts: list[float]) -> list[float]:
    """`shifts`, sorted, all of which must be in the table."""
    known = sorted(table["shift"].unique())
    unknown = sorted(set(shifts) - set(known))
    if unknown or not shifts:
        raise ValueError(
            f"pareto_shifts {list(shifts)}: at least one is needed, and all must be in the grid, "
            f"which has {', '.join(f'{shift:g}' for shift in known)}"
        )
    return sorted(shifts)


def present(table: pd.DataFrame, methods: list[str]) -> list[str]:
    """Those of `methods` that have rows, in the given order."""
    found = set(table["method"])
    return [method for method in methods if method in found]


def seeds_words(count: int) -> str:
    return (
        "one seed, no interval" if count == 1 else f"means of {count:,} seeds with 95 % t intervals"
    )
