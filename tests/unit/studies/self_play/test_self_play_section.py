"""The section says what the tables show, and no more."""

import numpy as np
import plug_ins
import pytest
import self_play_samples as made

from prefgrid.files import reading, store
from prefgrid.studies.self_play import facts, findings, section
from prefgrid.studies.self_play.figures import win_rate_by_kl

ROWS = made.GRID
SPEC = {
    "rows": ROWS,
    "methods": ["sppo", "gpo"],
    "baseline": "sppo",
    "seeds": [0],
    "iterations": made.ITERATIONS,
    "kappas": made.KAPPAS,
    "compat": "fixed",
    "responses": 5,
    "asked_prompts": {"per_iteration": 300, "parts": "disjoint"},
    "evaluation": {"prompts": made.PROMPTS, "samples": 4, "best": None, "average": True},
    "trainings": [[["sppo", "gpo"], "2 epochs"]],
}
ONE = [run for run in made.RUNS if run["seed"] == 0]


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """Of one seed."""
    return made.tabulated(tmp_path_factory.mktemp("section"), ONE)


@pytest.fixture(scope="module")
def tables(paths):
    return {name: reading.read_table(path) for name, path in paths.items()}


@pytest.fixture(scope="module")
def cells(tables):
    return findings.cells(tables["iterations"], tables["summary"])


def described(paths, folder, **changes):
    svg = plug_ins.draw(win_rate_by_kl, paths, SPEC, folder)["svg"]
    path = folder / "section.json"
    plug_ins.describe(section, {win_rate_by_kl: svg}, paths, SPEC | changes, path)
    return store.read_json(path)


def test_the_section_has_all_its_parts(paths, tmp_path):
    found = described(paths, tmp_path)
    assert [one["title"] for one in found["tables"]] == [
        "Win rates",
        "Training, iteration by iteration",
        "At KL 0.5",
        "At KL 1",
        "Best of n",
    ]
    facts = dict(found["facts"])
    assert facts["Trained by bt scores"] == "SPPO, GPO; judged by rule"
    assert facts["An iteration"] == "5 responses of the policy before to 300 prompts"
    [training] = [one for one in found["tables"] if one["title"].startswith("Training")]
    heads = [head["label"] for head in training["heads"]]
    for label in ("Loss", "KL", "Tokens"):
        assert label in heads
    assert len(training["rows"]) == 3 * 5
    # Of the base nothing is trained.
    assert training["rows"][0][heads.index("Loss")]["text"] == "–"
    assert training["rows"][1][heads.index("Rows")]["text"] == "290"


def test_several_seeds_have_a_table_of_their_own(tmp_path):
    paths = made.tabulated(tmp_path, [run for run in made.RUNS if run["judge"] == "bt_scores"])
    found = described(paths, tmp_path, rows=ROWS[:1], seeds=made.SEEDS)
    assert "Over seeds" in [one["title"] for one in found["tables"]]
    sentences = [line for one in found["findings"] for line in one["sentences"]]
    assert findings.ONE_SEED not in sentences
    assert any("2 seeds" in line for line in sentences)


def test_the_last_iterates_beat_the_base_where_they_do(cells, tables):
    scores, closings = findings.against_the_base(cells, ROWS)
    assert scores.heading.endswith("every last iterate beats the base")
    assert closings.heading.endswith("no last iterate is shown to beat the base")
    assert findings.ONE_SEED in scores.sentences
    last = tables["iterations"].query("method == 'sppo' and judge == 'bt_scores'").iloc[3]
    ends = f"[{last['win_base_low']:.3f}, {last['win_base_high']:.3f}]"
    assert f"SPPO wins {last['win_base']:.3f} {ends}" in scores.sentences[0]
    # It rises by half a standard deviation of scores an iteration, which 640 pairs show.
    assert scores.sentences[1].startswith("SPPO rises at every iteration")


def test_an_interval_above_a_half_is_no_claim_before_holm_s_correction(cells):
    weak = cells.assign(win_base_p_holm=np.where(cells["win_base_p_holm"].notna(), 0.06, np.nan))
    scores, _ = findings.against_the_base(weak, ROWS)
    assert scores.heading.endswith("no last iterate is shown to beat the base")
    # Two of the three last iterates have tiny p values; the correction covers all three.
    tested = cells[cells["win_base_p_holm"].notna()]
    assert len(tested) == 3 and not tested["average"].any()
    assert (tested["win_base_p_holm"] >= tested["win_base_p"]).all()


def test_who_loses_is_said_too(cells):
    lost = cells.copy()
    rates = ["win_base_low", "win_base", "win_base_high"]
    gpo = lost["method"] == "gpo"
    lost.loc[gpo, rates] = 1 - lost.loc[gpo, rates[::-1]].to_numpy()
    scores, _ = findings.against_the_base(lost, ROWS)
    assert scores.heading.endswith("SPPO beats the base, GPO loses to the base")


def test_at_equal_kl_one_seed_says_no_more_than_of_its_policies(tables):
    table = tables["equal_kl"]
    headings = [one.heading for one in findings.at_equal_kl(table, "sppo")]
    assert headings == [f"At KL {k} no method can be told apart from SPPO" for k in ("0.5", "1")]
    # One finding a KL, each of its own rows.
    gpo = (table["method"] == "gpo") & (table["kappa_nats"] == 0.5)
    sure = table.copy()
    sure.loc[gpo, "p_prompts_holm_given_seeds"] = 0.001
    found, other = findings.at_equal_kl(sure, "sppo")
    assert found.heading == "At KL 0.5 some policies trained here differ from SPPO's"
    assert other.heading == "At KL 1 no method can be told apart from SPPO"
    wins = table[table["kappa_nats"] == 1].set_index(["method", "judge"])["win"]
    assert any(
        f"GPO with bt scores {wins['gpo', 'bt_scores']:.3f}" in line for line in other.sentences
    )
    sure.loc[gpo, ["p_seeds", "p_seeds_holm"]] = 0.01
    sure.loc[gpo, "difference_prompts_low_given_seeds"] = 0.01
    found, _ = findings.at_equal_kl(sure, "sppo")
    assert found.heading == "At KL 0.5 methods differ from SPPO"
    missing = table.copy()
    missing.loc[gpo, ["seeds", "seeds_missing", "seeds_compared"]] = [0, 1, 0]
    missing.loc[gpo, ["win", "difference"]] = np.nan
    found, _ = findings.at_equal_kl(missing, "sppo")
    assert found.heading == "At KL 0.5 nothing can be compared"
    assert any(line.startswith("Not every run gets as far as KL 0.5") for line in found.sentences)
    assert list(findings.at_equal_kl(table[table["method"] != "gpo"], "sppo")) == []


@pytest.mark.parametrize("compat", ["paper", "released"])
def test_compat_says_no_more_than_it_sets(compat):
    found = dict(facts.rows(SPEC | {"compat": compat}))
    assert found["Sampling, targets, pairs and choice as published"] == compat
    assert "As published" not in found


def test_a_chosen_iteration_is_named_with_its_cross_fitted_rate(tables):
    selected = tables["selected"]
    assert findings.of_selection(selected) is None
    best = selected.assign(select="best", iteration=2, win_base=[0.75, np.nan, 0.5])
    found = findings.of_selection(best)
    assert "SPPO with bt scores, seed 0: iteration 2, win rate 0.750" in found.sentences[0]
    assert "win rate not known" in found.sentences[0]
