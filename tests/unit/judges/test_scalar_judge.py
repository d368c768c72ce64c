"""The scalar reward model: one label, order, batches, what is cut and what never is."""

import shutil

import numpy as np
import pytest
import torch
from tiny_encoders import pair_tokenizer
from tiny_policy import scale_up, tiny_tokenizer
from tokenizers import processors
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    Qwen3Config,
    Qwen3ForSequenceClassification,
)

from prefgrid import chat
from prefgrid.files import store
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


def rendered(tokenizer, prompt: str, response: str) -> tuple[list[int], list[int]]:
    return chat.render_dialogues(tokenizer, [prompt], [response], "chat")[0]


def test_scores_are_the_classifiers_logit_at_the_last_token(folder):
    judge = load(folder)
    scores = judge.score(PROMPTS, RESPONSES)
    expected = []
    for prompt, response in PAIRS:
        head, tail = rendered(judge.tokenizer, prompt, response)
        with torch.no_grad():
            hidden = judge.model.model(torch.tensor([head + tail])).last_hidden_state[0, -1]
            expected.append(judge.model.score(hidden).item())
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)
    assert scores.dtype == np.float32
    assert len({round(score, 3) for score in expected}) == len(PAIRS)


@pytest.mark.parametrize("batch_size", [1, 2, 6])
def test_batch_size_changes_nothing(folder, batch_size):
    expected = load(folder).score(PROMPTS, RESPONSES)
    rewards = load(folder, batch_size=batch_size).score(PROMPTS, RESPONSES)
    np.testing.assert_allclose(rewards, expected, rtol=1e-4, atol=1e-5)


def test_order_changes_nothing(folder):
    judge = load(folder)
    expected = judge.score(PROMPTS, RESPONSES)
    order = [4, 2, 0, 5, 1, 3]
    shuffled = judge.score([PROMPTS[i] for i in order], [RESPONSES[i] for i in order])
    np.testing.assert_allclose(shuffled, expected[order], rtol=1e-4, atol=1e-5)


def test_a_long_dialogue_loses_the_oldest_prompt_tokens_and_is_counted(folder, monkeypatch):
    logged = []
    monkeypatch.setattr(store, "log", logged.append)
    judge = load(folder)
    head, tail = rendered(judge.tokenizer, *PAIRS[1])
    limit = len(head) + len(tail) - 5
    cut = load(folder, max_tokens=limit)
    scores = cut.score(PROMPTS[:2], RESPONSES[:2])
    assert logged == ["scored 2 responses; 1 prompts were cut to fit"]
    with torch.no_grad():
        expected = judge.model(torch.tensor([head[5:] + tail])).logits.item()
    assert scores[1] == pytest.approx(expected, rel=1e-4)
    assert scores[0] == pytest.approx(judge.score(["short"], ["yes"])[0], rel=1e-4)


def test_a_prompt_may_vanish_but_a_response_is_never_cut(folder):
    _, tail = rendered(load(folder).tokenizer, *PAIRS[2])
    bare = load(folder, max_tokens=len(tail))
    with torch.no_grad():
        expected = bare.model(torch.tensor([tail])).logits.item()
    assert bare.score(PROMPTS[2:3], RESPONSES[2:3])[0] == pytest.approx(expected, rel=1e-4)
    with pytest.raises(ValueError, match=f"row 2: the response takes {len(tail)} tokens"):
        load(folder, max_tokens=len(tail) - 1).score(PROMPTS, RESPONSES)


def test_a_raw_response_without_tokens_is_read_as_the_end_token(folder):
    """The model must see where the prompt ended; in the chat format the template says so."""
    judge = load(folder, prompt_format="raw")
    scores = judge.score(PROMPTS, RESPONSES)
    prompt = judge.tokenizer(PROMPTS[3])["input_ids"]
    with torch.no_grad():
        expected = judge.model(torch.tensor([[*prompt, judge.tokenizer.eos_token_id]])).logits
    assert scores[3] == pytest.approx(expected.item(), rel=1e-4)
    assert np.isfinite(scores).all() and len(set(scores.round(3))) == len(PAIRS)
    # The end token takes room like any other.
    alone = load(folder, prompt_format="raw", max_tokens=1)
    with torch.no_grad():
        expected = alone.model(torch.tensor([[alone.tokenizer.eos_token_id]])).logits.item()
    assert alone.score(["ab"], [""])[0] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("pad_token", ["<end>", None])
def test_padding_that_is_the_end_token_moves_no_score(folder, tmp_path, pad_token):
    """Rows whose last token is the padding id: found by length, not by looking for padding."""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template, tokenizer.pad_token = TEMPLATE, pad_token
    tokenizer.save_pretrained(tmp_path)
    judge = load(tmp_path, batch_size=6)
    assert judge.reader.pad_id == tokenizer.eos_token_id
    prompts, responses = [*PROMPTS, "long enough a prompt"], [*RESPONSES, "b<end><end>"]
    together = judge.score(prompts, responses)
    for number, pair in enumerate(zip(prompts, responses, strict=True)):
        head, tail = rendered(judge.tokenizer, *pair)
        assert tail[-1] == judge.reader.pad_id
        with torch.no_grad():
            hidden = judge.model.model(torch.tensor([head + tail])).last_hidden_state[0, -1]
            assert together[number] == pytest.approx(judge.model.score(hidden).item(), rel=1e-4)


def test_the_head_is_float32_whatever_the_weights_are(folder):
    """The score is the float32 product of the last bfloat16 state and the head's weights."""
    judge = load(folder, precision="bf16", batch_size=1)
    rewards = judge.score(PROMPTS, RESPONSES)
    for reward, pair in zip(rewards, PAIRS, strict=True):
        ids = [token for part in rendered(judge.tokenizer, *pair) for token in part]
        with torch.no_grad():
            hidden = judge.model.model(torch.tensor([ids])).last_hidden_state[0, -1]
        expected = hidden.double() @ judge.model.score.weight[0].double()
        assert reward == pytest.approx(expected.item(), rel=1e-5, abs=1e-6)
    coarse = torch.tensor(rewards).bfloat16().float()
    assert not torch.equal(coarse, torch.tensor(rewards))


def test_a_start_token_stays_where_a_prompt_is_cut(folder, tmp_path):
    """As the tokenizer's own truncation: what begins every text begins a shorter one, too."""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    tokenizer = tiny_tokenizer()
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<pad> $A", pair="<pad> $A $B", special_tokens=[("<pad>", 256)]
    )
    tokenizer.save_pretrained(tmp_path)
    judge = load(tmp_path, prompt_format="raw", max_tokens=8)
    with torch.no_grad():
        ids = [256, *tokenizer("rstuvyes", add_special_tokens=False)["input_ids"][1:]]
        expected = judge.model(torch.tensor([ids])).logits.item()
    assert judge.score(["opqrstuv"], ["yes"])[0] == pytest.approx(expected, rel=1e-4)
    with pytest.raises(ValueError, match="row 0: the response takes 9 tokens"):
        judge.score(["a"], ["so long!"])


def save_encoder(folder, tokenizer):
    config = BertConfig(
        vocab_size=260,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_labels=1,
    )
    torch.manual_seed(0)
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_an_encoder_is_not_shown_a_chat_template_nor_texts_it_cannot_tell_apart(tmp_path):
    templated = pair_tokenizer()
    templated.chat_template = TEMPLATE
    with pytest.raises(ValueError, match="is an encoder whose tokenizer has a chat template"):
        load(save_encoder(tmp_path / "chat", templated))
    assert load(tmp_path / "chat", prompt_format="raw").score(["a"], ["b"]).shape == (1,)
    with pytest.raises(ValueError, match="puts no special token between two texts"):
        load(save_encoder(tmp_path / "bare", tiny_tokenizer()))


def test_an_encoder_s_response_is_never_cut_and_its_prompt_may_vanish(tmp_path):
    folder = save_encoder(tmp_path, pair_tokenizer())
    judge = load(folder, max_tokens=6)
    with torch.no_grad():
        alone = [258, 259, *judge.tokenizer("yes", add_special_tokens=False)["input_ids"], 259]
        types = torch.tensor([[0, 0, 1, 1, 1, 1]])
        expected = judge.model(torch.tensor([alone]), token_type_ids=types).logits.item()
    assert judge.score(["gone"], ["yes"])[0] == pytest.approx(expected, abs=1e-6)
    with pytest.raises(ValueError, match="row 1: the response takes 7 tokens, special ones"):
        judge.score(["a", "b"], ["yes", "nope"])
    assert judge.score([], []).shape == (0,)


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
    with pytest.raises(
        ValueError, match="row 1: the reward model's score of 'no' .* 'really.' is nan"
    ):
        judge.score(["fine", "really?", "fine"], ["yes", "no", "no"])


def test_a_score_that_is_not_finite_is_not_laid_on_its_neighbours(folder):
    """Responses to one prompt stand in one row, and NaN is not masked: NaN · 0 is NaN."""
    judge = load(folder)
    token = judge.tokenizer("?", add_special_tokens=False)["input_ids"][0]
    with torch.no_grad():
        judge.model.model.embed_tokens.weight[token] = torch.nan
    prompt, responses = PROMPTS[1], ["a longer answer", "no?", "yes", "a still longer answer"]
    with pytest.raises(ValueError, match="row 1: the reward model's score of 'no\\?' "):
        judge.score([prompt] * 4, responses)


def test_precision_is_the_weights_dtype_and_scores_stay_float32(folder):
    judge = load(folder, precision="bf16")
    assert judge.model.dtype == torch.bfloat16
    assert judge.score(PROMPTS, RESPONSES).dtype == np.float32
    with pytest.raises(ValueError, match="precision 'int4': allowed are none, bf16, fp16"):
        load(folder, precision="int4")
