"""The tiny world's language, rule, random texts and data file."""

import hashlib
import json
import math
from collections import Counter

import numpy as np
import pytest

from prefgrid import seeding
from prefgrid.data import pools, ultrafeedback
from prefgrid.files import store
from prefgrid.tinyworld import corpus, files, language

PROMPT = "tell a sad tale: fox, lake"
GOOD = "the bright fox laughed by the lake. it saved a bright crown. it was a good day."


def random(*keys):
    return seeding.stream(0, "test", *keys)


def test_rule_adds_word_values_relevance_and_grammar():
    # bright 1, laughed 1, saved 1, bright 1, crown 1, closing 1; animal 1.5; place 1.2; no slip.
    assert language.score(PROMPT, GOOD) == pytest.approx(6 + 1.5 + 1.2)
    # Another animal costs 1.5; a place doubled costs the grammar's 2.
    assert language.score(PROMPT, GOOD.replace("fox", "owl")) == pytest.approx(6 + 1.2)
    assert language.score(PROMPT, GOOD.replace("lake", "lake lake")) == pytest.approx(6.7)
    # The words of a closing sentence have no value of their own beside the sentence's.
    assert language.parts(PROMPT, "it was a bad day.").words == -1


def test_word_values_average_zero_in_each_class_so_length_is_worth_nothing():
    for words in corpus.CLASSES.values():
        values = language.evenly(words)
        assert sum(values.values()) == pytest.approx(0.0)
        assert (min(values.values()), max(values.values())) == (-1.0, 1.0)


def test_words_of_the_classes_are_all_different():
    kinds = (language.ANIMALS, language.PLACES, language.WORD_VALUES, language.MOODS)
    words = [word for kind in kinds for word in kind]
    assert len(words) == len(set(words))
    assert len(language.WORD_VALUES) == 16 + 15 + 12 + 11
    closings = {word for text in language.CLOSINGS for word in text.rstrip(".").split()}
    assert not closings & {*language.ANIMALS, *language.PLACES}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "the fox ran by the lake. it sat and sat.",
        "the brave fox ran by the lake.",
        "the brave fox ran by the lake. it sat and sat. ",
        "the brave fox ran by the lake. it sat and sat. it ran and ran. it sat and ran.",
        "the brave fox ran by the lake. all was well. it sat and sat.",
    ],
)
def test_grammar_refuses(text):
    assert not language.is_grammatical(text)


def test_grammar_accepts_all_that_writers_without_slips_write():
    stream = random("grammar")
    for prompt in language.all_prompts()[::40]:
        assert language.is_grammatical(corpus.respond(stream, prompt, corpus.DUTIFUL))


def test_asked_refuses_other_instructions():
    assert language.asked(PROMPT) == ("fox", "lake")
    with pytest.raises(ValueError, match="no instruction of the tiny world"):
        language.asked("tell a sad tale: fox, moon")


def test_prompts_are_distinct():
    prompts = language.all_prompts()
    assert len(set(prompts)) == len(prompts) == 8 * 20 * 18


def test_pick_follows_taste():
    stream = random("pick")
    draws = Counter(corpus.pick(stream, "ab", taste=1.0) for _ in range(4000))
    # Values -1 and 1: odds e^2, so the better one has probability 1 / (1 + e^-2) = 0.881.
    assert draws["b"] / 4000 == pytest.approx(1 / (1 + math.exp(-2)), abs=0.02)


def test_corrupted_responses_are_rarely_grammatical():
    stream = random("corrupt")
    accepted = [language.is_grammatical(corpus.corrupt(stream, GOOD)) for _ in range(400)]
    assert np.mean(accepted) < 0.15


def test_about_something_else_changes_only_animal_and_place():
    stream = random("else")
    for _ in range(50):
        other = corpus.about_something_else(stream, GOOD)
        before, after = language.parts(PROMPT, GOOD), language.parts(PROMPT, other)
        assert not (after.animal and after.place)
        assert (after.words, after.grammatical) == (before.words, before.grammatical)


def test_data_file_is_read_by_the_ultrafeedback_adapter(tmp_path):
    rows = files.rows(60, seed=0)
    assert rows == files.rows(60, seed=0)
    assert [row["instruction"] for row in rows] != [
        row["instruction"] for row in files.rows(60, seed=1)
    ]
    store.write_jsonl(tmp_path / "train.jsonl", rows)
    read = ultrafeedback.read(tmp_path / "train.jsonl", bad_row_share=0.0)
    assert len(read.rows) == 60
    for row, raw in zip(read.rows, rows, strict=True):
        assert row.prompt == raw["instruction"]
        rule = [language.score(row.prompt, item.response) for item in row.completions]
        assert np.argsort(rule).tolist() == np.argsort([c.score for c in row.completions]).tolist()


def test_what_models_learn_of_the_data_is_what_it_was():
    """Kind: a change of the aspects, which no model reads, that makes all models anew."""
    told = [
        [one[key] for key in ("response", "fine-grained_score", "overall_score")]
        for row in files.rows(200, seed=0)
        for one in row["completions"]
    ]
    assert hashlib.sha256(json.dumps(told).encode()).hexdigest().startswith("5de4627285211a6e")


def test_data_rows_have_exactly_the_fields_of_ultrafeedback():
    row = files.rows(1, seed=0)[0]
    assert list(row) == [
        "source",
        "instruction",
        "models",
        "completions",
        "correct_answers",
        "incorrect_answers",
    ]
    assert len(row["completions"]) == len(row["models"]) == 4
    completion = row["completions"][0]
    assert list(completion) == [
        "annotations",
        "custom_system_prompt",
        "model",
        "principle",
        "response",
        "critique",
        "fine-grained_score",
        "overall_score",
    ]
    short, long = {"Rating", "Rationale"}, {"Type", "Rating", "Rationale", "Rationale For Rating"}
    assert {name: set(note) for name, note in completion["annotations"].items()} == {
        "instruction_following": short,
        "honesty": short,
        "truthfulness": long,
        "helpfulness": long,
    }
    assert all(note["Rating"] in "12345" for note in completion["annotations"].values())
    assert isinstance(completion["fine-grained_score"], float)
    assert 1.0 <= completion["fine-grained_score"] <= 5.0


def test_training_dialogues_leave_out_evaluation_prompts(tmp_path):
    store.write_jsonl(tmp_path / "train.jsonl", files.rows(80, seed=0))
    dialogues = files.training_dialogues(
        tmp_path / "train.jsonl", ultrafeedback.__name__, 0.0, eval_share=0.5
    )
    prompts = {prompt for prompt, _ in dialogues}
    assert 0 < len(prompts) < 80
    assert len(dialogues) == 4 * len(prompts)
    assert not any(pools.is_evaluation(pools.prompt_id(prompt), 0.5) for prompt in prompts)


def test_more_prompts_than_the_language_has_are_refused():
    with pytest.raises(ValueError, match="allowed: 1 to 2880"):
        files.rows(2881, seed=0)
