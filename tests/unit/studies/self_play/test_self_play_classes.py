"""Classes of responses and what beats them, of made-up policies whose truth is known."""

from itertools import product

import numpy as np
import pytest
import self_play_samples as made
from scipy import special, stats

from prefgrid.studies.self_play import run_tables

RING = {"method": "sppo", "judge": "bt_closings", "seed": 1}


def ring_logits(classes):
    """[P, S, S]: each class beats the next by RING nats."""
    steps = (classes[:, None, :] - classes[:, :, None]) % 3
    return np.where(steps == 1, made.RING, np.where(steps == 2, -made.RING, 0.0))


def test_a_resample_without_a_rare_class_has_its_probability_of_all_prompts():
    """The base says class 1, which beats class 0, at one prompt of 30: a third of the resamples lack it."""
    scores = np.zeros((2, 30, 2))
    scores[0, 0, 0] = 1
    found, win = run_tables.places(1, average=False), special.expit(made.RING)
    logits = made.RING * (scores[0][:, :, None] - scores[0][:, None, :])
    _, [_, last] = run_tables.of_classes(scores, found, logits)
    assert last["exploitability"] == pytest.approx(win - 0.5)
    assert last["exploitability_low"] == pytest.approx(last["exploitability_high"])


def test_the_base_is_as_exploitable_in_every_run_of_a_held_out_judge():
    """What other policies say has no part in how often one class beats another: words, which count beside the
    ring, differ between runs."""
    rng = np.random.default_rng(0)
    base, words = rng.integers(3, size=(40, 4)), rng.normal(size=(40, 4))
    logits = ring_logits(base) + words[:, :, None] - words[:, None, :]
    found = run_tables.places(1, average=False)
    values = []
    for seed in (1, 2):
        own = np.random.default_rng(seed).choice(3, p=[0.1, 0.2, 0.7], size=(40, 4))
        _, [of_base, _] = run_tables.of_classes(np.stack([base, own]), found, logits)
        values.append(of_base)
    assert values[0] == values[1]
    # M by enumeration.
    sums, seen = np.zeros((3, 3)), np.zeros((3, 3))
    for prompt, i, j in product(range(40), range(4), range(4)):
        if i != j:
            sums[base[prompt, i], base[prompt, j]] += special.expit(logits[prompt, i, j])
            seen[base[prompt, i], base[prompt, j]] += 1
    against = sums / seen
    shares = np.bincount(base.ravel(), minlength=3) / base.size
    assert values[0]["exploitability"] == pytest.approx((against @ shares).max() - 0.5)


def test_the_script_takes_the_logits_among_the_base_s_samples(tmp_path, monkeypatch):
    files = made.Files(tmp_path)
    seen = []
    known = run_tables.of_classes
    monkeypatch.setattr(
        run_tables, "of_classes", lambda *given: seen.append(given[2]) or known(*given)
    )
    files.measured(RING)
    classes = [[one["class"] for one in own["responses"]] for own in files.rows({}, 0)]
    np.testing.assert_allclose(seen[0], ring_logits(np.array(classes)))


def test_the_probabilities_of_classes_are_resampled_too():
    """A policy of class 0 alone: its shares are certain, and all that scatters is how often class 1 beats it."""
    prompts, rng = 200, np.random.default_rng(5)
    scores = np.zeros((2, prompts, 2))
    scores[0, :, 1] = 1
    half = rng.normal(0.5, 2.0, size=prompts)
    logits = np.zeros((prompts, 2, 2))
    logits[:, 1, 0], logits[:, 0, 1] = half, -half
    _, [_, last] = run_tables.of_classes(scores, run_tables.places(1, average=False), logits)
    wanted = stats.ttest_1samp(special.expit(half), 0.5)
    ends = wanted.confidence_interval()
    width = ends.high - ends.low
    assert last["exploitability"] == pytest.approx(special.expit(half).mean() - 0.5)
    found = [last["exploitability_low"], last["exploitability_high"]]
    assert found == pytest.approx([ends.low - 0.5, ends.high - 0.5], abs=0.06 * width)


@pytest.mark.parametrize("wrong", [0.5, -1.0])
def test_a_class_that_is_none_is_refused(wrong):
    scores = np.zeros((2, 3, 1))
    scores[1, 2, 0] = wrong
    found = run_tables.places(1, average=False)
    with pytest.raises(ValueError, match=f"of class {wrong:g}; allowed: whole numbers from 0"):
        run_tables.of_classes(scores, found, np.zeros((3, 1, 1)))
