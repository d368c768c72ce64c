"""What is wrong in a study's own code is said at the start, or ends the run; never swallowed."""

from pathlib import Path

import pytest
from tests.unit.plan.test_config import changed
from tests.unit.studies.test_registry import CHECKS, CONFIG

from prefgrid.plan import wirings
from prefgrid.plan.load import ConfigError, load

WIRING = """
from prefgrid.studies import base


class Wiring(base.Wiring):
    name = "toy"
    figures = ("curve",)
    gathers = ("evaluations.csv",)

    def values(self):
        return {"rounds": self.study.rounds}

    def policy(self, cell):
        return base.Step({"data": {"a": "x.jsonl"}[cell]}, {})
"""
FIGURE = """
READS = ("evaluations",)
USES = ("rounds",)
TITLE = "A curve"
CAPTION = "What it shows."


def figure(files, spec): ...
"""
SECTION = """
READS = ("evaluations",)
USES = ("rounds",)


def section(files, figures, spec): ...
"""


def study(folder: Path, monkeypatch, changes: dict[str, tuple[str, str]]) -> dict:
    """The wirings of a study whose modules have one text put for another, in a package of its own."""
    name = f"wired_{folder.name}"
    package = folder / name / "toy"
    (package / "figures").mkdir(parents=True)
    texts = {"config": CONFIG, "checks": CHECKS, "wiring": WIRING, "section": SECTION}
    for module, text in {**texts, "figures/curve": FIGURE}.items():
        old, new = changes.get(module, ("", ""))
        assert old in text
        (package / f"{module}.py").write_text(text.replace(old, new))
    monkeypatch.syspath_prepend(folder)
    return wirings.of(load(changed({"studies": [f"{name}.toy"]})))


def test_a_sound_study_is_wired(tmp_path, monkeypatch):
    wiring = study(tmp_path, monkeypatch, {})["toy"]
    assert wirings.step(wiring, "policy", "a").inputs == {"data": "x.jsonl"}
    assert wirings.step(wiring, "figure", "curve").spec["rounds"] == 3


@pytest.mark.parametrize(
    ("module", "old", "new", "said"),
    [
        ("wiring", '"toy"', '"tou"', "its Wiring must have the name 'toy'"),
        ("wiring", "class Wiring", "class Wirin", "has no attribute 'Wiring'"),
        ("wiring", '("curve",)', '("Curve",)', "figures: 'Curve'; allowed: names such as curve"),
        ("wiring", "evaluations.csv", "evaluations", "gathers: 'evaluations'; allowed"),
        ("wiring", 'name = "toy"', 'name = "toy"; tables = ("main",)', "no rule makes them"),
        ("wiring", "self.study.rounds", "self.study.round", "has no attribute 'round'"),
        ("wiring", '"rounds":', '"module":', "USES names 'rounds'; allowed: module"),
        ("figures/curve", "evaluations", "evaluation", "names 'evaluation'; did you mean 'eval"),
        ("figures/curve", '("rounds",)', '("round",)', "USES names 'round'; did you mean 'rounds'"),
        ("figures/curve", '("evaluations",)', "()", "READS is empty"),
        ("figures/curve", '("evaluations",)', '"evaluations"', "must be a tuple of names"),
        ("figures/curve", "TITLE", "TITEL", "lacks the literal TITLE"),
        ("figures/curve", "def figure", "def draw", "lacks figure"),
        ("figures/curve", "def figure(files, spec)", "def figure(files,", "curve.py, line 8: "),
        ("section", "USES", "USE", "lacks the literal USES"),
        ("section", "def section", "def describe", "lacks section"),
    ],
)
def test_what_is_wrong_is_said_at_the_start(tmp_path, monkeypatch, module, old, new, said):
    with pytest.raises(ConfigError) as caught:
        study(tmp_path, monkeypatch, {module: (old, new)})
    assert "study 'toy' (wired_" in str(caught.value) and said in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("def few(", "def few(", "'NoneType' object is not iterable"),
        ("yield 1", "yield 1", "cannot unpack"),
        ("CHECKS = (few,)", "CHECKS = few", "its CHECKS are no tuple of functions"),
    ],
)
def test_a_check_that_fails_is_named(tmp_path, monkeypatch, old, new, said):
    broken = "def few(own, config):\n    return None\n\n\nCHECKS = (few,)\n"
    if "yield" in old:
        broken = broken.replace("return None", "yield 1")
    with pytest.raises(ConfigError) as caught:
        study(tmp_path, monkeypatch, {"checks": (CHECKS, broken.replace(old, new))})
    assert "toy: its " in str(caught.value) and said in str(caught.value)


def test_what_only_a_cell_shows_ends_the_process(tmp_path, monkeypatch):
    wiring = study(tmp_path, monkeypatch, {})["toy"]
    with pytest.raises(SystemExit) as caught:
        wirings.step(wiring, "policy", "b")
    assert caught.value.code == "error: study 'toy', policy of 'b': KeyError: 'b'"
    with pytest.raises(SystemExit, match="'evaluation of' |has no attribute 'evaluation'"):
        wirings.step(wiring, "evaluation", "a")
