"""The report's single-index section: words and tables follow from the numbers."""

import re
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import made_up
import numpy as np
import pandas as pd
import plug_ins
import pytest
import synthetic_single_index as study

from prefgrid.files import reading, records, store
from prefgrid.report import page
from prefgrid.statistics.contrasts import paired
from prefgrid.statistics.verdict import Verdict
from prefgrid.studies.single_index import findings
from prefgrid.studies.single_index import section as single_index

NAMES = {"dpo": "DPO", "ospo": "OSPO", "ospo_published": "OSPO (published)", "rspo": "RSPO"}
SPEC = {
    "methods": study.METHODS,
    "seeds": 4,
    "shifts": [0.0, 1.5],
    "tau": [0.25],
    "n": [1000],
    "kappas": [study.KAPPA],
    "baseline": "dpo",
    "trainings": [[study.METHODS, "100 epochs, 128 pairs a step"]],
    "facts": [["World", "10 actions"]],
}
FIGURES = plug_ins.figure_modules(
    "single_index", ("robustness", "frontier", "links", "correlation")
)
TABLES = ["Reward at one KL", "Variants of one learner", "What the labels can tell"]


@pytest.fixture(scope="module")
def runs() -> pd.DataFrame:
    return study.runs(study.curves(seeds=range(4), shifts=(0.0, 1.5)))


def _section(runs: pd.DataFrame, folder: Path, figures: Sequence[ModuleType] = (), **changes):
    spec = SPEC | changes
    methods, baseline = spec["methods"], spec["baseline"]
    tables = {
        "summary": study.summary(runs, methods),
        "differences": study.differences(runs, methods, baseline),
        "identifiability": study.identifiability((0.0, 1.5), spec["n"], spec["tau"]),
        "runs": runs,
    }
    files = {name: folder / f"{name}.csv" for name in tables}
    for name, table in tables.items():
        store.write_csv(files[name], table)
    made_up.record(*files.values())
    svgs = {figure: folder / f"{figure.__name__.rpartition('.')[2]}.svg" for figure in figures}
    for path in svgs.values():
        path.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    plug_ins.describe(single_index, svgs, files, spec, folder / "section.json")
    return reading.read_json(folder / "section.json", records.Section)


def _text(finding) -> str:
    return " ".join(finding.sentences).replace("\u00a0", " ")


def _rows(rewards: dict[str, list[float]], shift: float = 0.0) -> pd.DataFrame:
    cell = {"shift": shift, "tau": 0.25, "n": 1000, "kappa_nats": study.KAPPA}
    cell |= {"index_correlation": 0.8, "pair_accuracy": 0.8}
    rows = [
        cell | {"method": method, "seed": seed, "reward": reward}
        for method, listed in rewards.items()
        for seed, reward in enumerate(listed)
    ]
    return pd.DataFrame(rows)


def _shift_finding(rewards: dict[str, list[float]]):
    runs = _rows(rewards)
    methods = [method for method in rewards if method != "oracle"]
    return findings.shift_finding(
        0.0,
        study.summary(runs, methods),
        paired(runs, "reward", study.GROUPS, [(methods, "dpo")]),
        NAMES,
        "dpo",
        0.2,
    )


def test_a_clear_difference_is_established_and_said_with_its_numbers():
    """OSPO − DPO = .08, .10, .12: mean .1, sd .02, t(.975, 2) = 4.303, half width .0497;
    p = .013, one comparison. DPO's mean .6 of the oracle's .8 is 75 %."""
    finding = _shift_finding(
        {"dpo": [0.5, 0.6, 0.7], "ospo": [0.58, 0.70, 0.82], "oracle": [0.7, 0.8, 0.9]}
    )
    assert finding.verdict is Verdict.DIFFERENT
    assert finding.heading == "Shift 0: OSPO lies above DPO"
    assert "OSPO +0.100 [+0.050, +0.150]" in _text(finding)
    assert "DPO's mean reward is 0.600" in finding.sentences[0]
    assert "75 % of the oracle's 0.800" in finding.sentences[0]


def test_a_difference_below_is_said_to_be_below():
    finding = _shift_finding({"dpo": [0.5, 0.6, 0.7], "ospo": [0.42, 0.50, 0.58]})
    assert finding.heading == "Shift 0: OSPO lies below DPO"
    assert "Below DPO, after Holm's correction: OSPO −0.100" in _text(finding)
    assert "oracle" not in _text(finding)


def test_a_narrow_interval_shows_on_which_side_of_zero_it_lies():
    """OSPO − DPO = .0003, .0004, .0005: half width 4.303 · .0001/√3 = .00025."""
    finding = _shift_finding({"dpo": [0.5, 0.6, 0.7], "ospo": [0.5003, 0.6004, 0.7005]})
    assert "OSPO +0.0004 [+0.0002, +0.0006]" in _text(finding)


def test_nothing_that_differs_is_said_to_be_no_evidence_of_equality():
    """OSPO − DPO = −.01, 0, .01: half width 4.303 · .01/√3 = .0248."""
    finding = _shift_finding({"dpo": [0.5, 0.6, 0.7], "ospo": [0.49, 0.60, 0.71]})
    assert finding.verdict is Verdict.UNDECIDED
    assert finding.heading == "Shift 0: no method can be told apart from DPO"
    assert "differences of up to 0.025" in _text(finding)


def test_what_holms_correction_takes_away_is_a_hint():
    """p = .035 (t = 5.2 with 2 degrees of freedom); with a second comparison twice that."""
    finding = _shift_finding(
        {"dpo": [0.5, 0.6, 0.7], "ospo": [0.57, 0.70, 0.83], "rspo": [0.51, 0.60, 0.69]}
    )
    assert finding.verdict is Verdict.SUGGESTIVE
    # 1 − .95² = .0975.
    assert finding.heading == (
        "Shift 0: a hint of a difference to DPO, not established "
        "(by chance in up to 10 % of reports)"
    )
    assert "before but not after the correction: OSPO +0.100" in _text(finding)
    assert "Not distinguishable from DPO: RSPO" in _text(finding)


def test_one_seed_says_nothing_about_methods():
    finding = _shift_finding({"dpo": [0.5], "ospo": [0.6], "oracle": [0.8]})
    assert finding.verdict is Verdict.UNDECIDED
    assert "With one seed nothing can be said" in _text(finding)
    assert "OSPO +0.100 (one seed)" in _text(finding)


def test_seeds_out_of_reach_are_named():
    finding = _shift_finding({"dpo": [0.5, 0.6, 0.7], "ospo": [np.nan, 0.7, np.nan]})
    assert "Not all seeds reach this KL: OSPO (1 of 3 seeds)." in _text(finding)
    finding = _shift_finding({"dpo": [0.5, 0.6], "ospo": [np.nan, np.nan]})
    assert finding.verdict is Verdict.MISSING
    assert finding.heading == "Shift 0: nothing to compare"


def test_the_effect_of_the_link_is_paired_by_seed():
    """DPO falls by .1, .1, .1 + noise: mean −.1; OSPO by .02. The oracle is no learner."""
    before = _rows({"dpo": [0.5, 0.6, 0.7], "ospo": [0.5, 0.6, 0.7], "oracle": [0.8, 0.8, 0.8]})
    after = _rows(
        {"dpo": [0.41, 0.50, 0.59], "ospo": [0.48, 0.58, 0.69], "oracle": [0.8, 0.8, 0.8]}, 1.5
    )
    finding = findings.effect_finding(
        pd.concat([before, after]), ["dpo", "ospo"], NAMES, "dpo", 0.2
    )
    assert finding.heading == "Effect of the link: DPO −0.100"
    assert "DPO's reward at KL 0.2 changes by −0.100 [−0.125, −0.075]" in _text(finding)
    assert "OSPO −0.017" in _text(finding)
    assert "racle" not in _text(finding)
    assert finding.verdict is Verdict.DIFFERENT
    assert findings.effect_finding(before, ["dpo", "ospo"], NAMES, "dpo", 0.2) is None


def test_a_share_of_the_oracle_is_of_the_same_seeds():
    """DPO reaches κ in one seed of two: its .5 is no share of the mean .75 over both."""
    finding = _shift_finding({"dpo": [0.5, np.nan], "ospo": [0.6, 0.8], "oracle": [0.6, 0.9]})
    assert "DPO's mean reward is 0.500 (one seed, no interval)." in _text(finding)


@pytest.mark.parametrize(
    ("after", "heading", "words"),
    [
        # Changes −.1, 0, +.07: mean −.01, p = .85.
        ([0.4, 0.6, 0.77], "not settled", "the effect is not established"),
        ([0.4, np.nan, np.nan], "one seed", "One seed says nothing"),
        ([np.nan] * 3, "missing", "no seed reaches KL 0.2 at both"),
    ],
)
def test_an_effect_that_the_seeds_do_not_show_is_not_claimed(after, heading, words):
    before, changed = _rows({"dpo": [0.5, 0.6, 0.7]}), _rows({"dpo": after}, 1.5)
    finding = findings.effect_finding(pd.concat([before, changed]), ["dpo"], NAMES, "dpo", 0.2)
    assert finding.heading == f"Effect of the link: {heading}"
    assert words in _text(finding)
    assert "nan" not in _text(finding)


def test_variants_of_one_learner_are_compared_in_words():
    runs = _rows({"ospo": [0.6, 0.7, 0.8], "ospo_published": [0.5, 0.6, 0.69]})
    labels = ["ospo_published", "ospo"]
    table = paired(runs, "reward", study.GROUPS, [(labels, "ospo_published")])
    finding = findings.family_finding(table, NAMES, "dpo")
    assert finding.heading == (
        "Variants of one learner: 1 of 1 differences are established, 1 above and 0 below 0"
    )
    assert "OSPO minus OSPO (published): shift 0 +0.103" in _text(finding)
    assert findings.family_finding(table.assign(baseline="dpo"), NAMES, "dpo") is None


def test_the_section_has_all_parts_and_its_page_loads_nothing(runs, tmp_path):
    section = _section(runs, tmp_path, FIGURES)
    assert len(section["figures"]) == 4
    assert [table["title"] for table in section["tables"]] == TABLES
    assert len(section["findings"]) == 5
    facts = dict(section["facts"])
    assert facts["Grid"] == "96 runs, one a method × seed × shift × τ × n"
    assert facts["Seeds"] == "4, numbered from 0"
    assert facts["Training"] == "100 epochs, 128 pairs a step"
    assert facts["World"] == "10 actions"
    html = page.render(
        {
            "title": "t",
            "subtitle": "s",
            "folder": "f",
            "run": [],
            "config": "",
            "studies": [section],
            "quality": None,
            "provenance": {
                "artifacts": 0,
                "steps": [],
                "packages": [],
                "commits": [],
                "devices": [],
                "pythons": [],
            },
        }
    )
    assert "there is no sampling noise" in html
    assert html.count("data:image/svg+xml;base64,") == 4
    assert not re.search(r"""src=["'](?!data:)""", html)
    assert set(re.findall(r'href="([^#"][^"]*)"', html)) >= {
        "single_index/tables/summary.csv",
        "single_index/tables/differences.csv",
        "single_index/tables/identifiability.csv",
    }


def test_the_summary_has_every_cell_and_the_oracle_is_not_compared(runs, tmp_path):
    table = _section(runs, tmp_path)["tables"][0]
    heads = [head["label"] for head in table["heads"]]
    assert len(table["rows"]) == 2 * (len(study.METHODS) + 1)
    assert "τ" not in heads
    assert "Seeds" not in heads
    cells = {row[0]["text"]: [cell["text"] for cell in row] for row in table["rows"]}
    place = heads.index("Minus DPO")
    assert cells["Oracle"][place] == cells["DPO"][place] == "–"
    assert cells["Oracle"][heads.index("Pair accuracy")] == "1.000"
    assert re.fullmatch(r"[+−]0\.\d{3}", cells["OSPO"][place])
    assert [row[1]["text"] for row in table["rows"]] == sorted(
        row[1]["text"] for row in table["rows"]
    )


def test_several_n_and_tau_are_columns_and_findings_say_which_they_are_of(tmp_path):
    grid = {"methods": ["dpo", "ospo"], "seeds": range(3), "shifts": (0.0, 1.5)}
    runs = study.runs(study.curves(**grid, sizes=(500, 1000), taus=(0.25, 0.5)))
    changes = {"methods": grid["methods"], "seeds": 3, "n": [500, 1000], "tau": [0.25, 0.5]}
    changes["trainings"] = [[["dpo", "ospo"], "as ever"]]
    section = _section(runs, tmp_path, **changes)
    summary, labels = section["tables"]
    assert {"τ", "n"} <= {head["label"] for head in summary["heads"]}
    assert len(summary["rows"]) == 2 * 2 * 2 * 3
    assert len(labels["rows"]) == 2 * 2 * 2
    assert len(section["findings"]) == 4
    assert "n = 1,000 and τ = 0.25" in section["findings"][1]["sentences"][0]
    assert "not drawn, but in the tables" in dict(section["facts"])["Figures and findings"]


def test_missing_runs_are_counted_and_shown_as_missing(runs, tmp_path):
    out = runs["method"].eq("hinge") & runs["shift"].eq(1.5)
    table = _section(runs.assign(reward=runs["reward"].mask(out)), tmp_path)["tables"][0]
    heads = [head["label"] for head in table["heads"]]
    row = next(
        row for row in table["rows"] if row[0]["text"] == "Hinge" and row[1]["text"] == "1.5"
    )
    assert row[heads.index("Reward at KL 0.2")] == {"text": "missing", "sort": "", "missing": True}
    assert row[heads.index("Seeds")]["text"] == "0 of 4"


def test_one_seed_has_no_interval_and_says_so(runs, tmp_path):
    tables = _section(runs[runs["seed"] == 0], tmp_path, seeds=1)["tables"]
    heads = [head["label"] for head in tables[0]["heads"]]
    row = next(row for row in tables[0]["rows"] if row[0]["text"] == "OSPO")
    assert row[heads.index("95 % t over seeds")]["text"] == "one seed"
    assert row[heads.index("p (Holm)")]["text"] == "one seed"


def test_a_baseline_alone_is_described_from_its_files(runs, tmp_path):
    """No differences: an empty table, whose columns have no types once it is read back."""
    alone = runs[runs["method"].isin(["dpo", "oracle"])]
    section = _section(alone, tmp_path, methods=["dpo"], trainings=[[["dpo"], "as ever"]])
    assert [table["title"] for table in section["tables"]] == [TABLES[0], TABLES[2]]
    assert "no other method" in " ".join(section["findings"][1]["sentences"])
