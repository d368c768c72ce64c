"""Supervised examples for the reference: what teaches, what is left out, and that it is counted."""

import pytest
from tiny_policy import tiny_tokenizer

from prefgrid.data import pools, supervised
from prefgrid.data.instructions import Completion, Instruction
from prefgrid.files import store

SETTINGS = {
    "completions": "all",
    "prompts": None,
    "eval_share": 0.3,
    "prompt_format": "raw",
    "max_prompt_tokens": 50,
    "max_response_tokens": 50,
}


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_tokenizer()


def texts(examples, tokenizer) -> list[tuple[str, str]]:
    return [
        (tokenizer.decode(example.prompt_tokens), tokenizer.decode(example.response_tokens))
        for example in examples
    ]


def training_prompts(count: int) -> list[str]:
    """Prompts on the training side, in the order of their ids."""
    train, _ = pools.split((f"prompt {i}" for i in range(10 * count)), SETTINGS["eval_share"])
    return [row["prompt"] for row in train[:count]]


def test_evaluation_prompts_never_teach(tokenizer):
    prompts = [f"prompt {i}" for i in range(60)]
    train, evaluation = pools.split(prompts, SETTINGS["eval_share"])
    rows = [Instruction(prompt, (Completion("ok", 1.0),)) for prompt in prompts]
    # Nor does one that is an evaluation prompt but for its white space.
    rows += [Instruction(f"  {row['prompt']}\n", (Completion("ok", 1.0),)) for row in evaluation]
    found = [
        prompt for prompt, _ in texts(supervised.examples(rows, tokenizer, **SETTINGS), tokenizer)
    ]
    assert evaluation and found == [row["prompt"] for row in train]


def test_responses_end_with_the_end_token(tokenizer):
    (prompt,) = training_prompts(1)
    rows = [Instruction(prompt, (Completion("one", 1.0), Completion("two", None)))]
    found = supervised.examples(rows, tokenizer, **SETTINGS)
    assert texts(found, tokenizer) == [(prompt, "one<end>"), (prompt, "two<end>")]


def test_best_is_the_highest_score_and_the_first_of_equals(tokenizer):
    one, two, three = training_prompts(3)
    rows = [
        Instruction(one, (Completion("low", 1.0), Completion("high", 5.0), Completion("too", 5.0))),
        Instruction(two, (Completion("unscored", None), Completion("scored", -1.0))),
        Instruction(three, (Completion("unscored", None),)),
    ]
    found = supervised.examples(rows, tokenizer, **SETTINGS | {"completions": "best"})
    assert texts(found, tokenizer) == [(one, "high<end>"), (two, "scored<end>")]


def test_the_first_prompts_by_id_whatever_the_order_of_the_file(tokenizer):
    prompts = training_prompts(6)
    rows = [Instruction(prompt, (Completion("ok", 1.0),)) for prompt in prompts]
    for order in (rows, rows[::-1]):
        found = supervised.examples(order, tokenizer, **SETTINGS | {"prompts": 4})
        assert [prompt for prompt, _ in texts(found, tokenizer)] == prompts[:4]


def test_a_repeated_prompt_teaches_once(tokenizer):
    (prompt,) = training_prompts(1)
    rows = [Instruction(prompt, (Completion(text, 1.0),)) for text in ("first", "second")]
    found = supervised.examples(rows, tokenizer, **SETTINGS)
    assert texts(found, tokenizer) == [(prompt, "first<end>")]


def test_what_is_too_long_is_left_out_whole_and_counted(tokenizer, capsys):
    """Byte tokens: a response of 6 characters has 7 with its end token."""
    one, two = training_prompts(2)
    rows = [
        Instruction(one, (Completion("123456", 1.0), Completion("1234567", 1.0))),
        Instruction(two, (Completion("ok", 1.0),)),
        Instruction(_long_training_prompt(), (Completion("ok", 1.0),)),
    ]
    found = supervised.examples(rows, tokenizer, **SETTINGS | {"max_response_tokens": 7})
    assert texts(found, tokenizer) == [(one, "123456<end>"), (two, "ok<end>")]
    assert (
        "2 examples of 3 prompts; left out: 1 prompts over 50 tokens, 1 responses over 7"
        in capsys.readouterr().err
    )


def _long_training_prompt() -> str:
    candidates = (f"{'long ' * 20}{i}" for i in range(100))
    share = SETTINGS["eval_share"]
    return next(p for p in candidates if not pools.is_evaluation(pools.prompt_id(p), share))


def test_nothing_left_is_an_error(tokenizer):
    rows = [Instruction(training_prompts(1)[0], (Completion("too long", 1.0),))]
    with pytest.raises(store.DataError, match="no supervised example is left"):
        supervised.examples(rows, tokenizer, **SETTINGS | {"max_response_tokens": 3})
