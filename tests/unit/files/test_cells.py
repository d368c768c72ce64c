"""Cells: what folders spell is what they are read as."""

import re
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefgrid.files import cells

NAMES = st.from_regex(r"\A[a-z_][a-z0-9_]{0,7}\Z")
TEXTS = st.text(
    st.characters(exclude_characters="/=", categories=["L", "N", "P"]), min_size=1
).filter(lambda text: not text.lstrip("-")[:1].isdecimal())
VALUES = st.one_of(
    st.integers(-(10**6), 10**6), st.floats(allow_nan=False, allow_infinity=False), TEXTS
)


def axes_of(lists: bool) -> st.SearchStrategy[dict]:
    """Axes with a value each, or with several; numbers and texts that are none."""
    several = st.lists(VALUES, unique_by=str, min_size=1, max_size=3)
    return st.dictionaries(NAMES, several if lists else VALUES, min_size=1, max_size=4)


def test_by_hand():
    assert cells.folders({"method": "dpo", "shift": 0.5, "n": 400}) == "method=dpo/shift=0.5/n=400"
    assert cells.every({"seed": [0, 1], "shift": [0.0, 4.0]}) == [
        "seed=0/shift=0.0",
        "seed=0/shift=4.0",
        "seed=1/shift=0.0",
        "seed=1/shift=4.0",
    ]
    found = cells.values("results/x/seed=1/shift=4.0/round=2/table.csv")
    assert found == {"seed": 1, "shift": 4.0, "round": 2}


def test_the_values_of_a_path_are_typed():
    path = "results/x/method=dpo_lr1e-4/seed=3/shift=0.5/n=500/shard=2/evaluation.csv"
    found = cells.values(path)
    assert found == {"method": "dpo_lr1e-4", "seed": 3, "shift": 0.5, "n": 500, "shard": 2}
    assert isinstance(found["shift"], float) and isinstance(found["n"], int)


@given(axes_of(lists=False))
def test_folders_are_read_back(axes):
    """Types too, in any place of a path; the order is that of the axes."""
    cell = cells.folders(axes)
    for path in (cell, PurePosixPath("results/study", cell, "table.csv")):
        found = cells.values(path)
        assert found == axes and list(found) == list(axes)
        assert [*map(type, found.values())] == [*map(type, axes.values())]


@given(axes_of(lists=True))
def test_every_cell_once_with_the_last_axis_fastest(axes):
    listed = cells.every(axes)
    expected = [{}]
    for name, values in axes.items():
        expected = [one | {name: value} for one in expected for value in values]
    assert [str(cells.values(cell)) for cell in listed] == [*map(str, expected)]
    assert len(set(listed)) == len(listed)


@given(axes_of(lists=False))
def test_a_rule_s_wildcard_takes_every_cell_and_no_other_path(axes):
    cell = cells.folders(axes)
    assert re.fullmatch(cells.PATTERN, cell)
    for other in (f"{cell}/", f"/{cell}", f"{cell}/table.csv", f"results/{cell}"):
        assert not re.fullmatch(cells.PATTERN, other)


@pytest.mark.parametrize("path", ["", "table.csv", "results/study/table.csv"])
def test_paths_without_a_cell(path):
    assert cells.values(path) == {}


@given(axes_of(lists=False))
def test_a_file_s_grid_and_cell(axes):
    """Folders above the grid may look like a cell's."""
    cell = cells.folders(axes)
    grid = PurePosixPath("run=1/results/study/evaluations")
    found, own = cells.split(grid / cell / "table.csv")
    assert (PurePosixPath(found), own) == (grid, cell)
    assert cells.split("results/study/table.csv")[1] == ""
