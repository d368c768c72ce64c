"""Plug-ins are asked for their literals without being imported."""

import ast
import sys

import pytest

from prefgrid.config import literals
from prefgrid.studies.link_robustness import tables as link_tables
from prefgrid.studies.single_index import tables as single_tables

FIGURES = {
    "link_robustness": (
        "reference_rewards",
        "frontier",
        "robustness",
        "convergence",
        "calibration",
        "training",
    ),
    "single_index": ("robustness", "frontier", "links", "correlation"),
}
MODULES = [
    f"prefgrid.studies.{study}.figures.{name}" for study, names in FIGURES.items() for name in names
]
SOURCE = """
import a_library_that_is_not_there
READS: tuple = ("runs", "summary")
USES = ["kappa"]
TITLE = (
    "Two "
    "parts"
)
LATE = 1
LATE = 2
MADE = tuple(READS)
GROWN = ("a",)
GROWN += ("b",)
BARE: int
def figure():
    INNER = 1
"""


@pytest.fixture
def foreign(tmp_path, monkeypatch):
    """A module of somebody else's, under a name of its own: what was read is kept."""
    name = f"foreign_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    return name


def test_literals_are_read_and_nothing_is_imported(foreign):
    found = literals.read(foreign, ("TITLE", "READS", "USES", "LATE"))
    assert found == {
        "TITLE": "Two parts",
        "READS": ("runs", "summary"),
        "USES": ["kappa"],
        "LATE": 2,
    }
    assert foreign not in sys.modules


def test_values_are_the_callers_own(foreign):
    literals.read(foreign, ["USES"])["USES"].append("more")
    assert literals.read(foreign, ["USES"]) == {"USES": ["kappa"]}


@pytest.mark.parametrize("name", ["CAPTION", "BARE", "INNER", "figure"])
def test_a_missing_literal_is_named_with_its_module(foreign, name):
    with pytest.raises(ValueError, match=f"module '{foreign}' lacks the literal {name}"):
        literals.read(foreign, ["READS", name])


@pytest.mark.parametrize("name", ["MADE", "GROWN"])
def test_what_must_be_run_is_no_literal(foreign, name):
    with pytest.raises(ValueError, match=f"module '{foreign}': {name} is no literal"):
        literals.read(foreign, [name])


@pytest.mark.parametrize("name", ["no_such_package.module", "prefgrid.no_such_module", "prefgrid"])
def test_a_module_without_constants_or_source_is_named(name):
    with pytest.raises(ValueError, match=name):
        literals.read(name, ["READS"])


@pytest.mark.parametrize("module", MODULES)
def test_every_figure_says_what_it_reads_uses_and_shows(module):
    found = literals.read(module, ("READS", "USES", "TITLE", "CAPTION"))
    assert found["READS"] and all(found["TITLE"]) and found["CAPTION"].endswith(".")
    source = ast.parse(literals._source(module).read_text())
    figure = next(node for node in source.body if getattr(node, "name", "") == "figure")
    asked = {
        (node.value.id, node.slice.value)
        for node in ast.walk(figure)
        if isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and isinstance(node.slice, ast.Constant)
    }
    assert {name for source, name in asked if source == "spec"} == set(found["USES"])
    assert {name for source, name in asked if source == "files"} <= set(found["READS"])


@pytest.mark.parametrize("study", [link_tables, single_tables])
def test_captions_of_tables_are_literals(study):
    assert literals.read(study.__name__, ["CAPTIONS"]) == {"CAPTIONS": study.CAPTIONS}
