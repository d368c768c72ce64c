"""How trainings are worded: what is not as usual is said, and methods that differ are not called alike."""

import pytest

from prefgrid.config.training import Training
from prefgrid.studies import words

PLAIN = "3 epochs, 32 pairs a step, lr 0.0045, LoRA rank 8, float32"


def learner(options=(), **training):
    return {"options": dict(options), "training": Training(**training).model_dump()}


def worded(options=(), **training):
    own = learner(options, **training)
    return words.training_words(own["training"], own["options"])


def test_defaults_are_worded_as_ever():
    rank = Training().lora.rank
    plain = PLAIN.replace("rank 8", f"rank {rank}")
    assert worded() == plain
    assert worded({"beta_train": 2.0}) == plain.replace("0.0045, ", "0.0045, training β 2, ")
    assert worded({"eta": 8.0, "length_power": 0.0}) == plain.replace("0.0045, ", "0.0045, η 8, ")


@pytest.mark.parametrize(
    ("options", "training", "said"),
    [
        ({}, {"optimizer": "rmsprop"}, "float32, rmsprop"),
        ({}, {"schedule_epochs": 18}, "scheduled for 18 epochs"),
        ({"eta": 1000.0}, {}, "η 1000,"),
        ({"eta": 0.4, "length_power": 1.0}, {}, "η 0.4, log-ratios over length^1,"),
    ],
)
def test_what_is_not_as_usual_is_said(options, training, said):
    assert said in worded(options, **training)


def test_methods_that_differ_are_not_trained_alike():
    learners = {
        "plain": learner({"eta": 8.0}),
        "same": learner({"eta": 8.0}),
        "eta": learner({"eta": 1000.0}),
        "length": learner({"eta": 8.0, "length_power": 1.0}),
        "optimizer": learner({"eta": 8.0}, optimizer="rmsprop"),
        "schedule": learner({"eta": 8.0}, schedule_epochs=18),
    }
    groups = [alike for alike, _ in words.trainings(list(learners), learners.get)]
    assert groups == [["plain", "same"], ["eta"], ["length"], ["optimizer"], ["schedule"]]
