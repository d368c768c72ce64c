"""The section of pairwise judges: words and tables follow from the numbers."""

import judged_samples as made
import numpy as np
import pandas as pd
import plug_ins
import pytest

from prefgrid.files import reading, records
from prefgrid.report import page
from prefgrid.studies.pairwise_judges import facts, findings, section

NAMES = {"bt": "Bradley–Terry", "gpm": "GPM", "rule": "rule", "circle": "circle"}
SAMPLES = {"prompts": 12, "responses": 5}
RECIPE = {"dimension": 4, "gate": "none", "normalize": True, "temperature": 0.25, "loss": "ce"}
RECIPE |= {"anneal": None, "margin": False, "ptx": None, "learn_temperature": False}
SPEC = {
    "judges": made.JUDGES,
    "preference_models": made.MODELS,
    "baseline": "bt",
    "comparisons": made.SETS,
    "seeds": [0, 1],
    "measure_on": "test",
    "samples": SAMPLES,
    "recipes": [["bt", RECIPE | {"dimension": 1, "temperature": 1.0}], ["gpm", RECIPE]],
    "ring": {"model": "gpm", "comparisons": "closings"},
}
FIGURES = plug_ins.figure_modules(
    "pairwise_judges", ("accuracy", "ring", "reliability", "consistency")
)


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    folder = tmp_path_factory.mktemp("section")
    paths = made.tabulated(folder)
    svgs = {figure: folder / f"{figure.__name__.rpartition('.')[2]}.svg" for figure in FIGURES}
    for path in svgs.values():
        path.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    target = folder / "out" / "section.json"
    target.parent.mkdir()
    plug_ins.describe(section, svgs, paths, SPEC, target)
    return reading.read_json(target, records.Section)


def measured(**changes) -> dict:
    """A row of the summary."""
    usual = {"judge": "bt", "on": "closings", "seed": 0, "prompts": 100, "decided": 600}
    usual |= {"accuracy": 0.70, "accuracy_low": 0.66, "accuracy_high": 0.74}
    usual |= {"accuracy_scalar_most": 0.8, "accuracy_most": 1.0}
    usual |= {"probability_error": 0.34, "order_flipped_share": 0.0}
    usual |= {"order_excess_mean": 0.0, "circular_share": 0.0}
    return usual | {"circular_share_low": 0.0, "circular_share_high": 0.0} | changes


GOOD = {"judge": "gpm", "accuracy": 0.89, "accuracy_low": 0.86, "accuracy_high": 0.91}
GOOD |= {"probability_error": 0.08}


def difference(**changes) -> dict:
    usual = {"judge": "gpm", "on": "closings", "baseline": "bt", "prompts": 100}
    return usual | {"difference": 0.19, "low": 0.15, "high": 0.23, "p_holm": 1e-6} | changes


def of_sets(summary, differences, baseline="bt"):
    columns = list(difference())
    frames = pd.DataFrame(summary), pd.DataFrame(differences, columns=columns)
    return list(findings.of_sets(*frames, NAMES, made.MODELS, baseline))


def test_what_a_score_cannot_say_has_its_numbers_and_intervals():
    [finding] = of_sets([measured(), measured(**GOOD), measured(judge="rule")], [difference()])
    assert finding.heading == "closings: GPM gets more comparisons right than Bradley–Terry"
    assert finding.sentences == [
        "These preferences run in circles: no scores of the responses agree with more than 0.800 of them.",
        "Bradley–Terry gets 0.700 [0.660, 0.740] right and GPM gets 0.890 [0.860, 0.910] right, of 600 "
        "comparisons of 100 prompts.",
        "GPM minus Bradley–Terry: +0.190 [+0.150, +0.230], p < 0.001 after Holm's correction, paired over 100 "
        "prompts, for the models trained here.",
        "Mean |P − P̂| to the known probabilities, calibrated: 0.340 (Bradley–Terry) and 0.080 (GPM).",
    ]
    assert finding.verdict == "measured"


def test_equal_gaps_are_no_test():
    untested = difference(difference=1.0, low=np.nan, high=np.nan, p_holm=np.nan)
    [finding] = of_sets([measured(), measured(**GOOD)], [untested])
    assert finding.heading == "closings: accuracy of the preference models"
    assert any(
        "Bradley–Terry: +1.000 (no interval), paired over" in one for one in finding.sentences
    )


@pytest.mark.parametrize(
    ("changes", "baseline", "words"),
    [
        ({"p_holm": 0.06}, "bt", "no preference model can be told apart from Bradley–Terry"),
        ({"difference": -0.19}, "bt", "GPM gets fewer comparisons right than Bradley–Terry"),
        ({}, None, "accuracy of the preference models"),
    ],
)
def test_headings_claim_what_intervals_show(changes, baseline, words):
    differences = [difference(**changes)] if baseline else []
    [finding] = of_sets([measured(), measured(**GOOD)], differences, baseline)
    assert finding.heading == f"closings: {words}"


def test_without_circles_and_known_probabilities_nothing_is_said_of_them():
    plain = {"on": "scores", "accuracy_scalar_most": 1.0, "probability_error": np.nan}
    found = of_sets([measured(**plain), measured(**GOOD | plain)], [difference(on="scores")])
    text = " ".join(found[0].sentences)
    assert "circles" not in text and "P̂" not in text


def test_of_drawn_labels_the_ceilings_are_expectations():
    own = {"accuracy_scalar_most": 0.82, "accuracy_most": 0.88}
    [finding] = of_sets([measured(**own)], [])
    assert finding.sentences[0] == (
        "These preferences run in circles: no scores of the responses agree with more than 0.820 of them; by the "
        "true probabilities, of which the labels were drawn, 0.880 can be right."
    )
    [noise] = of_sets([measured(accuracy_scalar_most=0.72, accuracy_most=0.72)], [])
    assert "circles" not in " ".join(noise.sentences)


def test_the_error_of_probabilities_needs_all_seeds():
    rows = [measured(), measured(seed=1, probability_error=np.nan)]
    assert "P̂" not in " ".join(of_sets(rows, [])[0].sentences)


def test_several_seeds_have_their_range():
    rows = [measured(), measured(seed=1, accuracy=0.72)]
    [finding] = of_sets(rows, [])
    assert (
        "Bradley–Terry gets 0.710 right (0.700 to 0.720 in 2 seeds), of 600"
        in (finding.sentences[1])
    )


DIMENSIONS = {"bt": 1, "gpm": 4}


def trapped(summary, *differences):
    frame = pd.DataFrame(differences, columns=list(difference()))
    return findings.trapped(pd.DataFrame(summary), frame, NAMES, DIMENSIONS)


def test_a_model_that_stays_where_scores_are_is_a_warning():
    rows = [measured(), measured(**GOOD)]
    hint = difference(difference=0.02, low=0.001, high=0.04, p_holm=0.08)
    finding = trapped(rows, hint)
    assert finding.verdict == "warning"
    assert finding.heading == "GPM on closings: no circle is shown to be learned"
    assert "not shown to get more comparisons right than Bradley–Terry" in finding.sentences[0]
    # It is shown; it is a scalar; there are no circles.
    assert trapped(rows, difference()) is None
    assert trapped(rows, hint | {"judge": "rule"}) is None
    # Another baseline does not show what a score could learn.
    assert trapped(rows, hint | {"baseline": "circle"}) is None
    unknown = [row | {"accuracy_scalar_most": np.nan, "accuracy_most": np.nan} for row in rows]
    assert trapped(unknown, hint) is None
    plain = [row | {"on": "scores", "accuracy_scalar_most": 1.0} for row in rows]
    assert trapped(plain, hint | {"on": "scores"}) is None
    assert trapped(rows, difference(difference=-0.2)) is not None


def test_order_is_told_where_it_counts():
    turned = measured(judge="gpm", order_flipped_share=0.125, order_excess_mean=0.05)
    finding = findings.of_order(pd.DataFrame([measured(), turned]), NAMES)
    assert finding.sentences == [
        "GPM on closings: 12.5 % of the verdicts turn; P_ij + P_ji − 1 is +0.050 on average.",
        "Accuracies are of the mean of both orders.",
    ]
    assert findings.of_order(pd.DataFrame([measured()]), NAMES) is None


@pytest.mark.parametrize(
    ("share", "low", "heading"),
    [
        (0.4, 0.3, "Some judges rank the reference's responses in circles"),
        (0.01, -0.01, "Circles among the reference's responses are not established"),
        (0.0, 0.0, "No judge ranks the reference's responses in circles"),
    ],
)
def test_circles_among_samples_are_claimed_by_their_interval(share, low, heading):
    own = measured(judge="gpm", circular_share=share, circular_share_low=low)
    own["circular_share_high"] = 0.5
    finding = findings.of_circles(pd.DataFrame([measured(), own]), NAMES, SAMPLES)
    assert finding.heading == heading
    text = " ".join(finding.sentences)
    assert "Shares of triples of 5 responses to each of 12 prompts" in text
    assert ("GPM of closings, seed 0: 0.400 [0.300, 0.500]" in text) == (share == 0.4)
    assert "Bradley–Terry" in text and "no circle" in text
    assert findings.of_circles(pd.DataFrame([measured()]), NAMES, None) is None


def test_a_plain_judge_is_told_of_circles_once():
    rows = [
        measured(judge="circle", seed=np.nan, on=on, circular_share=0.18, circular_share_low=0.1)
        | {"circular_share_high": 0.26}
        for on in made.SETS
    ]
    finding = findings.of_circles(pd.DataFrame(rows), NAMES, SAMPLES)
    assert finding.sentences[0] == "circle: 0.180 [0.100, 0.260]."


def test_facts_word_the_recipes():
    rows = dict(facts.rows(SPEC, NAMES))
    assert rows["GPM"] == "embeddings of 4 numbers of length 1, τ = 0.25, loss ce"
    longer = RECIPE | {
        "anneal": {"start": 2.0, "share": 0.7},
        "margin": True,
        "ptx": {"share": 0.1, "loss": "sequence", "scale": 2.0},
        "learn_temperature": True,
    }
    assert facts.recipe_words(longer) == (
        "embeddings of 4 numbers of length 1, τ from 2 to 0.25 in the first 70 % of the steps, learned from "
        "there, loss ce with margins, 0.1 of it of the language model (sequence)"
    )
    assert rows["Bradley–Terry"] == "one score a response, τ = 1, loss ce"
    assert rows["Other judges"] == "rule, circle"
    assert rows["Circles among"] == "5 responses of the reference to each of 12 prompts"
    assert "Circles among" not in dict(facts.rows(SPEC | {"samples": None}, NAMES))
    assert "trained them" in dict(facts.rows(SPEC | {"measure_on": "train"}, NAMES))["Comparisons"]


def test_the_section_is_whole(described):
    assert [table["title"] for table in described["tables"]] == [
        "Judges",
        "Differences to Bradley–Terry",
        "Sections",
    ]
    assert len(described["tables"][0]["rows"]) == len(made.CELLS)
    assert not [
        cell
        for table in described["tables"]
        for row in table["rows"]
        for cell in row
        if cell["missing"]
    ]
    headings = [finding["heading"] for finding in described["findings"]]
    assert headings[:2] == [
        "scores: GPM gets fewer comparisons right than Bradley–Terry",
        "closings: GPM gets more comparisons right than Bradley–Terry",
    ]
    assert len(described["figures"]) == 4


def test_what_it_is_measured_on_is_said(described, tmp_path):
    assert described["how"].endswith("on comparisons of prompts that trained nothing.")
    paths = made.tabulated(tmp_path)
    files = {name: [paths[name]] for name in section.READS}
    spec = SPEC | {"measure_on": "train", "figures": []}
    found = section.section(files, {}, spec)
    assert found["how"].endswith("on the comparisons that they were trained on.")


def test_the_page_shows_it_and_links_its_tables(described):
    html = page.render(
        {
            **{"title": "t", "subtitle": "s", "folder": "f", "run": [], "config": ""},
            "studies": [described],
            "quality": None,
            "provenance": {"artifacts": 0}
            | {key: [] for key in ("steps", "packages", "commits", "devices", "pythons")},
        }
    )
    assert html.count("data:image/svg+xml;base64,") == 4
    for name in ("summary", "differences", "sections"):
        assert f'href="pairwise_judges/tables/{name}.csv"' in html
    assert "GPM gets more comparisons right than Bradley–Terry" in html
