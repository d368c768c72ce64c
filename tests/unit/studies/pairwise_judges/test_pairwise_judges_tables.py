"""The tables of the study, made by its script from files of judges whose logits are known."""

from itertools import combinations, permutations

import judged_samples as made
import numpy as np
import pandas as pd
import pytest
from scipy import special, stats
from statsmodels.stats.proportion import proportion_confint

from prefgrid.files import reading
from prefgrid.judges import compared
from prefgrid.studies.pairwise_judges import measures

PAIRS = made.PROMPTS * 6


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    paths = made.tabulated(tmp_path_factory.mktemp("tables"), gpm=2.0, rule=3.0)
    return {name: reading.read_table(path) for name, path in paths.items()}


def row(table: pd.DataFrame, judge: str, on: str, seed: float | None = None) -> pd.Series:
    own = table[(table["judge"] == judge) & (table["on"] == on)]
    own = own[own["seed"].isna() if seed is None else own["seed"] == seed]
    assert len(own) == 1
    return own.iloc[0]


def logits(judge: str, on: str) -> np.ndarray:
    """(l_ij − l_ji)/2 of every comparison, in the file's order."""
    found = []
    for prompt, one in enumerate(made.compared(on)):
        own = made.LOGITS[judge](prompt, 4)
        found += [
            (own[c["first"], c["second"]] - own[c["second"], c["first"]]) / 2
            for c in one["comparisons"]
        ]
    return np.array(found)


@pytest.mark.parametrize("judge", made.JUDGES)
@pytest.mark.parametrize("on", made.SETS)
def test_accuracy_has_wilson_s_interval(tables, judge, on):
    found = row(tables["summary"], judge, on, 1 if judge in made.MODELS else None)
    own = logits(judge, on)
    right = int((own > 0).sum())
    assert found["accuracy"] == pytest.approx(right / PAIRS)
    assert (found["comparisons"], found["prompts"]) == (PAIRS, made.PROMPTS)
    wanted = proportion_confint(right, PAIRS, method="wilson")
    assert (found["accuracy_low"], found["accuracy_high"]) == pytest.approx(wanted)
    assert found["log_loss_raw_nats"] == pytest.approx(np.logaddexp(0, -own).mean(), rel=1e-5)
    scaled = own / {"gpm": 2.0, "rule": 3.0}.get(judge, 1.0)
    assert found["log_loss_nats"] == pytest.approx(np.logaddexp(0, -scaled).mean(), rel=1e-5)


def test_what_no_scalar_exceeds(tables):
    """Of all 24 rankings of four responses the best, prompt by prompt; scores reach all of their own."""
    most = 0
    for one in made.compared("closings"):
        edges = [(c["first"], c["second"]) for c in one["comparisons"]]
        most += max(
            sum(places[first] > places[second] for first, second in edges)
            for places in permutations(range(4))
        )
    assert most < PAIRS
    summary = tables["summary"]
    assert (summary.loc[summary["on"] == "scores", "accuracy_scalar_most"] == 1).all()
    circular = summary[summary["on"] == "closings"]
    assert circular["accuracy_scalar_most"].to_numpy() == pytest.approx(most / PAIRS)
    scalars = circular[circular["judge"].isin(["bt", "rule"])]
    assert (scalars["accuracy"] <= scalars["accuracy_scalar_most"]).all()
    assert row(summary, "circle", "closings")["accuracy"] == 1


def test_known_probabilities_are_those_of_the_set_s_own_judge(tables):
    truth = special.expit(logits("circle", "closings"))
    for judge, temperature in (("bt", 1.0), ("gpm", 2.0)):
        found = row(tables["summary"], judge, "closings", 0)
        own = logits(judge, "closings")
        raw, scaled = special.expit(own), special.expit(own / temperature)
        # Logits are written as float32.
        for name, predicted in (("probability_error_raw", raw), ("probability_error", scaled)):
            wanted = np.abs(predicted - truth).mean()
            assert found[name] == pytest.approx(wanted, rel=1e-5, abs=1e-7)
    assert row(tables["summary"], "circle", "closings")["probability_error_raw"] == 0
    # Labels are no probabilities.
    assert (
        tables["summary"].loc[tables["summary"]["on"] == "scores", "probability_error"].isna().all()
    )


def test_the_bias_of_a_position_is_seen_and_has_no_part_in_the_accuracy(tables):
    """`gpm` here is `circle` and a nat for the response that is shown first."""
    found = row(tables["summary"], "gpm", "closings", 0)
    fair = row(tables["summary"], "circle", "closings")
    assert found["accuracy"] == fair["accuracy"] == 1
    own = logits("circle", "closings")
    excess = special.expit(own + 1) + special.expit(1 - own) - 1
    assert found["order_excess_mean"] == pytest.approx(excess.mean(), rel=1e-5)
    assert found["order_flipped_share"] == pytest.approx((np.abs(own) < 1).mean())
    assert fair["order_excess_mean"] == fair["order_flipped_share"] == 0


def test_circles_among_samples_are_means_over_prompts(tables):
    """Kinds 0, 1, 2, 0, 1 of five responses: 2 · 2 · 1 of ten triples are of all kinds; others may be
    closed by the words of two of one kind."""
    summary = tables["summary"]
    assert row(summary, "rule", "scores")["circular_share"] == 0
    shares = []
    for prompt in range(made.SAMPLED_PROMPTS):
        own = made.ring(prompt, made.SAMPLED) > 0
        shares.append(np.trace(np.linalg.matrix_power(own.astype(int), 3)) / 3 / 10)
    found = row(summary, "circle", "closings")
    assert found["circular_share"] == pytest.approx(np.mean(shares))
    assert np.mean(shares) >= 0.4
    if np.ptp(shares):
        wanted = stats.t.interval(0.95, len(shares) - 1, np.mean(shares), stats.sem(shares))
        assert (found["circular_share_low"], found["circular_share_high"]) == pytest.approx(wanted)


def test_lengths_are_characters_and_longer_is_later(tables):
    """Texts of one prompt differ by three characters a place."""
    found = row(tables["summary"], "rule", "scores")
    own = logits("rule", "scores")
    difference = np.array(
        [
            3.0 * (c["first"] - c["second"])
            for one in made.compared("scores")
            for c in one["comparisons"]
        ]
    )
    both = np.concatenate([own, -own]), np.concatenate([difference, -difference])
    assert found["length_spearman"] == pytest.approx(stats.spearmanr(*both)[0], abs=1e-6)
    assert found["length_pearson"] == pytest.approx(stats.pearsonr(*both)[0], abs=1e-6)


def test_differences_are_paired_by_prompt(tables):
    found = tables["differences"]
    assert list(found["judge"].unique()) == ["gpm", "rule", "circle"]
    own = found[(found["judge"] == "circle") & (found["on"] == "closings")].iloc[0]
    gaps = (logits("circle", "closings") > 0).reshape(-1, 6).mean(axis=1) - (
        logits("bt", "closings") > 0
    ).reshape(-1, 6).mean(axis=1)
    test = stats.ttest_1samp(gaps, 0)
    assert own["difference"] == pytest.approx(gaps.mean())
    assert (own["low"], own["high"]) == pytest.approx(tuple(test.confidence_interval()))
    assert own["p"] == pytest.approx(test.pvalue)
    assert own["prompts"] == made.PROMPTS
    tested = found.dropna(subset="p")
    assert len(tested) == 4 and (tested["p_holm"] >= tested["p"]).all()
    # Where every prompt has the same gap nothing is known of its spread.
    assert found[found["p"].isna()][["low", "high"]].isna().all(axis=None)


def test_sections_share_out_the_comparisons(tables):
    own = tables["sections"]
    own = own[(own["judge"] == "rule") & (own["on"] == "closings")].set_index("section")
    assert list(own.index) == ["even", "odd"]
    right = (logits("rule", "closings") > 0).reshape(-1, 6)
    assert own.loc["even", "value"] == pytest.approx(right[::2].mean())
    assert own.loc["odd", "value"] == pytest.approx(right[1::2].mean())
    assert (own["count"] == PAIRS / 2).all()


def test_reliability_is_raw_and_calibrated(tables):
    own = tables["reliability"]
    own = own[(own["judge"] == "rule") & (own["on"] == "scores")]
    for calibrated, temperature in ((False, 1.0), (True, 3.0)):
        part = own[own["calibrated"] == calibrated]
        assert part["comparisons"].sum() == PAIRS
        predicted = special.expit(np.abs(logits("rule", "scores")) / temperature)
        mean = (part["predicted"] * part["comparisons"]).sum() / PAIRS
        assert mean == pytest.approx(predicted.mean(), rel=1e-6)


def test_a_comparison_without_logits_is_named():
    frame = compared.comparisons(made.compared("scores"))
    own = made.matrices(made.scalar)
    kept = own[~((own["row"] == 2) & (own["first"] == 0) & (own["second"] == 1))]
    with pytest.raises(ValueError, match="no logit for {'row': 2, .*logits of both orders"):
        compared.with_logits(frame, kept, 1)


def test_what_a_position_adds_has_no_part_in_the_logit():
    """l_ij = s_ij + b and l_ji = −s_ij + b for a bias b of 1."""
    frame = compared.comparisons(made.compared("closings"))
    fair, biased = (
        compared.with_logits(frame, made.matrices(own), 1) for own in (made.ring, made.biased)
    )
    np.testing.assert_allclose(biased["logit"], fair["logit"], atol=1e-6)
    np.testing.assert_allclose(biased["there"], fair["there"] + 1, atol=1e-6)


def test_matrices_are_the_mean_of_both_orders():
    found = compared.matrices(made.matrices(made.biased), 2)
    assert list(found) == list(range(made.SAMPLED_PROMPTS))
    for prompt, own in found.items():
        np.testing.assert_allclose(own, made.ring(prompt, made.SAMPLED), atol=1e-6)


def drawn(power: float, count: int = 2000) -> tuple[pd.DataFrame, np.ndarray]:
    """All pairs of four responses whose kinds beat the next with `power` nats and whose scores differ: labels
    that were drawn by the true probabilities, and these."""
    rng, rows, truth = np.random.default_rng(5), [], []
    for row_number in range(count):
        kinds, scores = np.arange(4) % 3, rng.normal(size=4)
        for i, j in combinations(range(4), 2):
            step = (kinds[j] - kinds[i]) % 3
            logit = power * (0, 1, -1)[step] + scores[i] - scores[j]
            truth.append(special.expit(logit))
            rows.append((row_number, i, j, float(rng.random() < truth[-1])))
    return pd.DataFrame(rows, columns=["row", "first", "second", "probability"]), np.array(truth)


def test_drawn_labels_of_bradley_terry_are_no_circles():
    """Scores chosen after the draw agree with far more labels than the truth itself does, which is noise."""
    found, truth = drawn(power=0.0)
    most = measures.most(found, truth, certain=False)
    # The best scores are the true ones.
    assert most["accuracy_scalar_most"] == pytest.approx(np.maximum(truth, 1 - truth).mean())
    assert most["accuracy_most"] == pytest.approx(most["accuracy_scalar_most"], abs=1e-12)
    fresh = np.random.default_rng(1).random(truth.size) < truth
    assert ((truth > 0.5) == fresh).mean() == pytest.approx(most["accuracy_most"], abs=0.01)
    assert measures.most(found, truth, certain=True)["accuracy_scalar_most"] > 0.9


def test_the_best_scores_of_drawn_labels_are_those_of_the_best_ranking_by_the_truth():
    found, truth = drawn(power=3.0, count=40)
    wanted = 0.0
    for own in truth.reshape(-1, 6):
        wanted += max(
            sum(
                p if places[i] > places[j] else 1 - p
                for p, (i, j) in zip(own, combinations(range(4), 2), strict=True)
            )
            for places in permutations(range(4))
        )
    most = measures.most(found, truth, certain=False)
    assert most["accuracy_scalar_most"] == pytest.approx(wanted / truth.size)
    assert most["accuracy_scalar_most"] < most["accuracy_most"] - 0.01
    # Neither is known where nobody knows the truth.
    assert np.isnan(list(measures.most(found, None, certain=False).values())).all()


def test_probabilities_in_the_file_count_by_their_likelier_sides():
    """As accuracy does; a pure circle of .9 has two edges of three."""
    circle = pd.DataFrame({"row": 0, "first": [0, 1, 2], "second": [1, 2, 0], "probability": 0.9})
    most = measures.most(circle, None, certain=False)
    assert most == {"accuracy_most": 1.0, "accuracy_scalar_most": pytest.approx(2 / 3)}


def test_a_temperature_at_its_bound_calibrates_nothing(tmp_path):
    paths = made.tabulated(tmp_path, rule=made.BOUND)
    summary, bins = (reading.read_table(paths[name]) for name in ("summary", "reliability"))
    own, other = row(summary, "rule", "closings"), row(summary, "circle", "closings")
    calibrated = ["log_loss_nats", "calibration_error", "probability_error", "temperature"]
    assert own[calibrated].isna().all() and other[calibrated].notna().all()
    assert own["calibrated_of"] == 0 and other["calibrated_of"] == PAIRS
    assert np.isfinite(own["log_loss_raw_nats"])
    assert not bins[bins["judge"] == "rule"]["calibrated"].any()


def test_what_fitted_the_temperature_is_not_called_calibrated(tmp_path, monkeypatch):
    """A benchmark measures the comparisons of its calibration half too."""
    matrices = made.matrices

    def overlapping(logits):
        table = matrices(logits)
        ids = [f"{one:016x}" for one in table.loc[table["file"] == 0, "row"]]
        return table.assign(prompt_id=[*ids, *table["prompt_id"].iloc[len(ids) :]])

    monkeypatch.setattr(made, "matrices", overlapping)
    summary = reading.read_table(made.tabulated(tmp_path, rule=3.0)["summary"])
    found, own = row(summary, "rule", "scores"), logits("rule", "scores")
    # Three prompts of six pairs.
    assert found["calibrated_of"] == PAIRS - 18 and found["comparisons"] == PAIRS
    assert found["log_loss_nats"] == pytest.approx(np.logaddexp(0, -own[18:] / 3).mean(), rel=1e-5)
    assert found["log_loss_raw_nats"] == pytest.approx(np.logaddexp(0, -own).mean(), rel=1e-5)


def test_the_table_says_which_judges_are_antisymmetric_by_construction(tables):
    own = tables["summary"].groupby("judge")["antisymmetric"].unique()
    assert [list(own[judge]) for judge in made.JUDGES] == [[True], [False], [True], [True]]
