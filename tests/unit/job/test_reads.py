"""Paths of the command line under the names that a spec gives them."""

from pathlib import Path

import pytest

from prefgrid.job import reads

A, B, C = (Path(name) for name in "abc")


def test_files_are_named_in_their_order():
    found = reads.by_name([A, B, C], [["runs", 1], ["rewards", 2]])
    assert found == {"runs": [A], "rewards": [B, C]}


def test_an_artifact_may_have_no_file():
    assert reads.by_name([A], [["quality", 0], ["runs", 1]]) == {"quality": [], "runs": [A]}


@pytest.mark.parametrize("files", [[A], [A, B, C]])
def test_numbers_that_do_not_match_are_refused(files):
    with pytest.raises(ValueError, match=f"2 files are named, {len(files)} are given"):
        reads.by_name(files, [["runs", 1], ["summary", 1]])
