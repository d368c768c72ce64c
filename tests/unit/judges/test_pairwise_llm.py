"""A causal model asked which response is better, against its plain forward of each question alone."""

import itertools
from functools import partial

import numpy as np
import pytest
import torch
from pairwise_checks import assert_company_does_not_count
from tiny_families import tiny_decoder
from tiny_policy import tiny_model, tiny_tokenizer
from transformers import AutoModelForCausalLM

from prefgrid.files import store
from prefgrid.judges import pairwise_llm
from prefgrid.judges.pairwise import matrices, matrix
from prefgrid.models.loading import save_model

TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}<end>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
PROMPT = "Tell me."
RESPONSES = ["One.", "", "Quite another one {context}, which is longer.", "Three."]
PROMPTS, GROUPS = [PROMPT, "Again", ""], [RESPONSES, ["a", "bb"], ["same", "same", "x"]]


def tokenizer():
    made = tiny_tokenizer()
    made.chat_template = TEMPLATE
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("asked")
    save_model(path, tiny_model(vocab_size=258), tokenizer())
    return path


def load(folder, prompt_format="chat", **options):
    defaults = {name: default for name, (default, _) in pairwise_llm.OPTIONS.items()}
    return pairwise_llm.load(
        folder, defaults | options, prompt_format=prompt_format, device=torch.device("cpu")
    )


def question(context, first, second):
    return f"[CONTEXT] {context} [RESPONSE A] {first} [RESPONSE B] {second} \n"


def plain(folder, context, first, second, answers="AB"):
    """logit(A) − logit(B) of transformers' own forward of one question."""
    made = tokenizer()
    text = f"<user>{question(context, first, second)}<end><assistant>"
    ids = made(text, add_special_tokens=False)["input_ids"]
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([ids])).logits[0, -1]
    a, b = (made(one, add_special_tokens=False)["input_ids"][0] for one in answers)
    return (logits[a] - logits[b]).item()


def test_logits_are_those_of_each_question_alone_in_both_orders(folder):
    found = matrix(load(folder), PROMPT, RESPONSES)
    for i, j in itertools.permutations(range(len(RESPONSES)), 2):
        expected = plain(folder, PROMPT, RESPONSES[i], RESPONSES[j])
        assert found[i, j] == pytest.approx(expected, abs=1e-5)
    assert np.abs(found).max() > 0.1 and np.abs(found + found.T).max() > 1e-2


def test_neither_batch_nor_order_nor_company_counts(folder):
    assert_company_does_not_count(partial(load, folder), PROMPTS, GROUPS, (1, 5, 64))


@pytest.mark.parametrize("family", ["gemma2", "granite", "mistral_window"])
def test_models_that_scale_or_bound_their_logits_or_look_back_a_window(tmp_path, family):
    save_model(tmp_path, tiny_decoder(family, vocab_size=258), tokenizer())
    found = matrix(load(tmp_path), PROMPT, RESPONSES[:2])
    for i, j in ((0, 1), (1, 0)):
        expected = plain(tmp_path, PROMPT, RESPONSES[i], RESPONSES[j])
        assert found[i, j] == pytest.approx(expected, abs=1e-4)


def test_other_words_and_other_answers(folder):
    judge = load(folder, template="{response_b}|{context}|{response_a}", answer_a="1", answer_b="2")
    text = tokenizer()("<user>b|c|a<end><assistant>", add_special_tokens=False)["input_ids"]
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([text])).logits[0, -1]
    one, two = (tokenizer()(digit, add_special_tokens=False)["input_ids"][0] for digit in "12")
    expected = (logits[one] - logits[two]).item()
    assert matrix(judge, "c", ["a", "b"])[0, 1] == pytest.approx(expected, abs=1e-5)


def test_a_question_over_the_limit_loses_the_start_of_its_context_and_is_counted(
    folder, monkeypatch
):
    said = []
    monkeypatch.setattr(store, "log", said.append)
    whole = len(load(folder)._ids("0123456789", "a", "bb"))
    found = matrices(load(folder, max_tokens=whole - 4), ["0123456789", "x"], [["a", "bb"]] * 2)
    assert found[0][0, 1] == pytest.approx(plain(folder, "456789", "a", "bb"), abs=1e-5)
    assert found[1][0, 1] == pytest.approx(plain(folder, "x", "a", "bb"), abs=1e-5)
    assert said[-1] == "asked 4 questions; of 2 the context was cut to fit"
    with pytest.raises(ValueError, match="about 'a' and 'bb' takes .* without any context"):
        matrix(load(folder, max_tokens=whole - 11), "0123456789", ["a", "bb"])


def test_half_precision(folder):
    judge = load(folder, precision="bf16")
    assert judge.model.dtype == torch.bfloat16
    np.testing.assert_allclose(
        matrix(judge, PROMPT, RESPONSES), matrix(load(folder), PROMPT, RESPONSES), atol=0.5
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"answer_a": "Yes"}, "writes the answer 'Yes' as 3 tokens; allowed: an answer of one"),
        ({"answer_b": "A"}, "answers 'A' and 'A' are the same token"),
    ],
)
def test_answers_that_cannot_be_told_are_refused(folder, options, said):
    with pytest.raises(ValueError, match=said):
        load(folder, **options)


def test_a_tokenizer_without_a_chat_template_is_refused(folder, tmp_path):
    save_model(tmp_path, tiny_model(vocab_size=258), tiny_tokenizer())
    with pytest.raises(ValueError, match="has no chat template"):
        load(tmp_path)
    load(tmp_path, prompt_format="raw")


def test_a_logit_that_is_not_finite_names_its_pair(tmp_path):
    save_model(tmp_path, tiny_model(vocab_size=258, tie_word_embeddings=False), tokenizer())
    judge = load(tmp_path)
    place = tokenizer()("q", add_special_tokens=False)["input_ids"][0]
    with torch.no_grad():
        judge.model.get_input_embeddings().weight[place] = torch.nan
    # Also where it shares its row with sound ones.
    with pytest.raises(ValueError, match="logit of '(q|b)' as A .* '(q|b)' as B, .* 'y', is nan"):
        matrices(judge, ["x", "y"], [["a", "b"], ["q", "b"]])
    assert np.isfinite(matrix(judge, "x", ["a", "b"])).all()
