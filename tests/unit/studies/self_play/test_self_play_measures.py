"""What is measured of a run, by the script, from files of policies whose truth is known."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
import self_play_samples as made
import statsmodels.api as sm
from scipy import special, stats

from prefgrid.files import reading, store
from prefgrid.job import jobs
from prefgrid.studies.self_play import contests, grid, run_tables
from self_play import measure_run

RUN = {"method": "sppo", "judge": "bt_scores", "seed": 0}
RING = {"method": "sppo", "judge": "bt_closings", "seed": 1}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return made.Files(tmp_path_factory.mktemp("measures"))


@pytest.fixture(scope="module")
def measured(files):
    return {
        run["judge"]: {
            kind: reading.read_table(path) if path.suffix != ".json" else store.read_json(path)
            for kind, path in files.measured(run).items()
        }
        for run in (RUN, RING)
    }


def row(measured, iteration, average=False, judge="bt_scores"):
    table = measured[judge]["iterations"]
    own = table[(table["iteration"] == iteration) & (table["average"] == average)]
    assert len(own) == 1
    return own.iloc[0]


def pairs(files, judge, first, second, run=RUN):
    """Logits [P, S, S] of policies' responses, one pair at a time; a policy by its place, an iteration."""
    found = np.empty((made.PROMPTS, made.SAMPLES, made.SAMPLES))
    sides = [files.rows({} if place == 0 else run, place) for place in (first, second)]
    for prompt, (own, other) in enumerate(zip(*sides, strict=True)):
        for i, j in product(range(made.SAMPLES), repeat=2):
            said = made.logits(judge, [own["responses"][i], other["responses"][j]])
            found[prompt, i, j] = np.float32(said[0, 1])
    return found


@pytest.mark.parametrize(
    ("iteration", "average", "place"), [(1, False, 1), (3, False, 3), (3, True, 1.5)]
)
def test_win_rates_count_all_pairs_by_both_judges(measured, files, iteration, average, place):
    found, rates = row(measured, iteration, average), {}
    for name, judge in (("", "rule"), ("training_", "bt_scores")):
        logits = pairs(files, judge, place, 0)
        rates[name] = (logits > 0).mean(axis=(1, 2)) + (logits == 0).mean(axis=(1, 2)) / 2
        test = stats.ttest_1samp(rates[name], 0.5)
        assert found[f"{name}win_base"] == pytest.approx(rates[name].mean())
        ends = test.confidence_interval()
        assert (found[f"{name}win_base_low"], found[f"{name}win_base_high"]) == pytest.approx(
            (ends.low, min(ends.high, 1))
        )
        assert found[f"{name}win_base_probability"] == pytest.approx(
            special.expit(logits).mean(), rel=1e-6
        )
        if not name:
            assert found["win_base_p"] == pytest.approx(test.pvalue)
    gap = stats.ttest_rel(rates["training_"], rates[""])
    assert found["judge_gap"] == pytest.approx((rates["training_"] - rates[""]).mean())
    ends = gap.confidence_interval()
    assert (found["judge_gap_low"], found["judge_gap_high"]) == pytest.approx(tuple(ends))
    assert found["judge_gap_p"] == pytest.approx(gap.pvalue)
    if average:
        assert np.isnan(found["win_previous"])
    elif place > 1:
        before = pairs(files, "rule", place, place - 1) > 0
        assert found["win_previous"] == pytest.approx(before.mean())
    else:
        assert found["win_previous"] == found["win_base"]


def test_the_win_rate_at_equal_length_is_statsmodels(measured, files):
    characters = [
        np.array([[len(one["text"]) for one in own["responses"]] for own in files.rows(*who)])
        for who in ((RUN, 2), ({}, 0))
    ]
    differences = (characters[0][:, :, None] - characters[1][:, None, :]).ravel()
    design = sm.add_constant(np.tanh(differences / differences.std()))
    prompts = np.repeat(np.arange(made.PROMPTS), made.SAMPLES**2)
    for name, judge in (("", "rule"), ("training_", "bt_scores")):
        won = (1 + np.sign(pairs(files, judge, 2, 0).ravel())) / 2
        model = sm.GLM(won, design, family=sm.families.Binomial()).fit(
            cov_type="cluster", cov_kwds={"groups": prompts}, tol=1e-12
        )
        found = row(measured, 2)
        half = stats.t.ppf(0.975, made.PROMPTS - 1) * model.bse[0]
        logit = model.params[0]
        wanted = special.expit([logit, logit - half, logit + half])
        columns = [f"{name}lc_win_base{end}" for end in ("", "_low", "_high")]
        assert found[columns].astype(float).tolist() == pytest.approx(wanted.tolist(), abs=1e-6)


def test_kl_length_entropy_and_duplicates(measured, files):
    found, rows = row(measured, 2), files.rows(RUN, 2)
    kl = np.array([[one["kl_nats"]["base"] for one in own["responses"]] for own in rows])
    assert found["kl_base_nats"] == pytest.approx(kl.mean())
    assert found["kl_base_se_nats"] == pytest.approx(stats.sem(kl.mean(axis=1)))
    assert found["kl_previous_nats"] == pytest.approx(made.kl("sppo", 2) - made.kl("sppo", 1))
    flat = [one for own in rows for one in own["responses"]]
    assert found["tokens"] == pytest.approx(np.mean([len(one["tokens"]) for one in flat]))
    assert found["characters"] == pytest.approx(np.mean([len(one["text"]) for one in flat]))
    assert found["entropy_per_token_nats"] == pytest.approx(1.5)
    # One of four samples to every tenth of 40 prompts is said twice.
    assert found["duplicate_share"] == pytest.approx(4 / 160)
    texts = pd.Series([one["text"] for one in flat])
    assert found["pool_duplicate_share"] == pytest.approx(texts.duplicated().mean())
    assert found["truncated_share"] == np.mean([one["finish"] == "length" for one in flat])
    assert found["score_score"] == pytest.approx(np.mean([one["score"] for one in flat]))
    before = [np.mean([one["score"] for one in own["responses"]]) for own in files.rows({}, 0)]
    after = [np.mean([one["score"] for one in own["responses"]]) for own in rows]
    change = stats.ttest_rel(after, before)
    ends = change.confidence_interval()
    columns = ["change_score", "change_score_low", "change_score_high"]
    wanted = [np.mean(after) - np.mean(before), ends.low, ends.high]
    assert found[columns].astype(float).tolist() == pytest.approx(wanted)
    # Of 20 steps the last two.
    assert found["loss"] == pytest.approx(2 / 2 - 0.01 * 19.5) and found["steps"] == 20
    assert (found["targets_rows"], found["dropped_duplicate"]) == (290, 32)


def test_the_base_has_no_kl_and_wins_half_against_itself(measured):
    base = row(measured, 0)
    assert (base["kl_base_nats"], base["win_base"], base["judge_gap"]) == (0, 0.5, 0)
    assert np.isnan(base["win_base_low"]) and np.isnan(base["loss"])


def test_every_iterate_meets_every_one_before_it(measured, files):
    table = measured["bt_scores"]["contests"].set_index(["iteration", "opponent"])
    assert list(table.index) == [(1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2)]
    for (later, earlier), own in table.iterrows():
        assert own["win"] == pytest.approx((pairs(files, "rule", later, earlier) > 0).mean())


def test_classes_and_what_beats_them(measured, files):
    """On the ring a class wins against the next by σ(4)."""
    table, win = measured["bt_closings"]["classes"], special.expit(made.RING)
    against = np.array([[0.5, win, 1 - win], [1 - win, 0.5, win], [win, 1 - win, 0.5]])
    for iteration, average, place in ((0, False, 0), (3, False, 3), (3, True, 1.5)):
        rows = files.rows(RING if place else {}, place)
        said = [one["class"] for own in rows for one in own["responses"]]
        shares = np.bincount(said, minlength=3) / len(said)
        own = table[(table["iteration"] == iteration) & (table["average"] == average)]
        assert own["share"].tolist() == pytest.approx(shares.tolist())
        found = row(measured, iteration, average, "bt_closings")
        assert found["exploitability"] == pytest.approx((against @ shares).max() - 0.5)
        base = row(measured, 0, judge="bt_closings")["exploitability"]
        change = found["exploitability_change"]
        assert change == pytest.approx(found["exploitability"] - base)
        if place:
            ends = [found[f"exploitability_change_{end}"] for end in ("low", "high")]
            assert 0 < ends[0] < change < ends[1]
            # Of shares of 160 samples, whose sd is some .04.
            assert 0.1 < ends[1] - ends[0] < 0.35
    assert measured["bt_scores"]["classes"].empty


def test_best_of_n_is_chosen_by_one_judge_and_judged_by_the_other(measured, files):
    table = measured["bt_scores"]["best_of"]
    assert table["of"].tolist() == [*made.BEST, *made.BEST]
    base = files.rows({}, 0)
    for iteration, of in product((0, 3), made.BEST):
        candidates = files.rows(RUN if iteration else {}, iteration, best=True)
        rates = []
        for prompt, own in enumerate(candidates):
            rivals = [one["score"] for one in base[prompt]["responses"]]
            for block in range(max(made.BEST) // of):
                listed = own["responses"][block * of : (block + 1) * of]
                seen = special.expit(made.logits("bt_scores", listed)).mean(axis=1)
                rates.append(np.mean(listed[int(seen.argmax())]["score"] > np.array(rivals)))
        [found] = table[(table["iteration"] == iteration) & (table["of"] == of)].to_dict("records")
        assert found["win_base"] == pytest.approx(np.mean(rates))
        if of == 1:
            plain = found["win_base"]
        assert found["gain"] == pytest.approx(found["win_base"] - plain)


def test_the_last_iterate_is_the_result_and_the_best_if_asked_for(measured, files):
    found = measured["bt_scores"]["selection"]
    assert (found["iteration"], found["cross_fitted"]) == (3, False)
    assert found["win_base"] == row(measured, 3)["win_base"]
    read = {
        run_tables.Place(t, average=False): {
            "": contests.Contest(np.tile(logits, (20, 1, 1)), 1, 1)
        }
        for t, logits in enumerate(([[0, -1], [1, 0]], [[0, 1], [-1, 0]], [[0, 0], [0, 0]]), 1)
    }
    ids = [f"{number:016x}" for number in range(20)]
    chosen = run_tables.selection("best", read, ids)
    assert (chosen["iteration"], chosen["win_base"], chosen["cross_fitted"]) == (2, 1.0, True)
    # Of equal values nothing is known of their spread.
    assert chosen["win_base_low"] is None


def test_a_contest_of_other_samples_is_refused(files):
    table = made.matrices("rule", files.rows(RUN, 1), files.rows({}, 0))
    ids = made.IDS
    contests.read(table, ids, 4, 4, 1)
    for wrong in ((ids[::-1], 4, 4, 1), (ids, 4, 4, 2), (ids[:-1], 4, 4, 1)):
        with pytest.raises(ValueError, match="made from other samples"):
            contests.read(table, *wrong)


def test_a_study_without_best_of_n_scorers_and_average(tmp_path):
    files = made.Files(tmp_path, iterations=1, best=False)
    inputs, spec = files.run(RUN), files.spec(RUN)
    for kind in ("samples", "training", "held_out"):
        inputs[kind] = inputs[kind][:-1]
    inputs["scores"] = []
    spec |= {"average": False, "scorers": [], "classes": None}
    outputs = {kind: tmp_path / name for kind, name in grid.MEASURED.items()}
    measure_run.main(jobs.Job(inputs, outputs, outputs, spec))
    iterations = pd.read_csv(outputs["iterations"])
    assert iterations["iteration"].tolist() == [0, 1]
    assert pd.read_csv(outputs["best_of"]).empty and pd.read_csv(outputs["classes"]).empty
