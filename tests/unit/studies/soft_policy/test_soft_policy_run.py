"""Whole short runs on numbers: tables against plain forwards, and after kills."""

import json
import math
from dataclasses import replace

import numpy as np
import pandas
import pytest
import torch
from tiny_numbers import LORA, PAD, decoding, logp_by_hand, numbers, policy, taught

from prefgrid.files import store
from prefgrid.run import execution
from prefgrid.statistics import soft_value
from prefgrid.studies.soft_policy.run import Run, Setting
from prefgrid.training import loop
from prefgrid.training.options import TrainingOptions
from prefgrid.training.watch import Watch

BETA, SEED = 0.3, 2
DRAWING = {
    "epochs": 2,
    "samples": 24,
    "group_size": 4,
    "refresh_steps": 2,
    "mix": {"uniform": 0.25, "policy": 0.25, "replay": 0.25, "invalid": 0.25},
    "replay": 8,
    "value": "exact",
    "value_samples": 40,
    "keep_best": True,
    "patience": None,
}
TABLES = ("evaluations", "values", "steps", "samples", "answers")


class Killed(BaseException):
    """Nothing catches it, so a run that it goes through leaves behind what a kill would."""


@pytest.fixture
def lines(monkeypatch):
    logged = []
    monkeypatch.setattr(store, "log", logged.append)
    return logged


def setting(*, full=False, objective="softpo", beta_start=None, trained=1, **drawing) -> Setting:
    drawing = DRAWING | drawing
    value = drawing["value"] if drawing["value"] in ("group", "learned") else "given"
    softpo = {"beta": BETA, "loss": "cross_entropy", "value": value, "beta_start": beta_start}
    return Setting(
        objective=objective,
        objective_options=softpo if objective == "softpo" else {},
        options=TrainingOptions(
            epochs=1,
            max_steps=None,
            batch_size=2,
            micro_batch_size=2,
            learning_rate=3e-3 if full else 1e-2,
            lora=None if full else LORA,
        ),
        beta=BETA,
        drawing=drawing,
        trained=trained,
        decoding=decoding(),
        final_samples=5,
        measure_seconds=False,
    )


def made(chosen: Setting, asked=None) -> Run:
    full = chosen.options.lora is None
    model = taught() if full else policy(SEED)
    reference = taught().requires_grad_(False) if full else None
    return Run(chosen, asked or numbers(3), model, reference, SEED)


def outcome(folder, chosen, asked=None, *, work=None, stopped=None):
    """(run, its outcome); stopped: it dies in that step of this process."""
    step, calls = loop.loss_and_gradient, []

    def deadly(*arguments):
        calls.append(arguments)
        if len(calls) == stopped:
            raise Killed
        return step(*arguments)

    loop.loss_and_gradient = deadly
    try:
        run = made(chosen, asked)
        return run, run.train(work=work, failure_path=folder / "failed.json", metrics_path=None)
    finally:
        loop.loss_and_gradient = step


def tables(found) -> dict[str, str]:
    """As they are written."""
    return {name: pandas.DataFrame(getattr(found, name)).to_csv() for name in TABLES}


def same(one, other) -> bool:
    weights = one.weights.keys() == other.weights.keys() and all(
        torch.equal(weight, other.weights[name]) for name, weight in one.weights.items()
    )
    return weights and tables(one) == tables(other)


def probabilities(model, asked, place) -> np.ndarray:
    logps = [logp_by_hand(model, asked.prompts[place], t) for t in asked.answers[place]]
    return np.exp(logps)


def expected_metrics(policy_p, reference_p, target) -> dict[str, float]:
    """Over the nine answers and all else together, by their definitions."""
    p, q = (np.append(x, 1 - x.sum()) for x in (policy_p, reference_p))
    farthest = max(9 - target, target - 1)
    rewards = np.array([-abs(n - target) / farthest for n in range(1, 10)] + [-1.0])
    star = q * np.exp(rewards / BETA)
    star /= star.sum()
    return {
        "tv": 0.5 * np.abs(p - star).sum(),
        "valid_mass": p[:-1].sum(),
        "reward": p @ rewards,
        "kl_to_reference_nats": (p * np.log(p / q)).sum(),
        "kl_from_optimum_nats": (star * np.log(star / p)).sum(),
        "p_target": p[target - 1],
        "mean_number": p[:-1] @ np.arange(1, 10) / p[:-1].sum(),
    }


@pytest.mark.parametrize("full", [False, True])
def test_metrics_are_those_of_plain_forwards(tmp_path, full):
    """Before the first step and of the weights that are left, of every task: two targets that are named,
    of which one is trained on."""
    asked = numbers(3, 8, named=True)
    run, found = outcome(tmp_path, setting(full=full, keep_best=False), asked)
    rows = found.evaluations
    assert [(row["step"], row["target"], row["split"]) for row in rows] == [
        (step, target, split) for step in (0, 3, 6) for target, split in ((3, "train"), (8, "test"))
    ]
    assert [(row["epoch"], row["samples"]) for row in rows[::2]] == [(0, 0), (1, 24), (2, 48)]
    assert [row["kept"] for row in rows] == [False] * 4 + [True] * 2
    for place, target in enumerate((3, 8)):
        reference_p = probabilities(taught(), asked, place)
        policy_p = probabilities(run.policy, asked, place)
        assert np.abs(policy_p - reference_p).max() > 0.02
        for row, p in ((rows[place], reference_p), (rows[4 + place], policy_p)):
            expected = expected_metrics(p, reference_p, target)
            assert {name: row[name] for name in expected} == pytest.approx(expected, abs=2e-6)
        answers = [row for row in found.answers if row["target"] == target]
        assert [row["number"] for row in answers] == list(range(1, 10))
        np.testing.assert_allclose([row["p_policy"] for row in answers], policy_p, atol=1e-6)
        np.testing.assert_allclose([row["p_reference"] for row in answers], reference_p, atol=1e-6)


def test_weights_of_the_epoch_with_the_lowest_distance_are_kept(tmp_path):
    """A step size at which the last epoch is not the best one."""
    chosen = setting(epochs=6, samples=8)
    run, found = outcome(tmp_path, chosen)
    later = [row for row in found.evaluations if row["step"]]
    best = min(later, key=lambda row: row["tv"])
    assert [row["step"] for row in later if row["kept"]] == [best["step"]]
    reference_p = probabilities(taught(), run.numbers, 0)
    kept = expected_metrics(probabilities(run.policy, run.numbers, 0), reference_p, 3)
    assert kept["tv"] == pytest.approx(best["tv"], abs=2e-6)


@pytest.mark.parametrize(
    ("value", "full"),
    [("exact", False), ("exact", True), ("reference", False), ("weighted", True)]
    + [("weighted", False), ("published", False), ("group", False), ("learned", True)],
)
def test_equal_runs_are_equal_and_so_is_one_that_was_killed(
    tmp_path, monkeypatch, lines, value, full
):
    """Killed twice, the second time in the step before an epoch ends."""
    chosen = setting(full=full, value=value, beta_start=0.9)
    _, quiet = outcome(tmp_path, chosen)
    _, again = outcome(tmp_path, chosen)
    assert same(quiet, again)
    monkeypatch.setenv(execution.VARIABLE, json.dumps({"checkpoint_seconds": 0}))
    work = tmp_path / "work"
    for stopped in (3, 4):
        with pytest.raises(Killed):
            outcome(tmp_path, chosen, work=work, stopped=stopped)
    del lines[:]
    _, resumed = outcome(tmp_path, chosen, work=work)
    assert "resumed at step 5 of 6" in lines
    assert same(quiet, resumed)


def test_another_seed_is_another_run(tmp_path):
    chosen = setting()
    _, first = outcome(tmp_path, chosen)
    other = Run(chosen, numbers(3), policy(SEED), None, SEED + 1)
    second = other.train(work=None, failure_path=tmp_path / "failed.json", metrics_path=None)
    assert tables(first)["samples"] != tables(second)["samples"]
    assert tables(first)["steps"] != tables(second)["steps"]


@pytest.mark.parametrize("patience", [1, 2])
def test_patience_ends_a_run_whose_distance_no_longer_falls(tmp_path, monkeypatch, lines, patience):
    """Distances made up: 3 after the first epoch is the lowest."""
    look = Watch._look

    def made_up(self, steps_done):
        row = look(self, steps_done)
        self.rows[-1]["tv"] = row["tv"] = [9, 3, 4, 5, 6, 7][steps_done]
        return row

    monkeypatch.setattr(Watch, "_look", made_up)
    chosen = setting(epochs=5, samples=8, patience=patience)
    _, found = outcome(tmp_path, chosen)
    assert [row["step"] for row in found.evaluations] == list(range(patience + 2))
    assert [row["kept"] for row in found.evaluations] == [False, True] + [False] * patience
    assert len(found.steps) == 1 + patience


def test_samples_are_scored_and_named(tmp_path):
    run, found = outcome(tmp_path, setting(), numbers(3, r_invalid=-0.9))
    assert [row["when"] for row in found.samples] == ["before"] * 5 + ["after"] * 5
    for row in found.samples:
        valid = row["text"] in [str(n) for n in range(1, 10)]
        # A cut answer, without its end token, reads alike.
        assert (row["number"] == int(row["text"])) if row["number"] is not None else True
        assert valid or row["number"] is None
        expected = -0.9 if row["number"] is None else -abs(row["number"] - 3) / 6
        assert row["score"] == pytest.approx(expected)
    assert {row["sample"] for row in found.samples} == set(range(5))


def test_values_are_those_of_the_step_before(tmp_path):
    """β falls with every step; the exact value is enumerated by plain forwards."""
    chosen = setting(beta_start=1.2, epochs=3, samples=16)
    run, found = outcome(tmp_path, chosen)
    p = probabilities(taught(), run.numbers, 0)
    rewards = np.array([-abs(n - 3) / 6 for n in range(1, 10)])
    assert [row["step"] for row in found.values] == [0, 2, 4, 6]
    for row, step in zip(found.values, (0, 1, 3, 5), strict=True):
        beta = max(1.2 * (BETA / 1.2) ** (step / 3), BETA)
        assert row["step_beta"] == pytest.approx(beta)
        expected = beta * math.log(p @ np.exp(rewards / beta) + (1 - p.sum()) * math.exp(-1 / beta))
        assert row["exact"] == row["value"] == pytest.approx(expected, abs=1e-6)
        assert row["estimator"] == "exact" and row["feasibility"] == pytest.approx(1)


@pytest.mark.parametrize("value", ["reference", "weighted", "published"])
def test_sampled_values_are_those_that_the_groups_were_told(tmp_path, value):
    """And differ from the exact one."""
    chosen, told = setting(value=value), []
    run = made(chosen)
    draw = run.forward.source.draw

    def followed(steps, *arguments):
        groups = draw(steps, *arguments)
        told.extend(
            (step, group.prompt_value)
            for step, pair in zip(steps, zip(groups[::2], groups[1::2], strict=True), strict=True)
            for group in pair
        )
        return groups

    run.forward.source.draw = followed
    found = run.train(work=None, failure_path=tmp_path / "failed.json", metrics_path=None)
    by_step = dict(told)
    assert len(told) == 2 * 6
    for row, step in zip(found.values, (0, 2, 5), strict=True):
        assert row["value"] == by_step[step]
        assert row["value"] != pytest.approx(row["exact"], abs=1e-4)


def test_a_group_s_value_is_the_mean_of_what_its_responses_imply(tmp_path):
    """Of the groups held at the end, by a forward each, of the weights at the end."""
    run, found = outcome(tmp_path, setting(value="group", keep_best=False))
    implied = []
    for group in run.forward.groups:
        for tokens, score in zip(group.responses, group.target, strict=True):
            logps = [logp_by_hand(m, group.prompt_tokens, tokens) for m in (run.policy, taught())]
            implied.append(score - BETA * (logps[0] - logps[1]))
    last = found.values[-1]
    assert last["estimator"] == "group"
    assert last["value"] == pytest.approx(np.mean(implied), abs=1e-5)
    error = np.std(implied, ddof=1) / math.sqrt(len(implied))
    assert last["standard_error"] == pytest.approx(error, rel=1e-4)


def test_learned_values_are_the_objective_s(tmp_path):
    run, found = outcome(tmp_path, setting(value="learned", keep_best=False))
    assert found.values[-1]["value"] == run.objective.values[0]
    judge, beta = run.exact.masses[0], BETA
    expected = soft_value.feasibility(run.objective.values[0], judge, beta)
    assert found.values[-1]["feasibility"] == pytest.approx(expected)


@pytest.mark.parametrize("value", ["exact", "group"])
def test_preferences_are_on_two_responses_of_as_many_samples(tmp_path, value):
    """An objective on pairs gets four pairs a step where others get two groups of four."""
    run, found = outcome(tmp_path, setting(objective="dpo", value=value))
    assert run.options.batch_size == 4 and len(found.steps) == 6
    groups = run.forward.groups
    assert len(groups) == 8
    for group in groups:
        first, second = run.numbers.score([0, 0], group.responses)
        assert group.target == (0.5 if first == second else float(second > first))
    assert [row["samples"] for row in found.evaluations] == [0, 24, 48]


@pytest.mark.parametrize("objective", ["dpo", "reinforce"])
@pytest.mark.parametrize("value", ["exact", "group"])
def test_an_objective_without_a_soft_value_has_no_estimate(tmp_path, objective, value):
    _, found = outcome(tmp_path, setting(objective=objective, value=value, mix={"policy": 1.0}))
    for row in found.values:
        assert row["estimator"] is None and math.isfinite(row["exact"])
        assert math.isnan(row["value"]) and math.isnan(row["feasibility"])


def test_the_run_learns(tmp_path):
    """Towards π*, from below a third of the way: no oracle but that it does."""
    chosen = setting(
        epochs=4, samples=240, full=True, mix={"uniform": 0.5, "policy": 0.5}, refresh_steps=5
    )
    _, found = outcome(tmp_path, chosen)
    distances = [row["tv"] for row in found.evaluations]
    assert min(distances) < 0.15 < 0.3 < distances[0]


def test_pad_and_reference_are_those_of_the_setting():
    run = made(setting(full=True))
    assert run.pad_id == PAD and run.forward.reference_model is run.reference_model


def test_samples_too_short_for_an_answer_are_refused():
    """A cut 100 would be scored as no answer, and pull down all of its beginnings' probability."""
    asked = numbers(3, lo=1, hi=100)
    longest = max(map(len, asked.answers[0]))
    chosen = setting(full=True)
    cut = replace(chosen, decoding=decoding(max_new_tokens=longest - 1))
    message = f"soft_policy.task.max_new_tokens = {longest - 1}, but the longest answer has {longest} tokens"
    with pytest.raises(ValueError, match=message):
        made(cut, asked)
    made(replace(chosen, decoding=decoding(max_new_tokens=longest)), asked)


def test_seconds_are_those_of_the_training_and_its_looks(tmp_path, monkeypatch):
    """A clock that only these move: samples shown before take 100 s, a look 10 s, a step 1 s."""
    clock, step = [0.0], loop.loss_and_gradient

    def takes(seconds, call):
        def slow(*arguments):
            clock[0] += seconds
            return call(*arguments)

        return slow

    monkeypatch.setattr("prefgrid.studies.soft_policy.run.time.monotonic", lambda: clock[0])
    monkeypatch.setattr(Run, "_samples", takes(100, Run._samples))
    monkeypatch.setattr(Watch, "_look", takes(10, Watch._look))
    chosen = replace(setting(), measure_seconds=True)
    run = made(chosen)
    monkeypatch.setattr(loop, "loss_and_gradient", takes(1, step))
    found = run.train(work=None, failure_path=tmp_path / "failed.json", metrics_path=None)
    assert [row["seconds"] for row in found.evaluations] == [10, 23, 36]
