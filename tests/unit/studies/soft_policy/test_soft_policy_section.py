"""The report's soft-policy section: words and tables follow from the numbers."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import plug_ins
import pytest
import soft_policy_samples as made

from prefgrid.figures.style import display_name
from prefgrid.files import reading, records
from prefgrid.report import page
from prefgrid.studies.soft_policy import facts, failures, findings, section, tables
from prefgrid.studies.soft_policy.looks import looks

NAMES = {method: display_name(method) for method in made.METHODS}
RECIPES = {
    label: {
        "loss": loss,
        "value": value,
        "mix": mix,
        "samples": 400,
        "group_size": 8,
        "learning_rate": 0.002,
        "adapter": False,
    }
    for label, (loss, value, mix) in made.RECIPES.items()
}
SPEC = {
    "methods": made.METHODS,
    "baseline": "softpo",
    "seeds": 2,
    "references": ["uniform", "peaked"],
    "targets": [1],
    "many": None,
    "betas": [0.1],
    "task": made.TASK,
    "recipes": list(RECIPES.items()),
    "facts": [["Task", "one whole number"]],
}
FIGURES = plug_ins.figure_modules(
    "soft_policy", ("answers", "curves", "ablation", "values", "budget")
)


def described(folder: Path, grid: dict | None = None, figures=(), **changes) -> dict:
    spec, grid = SPEC | changes, grid or {}
    gathered = made.tables(**({"methods": spec["methods"], "many": spec["many"]} | grid))
    tabulated = made.tabulated(gathered, spec["methods"], spec["seeds"], spec["many"])
    files = made.write(folder, gathered | tabulated)
    svgs = {figure: folder / f"{figure.__name__.rpartition('.')[2]}.svg" for figure in figures}
    for path in svgs.values():
        path.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    plug_ins.describe(section, svgs, files, spec, folder / "section.json")
    return reading.read_json(folder / "section.json", records.Section)


def cell(**changes) -> dict:
    """A row of the summary, of a method that has reached the optimum in both of two seeds."""
    usual = {
        "method": "softpo",
        "reference": "uniform",
        "beta": 0.01,
        "target": 1,
        "split": "train",
    }
    usual |= {"seeds": 2, "seeds_missing": 0, "seeds_reached_share": 1.0, "tv": 0.02}
    usual |= {"valid_mass": 0.99, "samples_to_tv": 300.0, "estimator": "exact", "value": -0.04}
    return usual | {"value_error": 0.0, "value_shift_nats": 0.0, "feasibility": 1.0} | changes


def summary(*changes) -> pd.DataFrame:
    return pd.DataFrame([cell(**change) for change in changes])


def reached(*changes):
    return list(findings.reached_findings(summary(*changes), NAMES, "softpo"))


FAR = {"seeds_reached_share": 0.0, "tv": 0.9, "valid_mass": 0.1, "samples_to_tv": np.nan}


def test_methods_are_sorted_by_how_many_seeds_reach_the_optimum():
    half = {"method": "reinforce", "seeds_reached_share": 0.5, "tv": 0.15, "samples_to_tv": np.nan}
    [finding] = reached({}, half, {"method": "dpo"} | FAR)
    assert finding.heading == "Uniform reference, β = 0.01: SoftPO reaches the optimum"
    assert finding.sentences == [
        "In every seed: SoftPO (TV 0.020, valid mass 0.990, after 300 samples, 2 seeds).",
        "In some seeds only: REINFORCE (TV 0.150, valid mass 0.990, 1 of 2 seeds).",
        "In none: DPO (TV 0.900, valid mass 0.100, 2 seeds).",
        "The optimum counts as reached with TV below 0.1 and valid mass above 0.97.",
    ]
    assert finding.verdict == "measured"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([{}, {"method": "dpo"}], "every method reaches the optimum"),
        (
            [{"method": "dpo"}, {}, {"method": "reinforce"} | FAR],
            "SoftPO and DPO reach the optimum",
        ),
        ([FAR], "no method reaches the optimum in every seed"),
        ([{}, {"target": 50} | FAR], "no method reaches the optimum in every seed"),
    ],
)
def test_headings_name_the_methods_that_reach_it_at_every_target(changes, words):
    [finding] = reached(*changes)
    assert finding.heading == f"Uniform reference, β = 0.01: {words}"


def test_every_reference_and_beta_has_a_finding_and_several_targets_are_named():
    found = reached({}, {"target": 50}, {"beta": 0.05}, {"reference": "peaked"})
    assert [finding.heading.partition(":")[0] for finding in found] == [
        "Uniform reference, β = 0.01",
        "Uniform reference, β = 0.05",
        "Peaked reference, β = 0.01",
    ]
    assert "SoftPO at target 1 (TV" in found[0].sentences[0]
    assert "SoftPO at target 50 (TV" in found[0].sentences[0]
    many = {"target": "many"}
    [finding] = reached(many, many | {"split": "test"} | FAR)
    text = " ".join(finding.sentences)
    assert "SoftPO on the targets trained on (TV" in text
    assert "In none: SoftPO on other targets (TV" in text


def published(wrong: list[tuple[float, float]], right: list[tuple[float, float]], shift=46.0):
    """(TV, valid mass) a seed, with the published estimates and with the exact value."""
    kept = looks(
        made.rows(
            *(
                {"method": method, "seed": seed, "tv": tv, "valid_mass": valid}
                for method, own in (("softpo_published", wrong), ("softpo_published_exact", right))
                for seed, (tv, valid) in enumerate(own)
            )
        ),
        None,
    )
    estimate = {"value_shift_nats": shift, "feasibility": float(np.exp(shift))}
    own = summary({"method": "softpo_published"} | estimate, {"method": "softpo_published_exact"})
    return findings.published_finding(kept, own)


COLLAPSED = [(0.99, 0.001), (1.0, 0.0)]


@pytest.mark.parametrize(
    ("wrong", "right", "shift", "heading"),
    [
        (
            [(0.05, 0.98), (0.08, 0.99)],
            COLLAPSED,
            46.0,
            "The published run reaches its target through its wrong Q̂₀: with the right one the same "
            "loss collapses",
        ),
        (
            [(0.35, 0.97), (0.4, 0.54)],
            COLLAPSED,
            46.0,
            "The published run gets as far as it does through its wrong Q̂₀: with the right one the "
            "same loss collapses",
        ),
        (
            [(0.35, 0.97), (0.4, 0.54)],
            [(0.5, 0.9), (0.9, 0.2)],
            46.0,
            "The published loss ends nearer to the optimum with its wrong Q̂₀ than with the right one",
        ),
        (
            [(0.35, 0.97), (0.9, 0.54)],
            [(0.5, 0.9), (0.5, 0.9)],
            46.0,
            "The published loss ends nearer to the optimum with its wrong Q̂₀ in 1 of 2 runs",
        ),
        (
            [(0.6, 0.97), (0.9, 0.54)],
            [(0.5, 0.9), (0.5, 0.9)],
            46.0,
            "The published loss ends no nearer to the optimum with its wrong Q̂₀",
        ),
        (
            [(0.05, 0.98), (0.08, 0.99)],
            COLLAPSED,
            0.1,
            "The published estimates of Q₀ are not wrong everywhere",
        ),
    ],
)
def test_what_is_said_of_the_published_run_is_what_its_runs_show(wrong, right, shift, heading):
    assert published(wrong, right, shift).heading == heading


def test_the_published_finding_has_its_numbers():
    finding = published([(0.35, 0.97), (0.4, 0.54)], COLLAPSED)
    assert finding.sentences == [
        "With the exact Q₀ 2 of 2 runs of the published loss write a number less than half the time; with "
        "the published estimates 0 of 2 do, and 0 of 2 reach the optimum.",
        "Uniform reference, β = 0.01, target 1: TV 0.350 to 0.400 and valid mass 0.540 to 0.970 with the "
        "published estimates, whose targets are off by up to 46.0 nats; TV 0.990 to 1.000 and valid mass "
        "0.000 to 0.001 with the exact value (2 seeds).",
    ]


def test_without_both_published_labels_nothing_is_said_of_them():
    kept = looks(made.rows({"method": "softpo_published"}), None)
    assert findings.published_finding(kept, summary({"method": "softpo_published"})) is None


def failure(*changes):
    return failures.failure_finding(summary(*changes), RECIPES, made.TASK, NAMES)


def test_the_failure_is_explained_in_four_sentences_where_it_happens():
    """β .01: scores of −1 are 100 nats; the fallback −.5 aims at r/β + 50, from −50 to +50."""
    fallback = {"method": "softpo_published", "estimator": "published", "value": -0.5} | FAR
    missed = {"beta": 0.05} | FAR
    finding = failure({}, missed, {"method": "softpo_squared"} | FAR, fallback)
    assert finding.heading.endswith("the numbers: SoftPO (squared) and SoftPO (published)")
    assert len(finding.sentences) == 4
    assert "e^100 times less probable" in finding.sentences[0]
    assert "from −50 to +50" in finding.sentences[2]
    assert finding.sentences[3].endswith("SoftPO has both and reaches the optimum in 1 of 2 cells.")
    assert finding.verdict == "premise"


def test_only_what_happened_is_named_in_the_explanation():
    """Nobody fell back, estimates are off by up to 2 nats, and SoftPO misses the optimum itself."""
    off = {"method": "softpo_squared", "value_shift_nats": -2.0, "beta": 0.05} | FAR
    finding = failure(FAR, off)
    assert "e^20 times" in finding.sentences[0]
    assert finding.sentences[2].endswith("nats, here by up to 2.0.")
    assert "SoftPO" not in finding.sentences[3]
    assert failure({}, {"method": "softpo_squared"}) is None
    # Another loss, or not on uniform answers alone.
    assert failure(FAR, {"method": "dpo"} | FAR) is None
    half = RECIPES["softpo_squared"] | {"mix": [["uniform", 0.5], ["policy", 0.5]]}
    rows = summary({"method": "softpo_squared"} | FAR)
    mixed = {"softpo_squared": half}
    assert failures.failure_finding(rows, mixed, made.TASK, NAMES) is None


@pytest.mark.parametrize(
    ("shift", "sound"), [(0.69, True), (0.7, False), (-0.69, True), (-0.7, False)]
)
def test_estimates_outside_half_and_twice_are_warned_of(shift, sound):
    """ln 2 = .693."""
    row = {"estimator": "reference", "value_shift_nats": shift, "feasibility": float(np.exp(shift))}
    finding = failures.estimate_warning(summary({"method": "dpo"}, row), NAMES)
    if sound:
        assert finding is None
        return
    assert finding.verdict == "warning"
    assert finding.heading == "Q̂₀ is off in 1 of 2 cells"
    sums = f"SoftPO (uniform, β = 0.01, reference): {np.exp(shift):.3f}"
    assert finding.sentences[1] == f"The sums that are farthest from 1: {sums}."


@pytest.mark.parametrize(
    ("shift", "text"),
    [(0.0, "1.000"), (-1.0, "0.368"), (46.0, "e^46.0"), (-6.0, "e^−6.0"), (np.nan, None)],
)
def test_sums_of_targets_are_written_out_where_they_can_be_read(shift, text):
    assert tables.sum_of_targets({"value_shift_nats": shift}) == text


def test_the_section_has_all_parts_and_its_page_loads_nothing(tmp_path):
    found = described(tmp_path, figures=FIGURES)
    assert [table["title"] for table in found["tables"]] == [
        "Distance to the optimum",
        "Differences to SoftPO",
        "Samples",
    ]
    assert [finding["verdict"] for finding in found["findings"]] == ["measured"] * 3 + ["warning"]
    own = dict(found["facts"])
    assert own["Grid"] == "24 runs, one a method × reference × target × β × seed"
    assert own["Targets"] == "1" and own["Task"] == "one whole number"
    assert own["Training of SoftPO"] == (
        "cross_entropy, Q̂₀ exact, 50 % uniform + 50 % policy, 400 samples, 8 a step, lr 0.002, "
        "all weights"
    )
    html = page.render(
        {
            "title": "t",
            "subtitle": "s",
            "folder": "f",
            "run": [],
            "config": "",
            "studies": [found],
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
    assert html.count("data:image/svg+xml;base64,") == 5
    assert not re.search(r"""src=["'](?!data:)""", html)
    assert set(re.findall(r'href="([^#"][^"]*)"', html)) >= {
        "soft_policy/tables/summary.csv",
        "soft_policy/tables/differences.csv",
        "soft_policy/gathered/samples.parquet",
    }
    assert not re.search(
        r"\b(nan|inf|None)\b", re.sub(r"<script.*?</script>|<[^>]*>", "", html, flags=re.S)
    )


def column(table: dict, label: str) -> list[str]:
    place = [head["label"] for head in table["heads"]].index(label)
    return [row[place]["text"] for row in table["rows"]]


def test_tables_are_in_the_study_s_order_and_show_what_is_known(tmp_path):
    """References as in the study, not by name; methods as in the study."""
    summary_table, differences, samples = described(tmp_path)["tables"]
    assert column(summary_table, "Reference") == ["uniform"] * 6 + ["peaked"] * 6
    assert column(summary_table, "Method") == list(NAMES.values()) * 2
    assert column(summary_table, "At the optimum")[:3] == ["2 of 2", "0 of 2", "0 of 2"]
    assert column(summary_table, "Samples")[1] == "–"
    assert column(summary_table, "Q̂₀")[2] == "published"
    assert "Seeds" not in [head["label"] for head in summary_table["heads"]]
    assert column(differences, "Method") == list(NAMES.values())[1:] * 2
    assert set(column(differences, "Seeds needed")) == {"not from 2 seeds"}
    assert column(samples, "Before")[0] == "8, 7, “007”"
    assert column(samples, "After")[0] == "1, “”, 2"
    # Scores 0, −1 and −1/11.
    assert column(samples, "Mean score after")[0] == "−0.364"


def test_one_seed_has_no_interval_and_says_so(tmp_path):
    found = described(tmp_path, {"seeds": 1}, seeds=1)
    assert set(column(found["tables"][0], "95 % t over seeds")) == {"one seed"}
    assert "one seed)" in found["findings"][0]["sentences"][0]


def test_missing_seeds_are_counted(tmp_path):
    found = described(tmp_path, {"seeds": 2}, seeds=3)
    assert set(column(found["tables"][0], "Seeds")) == {"2 of 3"}


def test_a_method_alone_is_described(tmp_path):
    """No differences: an empty table, whose columns have no types once it is read back."""
    found = described(tmp_path, methods=["softpo"], recipes=[["softpo", RECIPES["softpo"]]])
    assert [table["title"] for table in found["tables"]] == ["Distance to the optimum", "Samples"]
    assert dict(found["facts"])["Training"].startswith("cross_entropy")


def test_named_targets_are_split_into_trained_on_and_others(tmp_path):
    many = {"trained": 3, "tested": 2}
    found = described(tmp_path, many=many)
    summary_table, _, samples = found["tables"]
    assert (
        column(summary_table, "Targets") == (["targets trained on"] * 6 + ["other targets"] * 6) * 2
    )
    assert column(summary_table, "Q̂₀")[6] == "–"
    # One target of each split a run.
    assert len(samples["rows"]) == 6 * 2 * 2
    assert dict(found["facts"])["Targets"] == "3 trained on and 2 others, named in the prompt"
    assert dict(found["facts"])["Grid"].startswith("24 runs")


def test_recipes_are_worded():
    assert facts.recipe_words(RECIPES["reinforce"] | {"adapter": True}) == (
        "reinforce, Q̂₀ group, 100 % policy, 400 samples, 8 a step, lr 0.002, LoRA"
    )
    # An objective that takes no soft value.
    assert facts.recipe_words(RECIPES["reinforce"] | {"value": None}).startswith("reinforce, 100 %")


def test_samples_of_which_none_is_a_number_are_shown():
    """Their column holds None, as parquet reads it, and not NaN."""
    assert tables._sample({"number": None, "text": "a"}) == "“a”"
    assert tables._sample({"number": 3.0, "text": "3"}) == "3"
