"""The scalar reward model: one label, order, batches, what is cut and what never is."""

import numpy as np
import pytest
import torch
from tiny_policy import scale_up, tiny_tokenizer
from transformers import Qwen3Config, Qwen3ForSequenceClassification

from prefgrid import chat
from prefgrid.judges.scalar import ScalarRewardModel

PAIRS = [
    ("short", "yes"),
    ("a rather longer prompt, of many bytes", "no"),
    ("p", "a response that is much longer than its prompt is"),
    ("short", ""),
    ("", "an answer to nothing"),
    ("short", "yes, but"),
]
PROMPTS, RESPONSES = zip(*PAIRS, strict=True)
TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}<end>{% endfor %}"


def save_classifier(folder, labels: int = 1):
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = TEMPLATE
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        num_labels=labels,
        pad_token_id=None,
    )
    torch.manual_seed(0)
    scale_up(Qwen3ForSequenceClassification(config), 6.0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_classifier(tmp_path_factory.mktemp("reward"))


def load(folder, **changes) -> ScalarRewardModel:
    settings = {
        "prompt_format": "chat",
        "max_tokens": 200,
        "batch_size": 4,
        "precision": "none",
        "device": torch.device("cpu"),
    }
    return ScalarRewardModel(folder, **{**settings, **changes})


def test_scores_are_the_classifiers_logit_at_the_last_token(folder):
    judge = load(folder)
    scores = judge.score(PROMPTS, RESPONSES)
    expected = []
    for prompt, response in PAIRS:
        head, tail = chat.render_dialogue(judge.tokenizer, prompt, response, "chat")
        with torch.no_grad():
            hidden = judge.model.model(torch.tensor([head + tail])).last_hidden_state[0, -1]
            expected.append(judge.model.score(hidden).item())
    np.testing.assert_allclose(scores.rewards, expected, rtol=1e-4, atol=1e-5)
    assert scores.rewards.dtype == np.float32 and scores.cut_prompts == 0
    assert len({round(score, 3) for score in expected}) == len(PAIRS)


@pytest.mark.parametrize("batch_size", [1, 2, 6])
def test_batch_size_changes_nothing(folder, batch_size):
    expected = load(folder).score(PROMPTS, RESPONSES).rewards
    rewards = load(folder, batch_size=batch_size).score(PROMPTS, RESPONSES).rewards
    np.testing.assert_allclose(rewards, expected, rtol=1e-4, atol=1e-5)


def test_order_changes_nothing(folder):
    judge = load(folder)
    expected = judge.score(PROMPTS, RESPONSES).rewards
    order = [4, 2, 0, 5, 1, 3]
    shuffled = judge.score([PROMPTS[i] for i in order], [RESPONSES[i] for i in order]).rewards
    np.testing.assert_allclose(shuffled, expected[order], rtol=1e-4, atol=1e-5)


def test_a_long_dialogue_loses_the_oldest_prompt_tokens_and_is_counted(folder):
    judge = load(folder)
    head, tail = chat.render_dialogue(judge.tokenizer, *PAIRS[1], "chat")
    limit = len(head) + len(tail) - 5
    cut = load(folder, max_tokens=limit)
    scores = cut.score(PROMPTS[:2], RESPONSES[:2])
    assert scores.cut_prompts == 1
    with torch.no_grad():
        expected = judge.model(torch.tensor([head[5:] + tail])).logits.item()
    assert scores.rewards[1] == pytest.approx(expected, rel=1e-4)
    assert scores.rewards[0] == pytest.approx(judge.score(["short"], ["yes"]).rewards[0], rel=1e-4)


def test_a_prompt_may_vanish_but_a_response_is_never_cut(folder):
    _, tail = chat.render_dialogue(load(folder).tokenizer, *PAIRS[2], "chat")
    bare = load(folder, max_tokens=len(tail)).score(PROMPTS[2:3], RESPONSES[2:3])
    assert bare.cut_prompts == 1
    with pytest.raises(ValueError, match=f"row 2: the response takes {len(tail)} tokens"):
        load(folder, max_tokens=len(tail) - 1).score(PROMPTS, RESPONSES)


def test_a_response_without_tokens_is_refused(folder):
    with pytest.raises(ValueError, match="row 3: the response takes 0 tokens"):
        load(folder, prompt_format="raw").score(PROMPTS, RESPONSES)


def test_more_than_one_label_is_refused(tmp_path):
    with pytest.raises(ValueError, match="exactly one label, this one has 2"):
        load(save_classifier(tmp_path, labels=2))


def test_weights_without_a_head_are_refused(tmp_path):
    save_classifier(tmp_path)
    model = Qwen3ForSequenceClassification.from_pretrained(tmp_path)
    weights = {name: weight for name, weight in model.state_dict().items() if "score" not in name}
    model.save_pretrained(tmp_path, state_dict=weights)
    with pytest.raises(ValueError, match="score.weight.*missing"):
        load(tmp_path)


def test_a_score_that_is_not_finite_names_its_row(folder):
    judge = load(folder)
    token = judge.tokenizer("?", add_special_tokens=False)["input_ids"][0]
    with torch.no_grad():
        judge.model.model.embed_tokens.weight[token] = torch.nan
    with pytest.raises(ValueError, match="row 1: the reward model's score is nan"):
        judge.score(["fine", "really?", "fine"], ["yes", "no", "no"])


def test_precision_is_the_weights_dtype_and_scores_stay_float32(folder):
    judge = load(folder, precision="bf16")
    assert judge.model.dtype == torch.bfloat16
    assert judge.score(PROMPTS, RESPONSES).rewards.dtype == np.float32
    with pytest.raises(ValueError, match="precision 'int4': allowed are none, bf16, fp16"):
        load(folder, precision="int4")
