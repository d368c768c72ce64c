"""Judges by name: ours, and those of any package; their options."""

import pytest
from tests.unit.plan.test_config import changed

from prefgrid.config import judges
from prefgrid.plan.load import load


def test_every_judge_is_found_and_no_helper():
    assert judges.known() == ("scalar",)
    defaults, bounds = judges.constants("scalar")
    assert defaults == {"max_tokens": 1024, "batch_size": 64, "precision": "none"}
    assert bounds.keys() == defaults.keys()
    judges.check_options("scalar", defaults)
    for option in defaults:
        with pytest.raises(ValueError, match=f"option {option} = 'no such value'; allowed: "):
            judges.check_options("scalar", {option: "no such value"})


def test_options_that_are_not_set_have_the_judges_defaults():
    judge = load(changed({"judges.reward.options": {"max_tokens": 2048}})).judges["reward"]
    assert judge.all_options == {"max_tokens": 2048, "batch_size": 64, "precision": "none"}
    assert (judge.module, judge.model) == ("prefgrid.judges.scalar", "reward")


def test_a_judge_of_somebody_else(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "their_judges"
    folder.mkdir()
    (folder / "longest.py").write_text(
        "import not_here\nOPTIONS = {'unit': (None, '> 0 or null')}\ndef load(): ...\n"
    )
    (folder / "odd.py").write_text("OPTIONS = {'unit': 1}\nload = None\n")
    (folder / "unread.py").write_text("OPTIONS = {}\n")
    (folder / "bare.py").write_text("")
    own = {"judge": "their_judges.longest", "options": {"unit": 2}}
    config = load(changed({"judges.own": own, "link_robustness.judge": "own"}))
    assert config.judges["own"].module == "their_judges.longest"
    with pytest.raises(ValueError, match="OPTIONS: 'unit' must be .default, bound"):
        judges.constants("their_judges.odd")
    with pytest.raises(ValueError, match=r"judge 'their_judges.unread' .unread.py. lacks load"):
        judges.constants("their_judges.unread")
    with pytest.raises(ValueError, match="lacks the literal OPTIONS"):
        judges.constants("their_judges.bare")
    with pytest.raises(ValueError, match="unknown judge 'their_judges.none': no such importable"):
        judges.constants("their_judges.none")
