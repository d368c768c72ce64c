"""Which token ids are an answer, what they are worth, and how likely a model makes them."""

from dataclasses import replace

import numpy as np
import pytest
from tiny_numbers import END, PAD, TOKENIZER, logp_by_hand, numbers, policy, taught, untaught
from tiny_policies import TEMPLATE
from tiny_policy import tiny_tokenizer
from tokenizers import AddedToken

from prefgrid.models.dropout import train_adapters
from prefgrid.studies.soft_policy.numbers import Numbers, valid_mass
from prefgrid.studies.soft_policy.task import NumberTask


def ids(text: str) -> list[int]:
    return TOKENIZER(text, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize(("lo", "hi"), [(1, 9), (0, 150), (95, 105)])
def test_log_probabilities_of_answers_are_those_of_a_forward_each(lo, hi):
    """151 answers do not share one forward, the others do; two prompts."""
    model, asked = untaught(), numbers(lo, hi, lo=lo, hi=hi, named=True)
    found = asked.answer_logps(model, PAD)
    assert len(found) == 2 and asked.prompts[0] != asked.prompts[1]
    for prompt, logps in zip(asked.prompts, found, strict=True):
        assert logps.dtype == np.float64
        expected = [logp_by_hand(model, prompt, [*ids(str(n)), END]) for n in range(lo, hi + 1)]
        np.testing.assert_allclose(logps, expected, rtol=2e-6, atol=1e-5)
        assert valid_mass(logps) == pytest.approx(sum(np.exp(expected)), rel=1e-4)


def test_they_are_computed_without_dropout():
    asked, model = numbers(), policy()
    quiet = asked.answer_logps(model, PAD)
    for layer in model.modules():
        if hasattr(layer, "lora_dropout"):
            layer.lora_dropout["default"].p = 0.5
    train_adapters(model)
    np.testing.assert_array_equal(asked.answer_logps(model, PAD)[0], quiet[0])


def test_a_taught_model_answers():
    """What the tests beside it start from: valid mass that is neither 0 nor 1."""
    [logps] = numbers().answer_logps(taught(), PAD)
    assert 0.5 < valid_mass(logps) < 0.999


def test_an_answer_is_its_tokens_and_the_end_and_nothing_else():
    asked = numbers(3, hi=20, r_invalid=-0.7)
    seven = [*ids("7"), END]
    assert asked.number(0, seven) == 7 and asked.number(0, [*ids("12"), END]) == 12
    assert asked.score([0, 0], [seven, [*ids("3"), END]]) == [pytest.approx(-4 / 17), 0.0]
    for tokens in (
        ids("7"),  # cut before its end
        ids("12"),
        [*ids("7"), PAD],  # another end
        [*ids("7"), END, END],
        [END],
        [*ids("07"), END],
        [*ids(" 7"), END],
        [*ids("21"), END],
        [*ids("0"), END],
    ):
        assert asked.number(0, tokens) is None
        assert asked.score([0], [tokens]) == [-0.7]


def test_another_spelling_by_tokens_is_no_answer():
    """A tokenizer with one token for 12."""
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens([AddedToken("12", special=False, normalized=False)])
    asked = Numbers([NumberTask(1, hi=20)], tokenizer, "raw", False)
    [whole] = tokenizer("12", add_special_tokens=False)["input_ids"]
    apart = ids("12")
    assert len(apart) == 2 and tokenizer.decode(apart) == tokenizer.decode([whole]) == "12"
    assert asked.number(0, [whole, asked.end]) == 12
    assert asked.number(0, [*apart, asked.end]) is None
    assert asked.score([0], [[*apart, asked.end]]) == [-1.0]


def test_scores_are_those_of_the_prompt_s_own_task():
    asked = numbers(1, 9, named=True)
    nine = [*ids("9"), END]
    assert asked.score([0, 1, 1], [nine, nine, [*ids("5"), END]]) == [-1.0, 0.0, -0.5]
    assert [rewards.tolist() for rewards in asked.rewards] == [
        pytest.approx([-(n - 1) / 8 for n in range(1, 10)]),
        pytest.approx([-(9 - n) / 8 for n in range(1, 10)]),
    ]


def test_prompts_and_ends_are_those_of_the_format():
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = TEMPLATE
    asked = replace(numbers(4), tokenizer=tokenizer, prompt_format="chat")
    text = "Write one whole number from 1 to 9 and nothing else."
    assert tokenizer.decode(asked.prompts[0]) == (f"<user>{text}<end><assistant><think></think>")
    assert numbers(4).prompts == [ids(text)]
    assert asked.end == END and asked.answers[0][2] == [*ids("3"), END]


@pytest.mark.parametrize(
    ("tokens", "text"),
    [([*ids("17"), END], "17"), (ids("17"), "17"), ([END], ""), ([*ids("a"), PAD, END], "a<pad>")],
)
def test_text_shows_all_but_the_end(tokens, text):
    assert numbers().text(tokens) == text


def test_samples_have_room_for_the_longest_answer():
    asked = numbers(hi=12)
    longest = max(map(len, asked.answers[0]))
    asked.check_room(longest)
    with pytest.raises(ValueError, match=rf"max_new_tokens = {longest - 1}, .* at least {longest}"):
        asked.check_room(longest - 1)
