"""The embedding judge against a plain forward of each dialogue alone: batches, order, padding, cuts."""

import re

import numpy as np
import pytest
import torch
from tiny_policy import tiny_model
from tiny_preferences import chat_tokenizer, preference_model, saved
from transformers import AutoModel, Gemma2Config, Gemma2ForCausalLM, GPT2Config, GPT2LMHeadModel

from prefgrid import chat
from prefgrid.files import store
from prefgrid.judges import embedding
from prefgrid.judges.dialogues import render_groups
from prefgrid.models.preference_folder import save_preference_model

PROMPTS = ["short", "a rather longer prompt, of many bytes", "p", "short"]
RESPONSES = [
    ["yes", "no, it is not", ""],
    ["a response that is long", "b"],
    ["so", "and so", "so on", "x"],
    ["yes", "maybe"],
]
SETTINGS = {name: default for name, (default, _) in embedding.OPTIONS.items()}
WIDE = {"max_prompt_tokens": 500, "max_tokens": 600}
CLOSE = {"atol": 1e-5, "rtol": 0}


@pytest.fixture(scope="module", params=["none", "softmax", "scaled_softmax", "softplus"])
def folder(request, tmp_path_factory):
    return saved(tmp_path_factory.mktemp("gpm"), gate=request.param)


@pytest.fixture(scope="module")
def gated(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("gated"), gate="softplus", dimension=6)


def load(folder, prompt_format="chat", **changes):
    return embedding.load(
        folder,
        {**SETTINGS, **changes},
        prompt_format=prompt_format,
        device=torch.device("cpu"),
    )


@torch.no_grad()
def plain(judge, prompt: str, responses: list[str], pad: str | None = None) -> np.ndarray:
    """[K, K] by Hugging Face's own decoder, each dialogue alone (or padded on a side), and by loops."""
    decoder = AutoModel.from_pretrained(judge.folder, attn_implementation="eager").eval()
    template = [f"user: {prompt}<end>\n"]
    vectors, gate = [], None
    for response in responses:
        text = f"{template[0]}assistant: {response}<end>"
        ids = judge.tokenizer(text, add_special_tokens=False)["input_ids"]
        length, fill = len(ids), [judge.pad_id] * 7
        mask = [1] * length
        positions = list(range(length))
        if pad == "left":
            ids, mask, positions = fill + ids, [0] * 7 + mask, [0] * 7 + positions
        if pad == "right":
            ids, mask, positions = ids + fill, mask + [0] * 7, positions + [0] * 7
        states = decoder(
            input_ids=torch.tensor([ids]),
            attention_mask=torch.tensor([mask]),
            position_ids=torch.tensor([positions]),
        ).last_hidden_state[0]
        end = len(ids) - 1 - (7 if pad == "right" else 0)
        head = judge.tokenizer(template[0], add_special_tokens=False)["input_ids"]
        v = judge.model.value_head.weight @ states[end]
        vectors.append((v / v.norm() if judge.model.shape.normalize else v).tolist())
        if judge.model.prompt_head is not None:
            z = judge.model.prompt_head.weight @ states[end - length + len(head)]
            milder = (z / 32**0.5).exp()
            gate = {
                "softmax": z.exp() / z.exp().sum(),
                "scaled_softmax": len(z) * milder / milder.sum(),
                "softplus": (1 + z.exp()).log(),
            }[judge.model.shape.gate].tolist()
    k = len(vectors[0]) // 2
    gate = gate or [1.0] * k
    return np.array(
        [
            [
                sum(gate[m] * (v[2 * m] * w[2 * m + 1] - v[2 * m + 1] * w[2 * m]) for m in range(k))
                / judge.model.temperature
                for w in vectors
            ]
            for v in vectors
        ]
    )


@pytest.mark.parametrize("pad", [None, "left", "right"])
def test_logits_are_those_of_a_plain_forward_of_each_dialogue(folder, pad):
    judge = load(folder)
    found = judge.logits(PROMPTS, RESPONSES)
    for prompt, responses, logits in zip(PROMPTS, RESPONSES, found, strict=True):
        assert logits.dtype == np.float32 and logits.shape == (len(responses),) * 2
        np.testing.assert_allclose(logits, plain(judge, prompt, responses, pad), **CLOSE)
        assert np.array_equal(logits, -logits.T)
    assert abs(found[2]).max() > 0.1, "all are equal: nothing was compared"
    assert embedding.COMPARES and judge.antisymmetric


@pytest.mark.parametrize("batch_size", [1, 2, 5, 100])
def test_batch_size_changes_nothing(gated, batch_size):
    expected = load(gated).logits(PROMPTS, RESPONSES)
    found = load(gated, batch_size=batch_size).logits(PROMPTS, RESPONSES)
    for logits, others in zip(found, expected, strict=True):
        np.testing.assert_allclose(logits, others, **CLOSE)


def test_order_of_prompts_and_responses_changes_nothing(gated):
    judge = load(gated)
    expected = judge.logits(PROMPTS, RESPONSES)
    found = judge.logits(PROMPTS[::-1], [responses[::-1] for responses in RESPONSES[::-1]])
    for logits, others in zip(found[::-1], expected, strict=True):
        np.testing.assert_allclose(logits[::-1, ::-1], others, **CLOSE)


def test_a_prompt_alone_is_as_among_others(gated):
    judge = load(gated)
    together = judge.logits(PROMPTS, RESPONSES)
    for row, logits in enumerate(together):
        alone = judge.logits([PROMPTS[row]], [RESPONSES[row]])[0]
        np.testing.assert_allclose(alone, logits, **CLOSE)


def test_a_model_that_takes_no_packed_rows_is_read_in_padded_ones(tmp_path):
    tokenizer = chat_tokenizer()
    config = Gemma2Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        query_pre_attn_scalar=8,
        initializer_range=0.3,
        pad_token_id=None,
        sliding_window=8,
    )
    torch.manual_seed(0)
    model = preference_model(model=Gemma2ForCausalLM(config).eval(), gate="softmax")
    save_preference_model(tmp_path, model, tokenizer)
    judge = load(tmp_path)
    for prompt, responses, logits in zip(
        PROMPTS, RESPONSES, judge.logits(PROMPTS, RESPONSES), strict=True
    ):
        np.testing.assert_allclose(logits, plain(judge, prompt, responses), **CLOSE)


def test_a_prompt_is_computed_once_for_its_responses(gated, monkeypatch):
    """The tokens of all forwards together: the prompt's once."""
    judge, tokens = load(gated), []
    forward = judge.model.get_decoder().forward

    def counted(*arguments, **named):
        tokens.append(named["input_ids"].numel())
        return forward(*arguments, **named)

    monkeypatch.setattr(judge.model.get_decoder(), "forward", counted)
    prompt, responses = "a prompt of quite some length, to be read once", ["a", "bc", "d", "efg"]
    judge.logits([prompt], [responses])
    [(head, tails)], _ = render_groups(
        judge.tokenizer, [prompt], [responses], prompt_format="chat", **WIDE
    )
    assert sum(tokens) == len(head) + sum(map(len, tails))


def test_dialogues_end_with_the_end_token():
    """What the template writes behind it is cut; where there is none it is added; once, and no start doubled."""
    tokenizer = chat_tokenizer()
    end = tokenizer.eos_token_id

    def ids(text):
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    def read(prompt_format):
        return render_groups(tokenizer, ["q"], [["yes", ""]], prompt_format=prompt_format, **WIDE)[
            0
        ][0]

    head, tails = read("chat")
    assert head == ids("user: q<end>\n")
    assert tails == [ids("assistant: yes<end>"), ids("assistant: <end>")]
    assert read("raw") == (ids("q"), [[*ids("yes"), end], [end]])
    tokenizer.chat_template = "{% for m in messages %}[{{ m.content }}]\n{% endfor %}"
    assert read("chat") == (ids("[q]\n"), [[*ids("[yes]\n"), end], [*ids("[]\n"), end]])


def test_an_end_token_within_a_response_is_not_its_end():
    tokenizer = chat_tokenizer()
    [(_, [tail])], _ = render_groups(
        tokenizer, ["q"], [["one<end>two"]], prompt_format="chat", **WIDE
    )
    assert tail == tokenizer("assistant: one<end>two<end>", add_special_tokens=False)["input_ids"]


def test_an_empty_response_is_judged_as_its_end_token(gated):
    judge = load(gated, "raw")
    [logits] = judge.logits(["short"], [["", "yes"]])
    with torch.no_grad():
        ids = [*judge.tokenizer("short", add_special_tokens=False)["input_ids"], judge.pad_id]
        ids[-1] = judge.tokenizer.eos_token_id
        states = judge.model.backbone(input_ids=torch.tensor([ids])).last_hidden_state[0]
        v = judge.model.embeddings(states[-1])
    embeddings, _ = judge._read(["short"], [[""]])
    torch.testing.assert_close(embeddings[0], v, atol=1e-5, rtol=0)
    assert np.isfinite(logits).all() and logits[0, 1] != 0


def test_long_prompts_lose_their_oldest_tokens_for_all_their_responses(gated, monkeypatch):
    logged = []
    monkeypatch.setattr(store, "log", logged.append)
    prompt, responses = PROMPTS[1], ["longest of them", "b"]
    judge = load(gated)
    [(head, tails)], _ = render_groups(
        judge.tokenizer, [prompt], [responses], prompt_format="chat", **WIDE
    )
    cut = load(gated, max_prompt_tokens=len(head) - 6)
    logits = cut.logits([prompt, "short"], [responses, ["a", "b"]])
    assert logged[-1] == "read 4 responses; 1 prompts were cut to fit"
    again = cut._embedded([(head[6:], tail) for tail in tails])
    torch.testing.assert_close(cut._read([prompt], [responses])[0], again[0], atol=1e-5, rtol=0)
    np.testing.assert_allclose(logits[1], judge.logits(["short"], [["a", "b"]])[0], **CLOSE)


@pytest.mark.parametrize("others", [["b"], ["a third one that is longer"], ["", "x" * 30, "ab"]])
def test_a_cut_prompt_is_the_same_whatever_else_is_compared(gated, others):
    """l_ij is of the prompt and the two responses alone, with a prompt that is cut too."""
    judge = load(gated, max_prompt_tokens=12, max_tokens=60)
    pair = ["yes", "no"]
    [alone] = judge.logits([PROMPTS[1]], [pair])
    [among] = judge.logits([PROMPTS[1]], [[*others, *pair]])
    assert abs(alone[0, 1]) > 0.05
    np.testing.assert_allclose(among[-2:, -2:], alone, **CLOSE)


def test_a_cut_prompt_keeps_the_start_token():
    tokenizer = chat_tokenizer()
    tokenizer.bos_token, tokenizer.add_bos_token = tokenizer.convert_ids_to_tokens(7), True
    assert chat.start_ids(tokenizer) == [7]
    [(head, _)], cut = render_groups(
        tokenizer, ["0123456789"], [["a"]], prompt_format="raw", max_prompt_tokens=4, max_tokens=9
    )
    assert (head[0], len(head), cut) == (7, 4, 1)


def test_a_response_is_never_cut(gated):
    """However short its prompt is cut: with a limit of 16 tokens it has 10."""
    judge = load(gated, max_tokens=32, max_prompt_tokens=10)
    message = (
        "row 1: a response (the longest is 'a response that is long'…) is with its prompt beyond"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        judge.logits(PROMPTS[:2], [["a", "b"], RESPONSES[1]])
    assert len(judge.logits(PROMPTS[:2], [["a", "b"], ["b", "c"]])) == 2


def test_dialogues_beyond_the_models_positions_are_refused_when_it_is_loaded(tmp_path):
    tokenizer = chat_tokenizer()
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=len(tokenizer), n_positions=256, n_embd=32, n_layer=2, n_head=4)
    save_preference_model(
        tmp_path, preference_model(model=GPT2LMHeadModel(config).eval()), tokenizer
    )
    with pytest.raises(ValueError, match="rows of up to 256 tokens; max_tokens is 100000"):
        load(tmp_path, max_tokens=100000)
    assert load(tmp_path, max_tokens=256, max_prompt_tokens=99).logits(["p"], [["a", "b"]])[0].any()


def test_prompts_that_leave_a_response_no_token_are_refused(gated):
    with pytest.raises(ValueError, match="max_prompt_tokens 64 leaves a response no token of max"):
        load(gated, max_prompt_tokens=64, max_tokens=64)


def test_a_prompt_without_a_token_for_the_gate_is_refused(gated, tmp_path):
    with pytest.raises(ValueError, match="a prompt has no token that the gate could read"):
        load(gated, "raw").logits([""], [["a", "b"]])
    judge = load(saved(tmp_path), "raw")
    assert np.isfinite(judge.logits([""], [["a", "b"]])[0]).all()


def test_embeddings_and_gates_are_those_whose_products_are_the_logits(folder):
    judge = load(folder)
    vectors, gates = judge.embeddings(PROMPTS, RESPONSES)
    logits = judge.logits(PROMPTS, RESPONSES)
    for own, gate, wanted in zip(vectors, gates, logits, strict=True):
        turned = np.zeros_like(wanted)
        for k, weight in enumerate(gate):
            x, y = own[:, 2 * k], own[:, 2 * k + 1]
            turned += weight * (np.outer(x, y) - np.outer(y, x))
        np.testing.assert_allclose(turned / judge.model.temperature, wanted, **CLOSE)
    assert [len(own) for own in vectors] == [len(group) for group in RESPONSES]
    assert all(own.dtype == np.float32 for own in (*vectors, *gates))


def test_plain_forwards_give_the_same_logits(folder):
    """What a rehearsal compares the judge with, itself against the decoder that is loaded beside it."""
    judge = load(folder)
    for prompt, responses, logits in zip(
        PROMPTS, RESPONSES, judge.own_logits(PROMPTS, RESPONSES), strict=True
    ):
        np.testing.assert_allclose(logits, plain(judge, prompt, responses), **CLOSE)


def test_what_only_compares_has_no_scores(gated):
    assert not hasattr(load(gated), "score")


def test_logits_that_are_not_finite_name_the_pair(gated):
    judge = load(gated)
    judge.model.value_head.weight.data[0, 0] = torch.nan
    with pytest.raises(
        ValueError, match=r"row 0: the logit of response 0 \('yes'\) against response 0"
    ):
        judge.logits(PROMPTS, RESPONSES)


def test_a_model_whose_own_forward_says_something_else_is_refused(gated, monkeypatch):
    read = embedding.read

    def elsewhere(model, groups, **named):
        return read(model, [(prompt[:-1] or prompt, tails) for prompt, tails in groups], **named)

    monkeypatch.setattr(embedding, "read", elsewhere)
    with pytest.raises(ValueError, match="our score of a dialogue under this qwen3"):
        load(gated)


@pytest.mark.parametrize("precision", ["none", "bf16"])
def test_a_sound_model_passes_its_own_check_in_any_precision(gated, precision):
    assert load(gated, precision=precision).logits(["p"], [["a", "b"]])[0].shape == (2, 2)


def test_a_format_that_the_tokenizer_has_not_is_refused(tmp_path):
    tokenizer = chat_tokenizer()
    tokenizer.chat_template = None
    model = preference_model(model=tiny_model(vocab_size=len(tokenizer)))
    save_preference_model(tmp_path, model, tokenizer)
    with pytest.raises(ValueError, match="has no chat template"):
        load(tmp_path)


def test_training_renders_the_very_same_ids():
    from prefgrid.training.preference_rows import compared_groups

    tokenizer = chat_tokenizer()
    chat.check_format(tokenizer, "chat")
    rows = [
        {
            "prompt": prompt,
            "responses": [{"text": text} for text in responses],
            "comparisons": [{"first": 0, "second": 1, "probability": 1.0}],
        }
        for prompt, responses in zip(PROMPTS, RESPONSES, strict=True)
    ]
    told = {"prompt_format": "chat", "max_prompt_tokens": 20, "max_tokens": 60}
    groups, counts = compared_groups(rows, tokenizer, **told, loss="ce", margin=False)
    judged, cut = render_groups(tokenizer, PROMPTS, RESPONSES, **told)
    assert [(group.prompt_tokens, group.responses) for group in groups] == judged
    assert counts["prompts_cut"] == cut == 1
