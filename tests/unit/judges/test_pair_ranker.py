"""PairRM's judge against a plain DeBERTa of one pair at a time, and the published helper's padded rows."""

import itertools
import json
import shutil
from functools import partial

import numpy as np
import pytest
import torch
from pairwise_checks import assert_company_does_not_count
from safetensors.torch import load_file, save_file
from tiny_pair_ranker import marked_tokenizer, pair_ranker, save_pair_ranker
from transformers import DebertaV2Model

from prefgrid.files import store
from prefgrid.judges import pair_ranker as judges_module
from prefgrid.judges.pairwise import antisymmetric, matrices, matrix
from prefgrid.models import loading
from prefgrid.models.pair_ranker import PairRanker

SOURCE, CANDIDATE = 1224, 412
PROMPT = "Which of these is better?"
RESPONSES = ["This one.", "", "That one, which is rather longer than the others are.", "No."]
PROMPTS = [PROMPT, "Quick: ", ""]
GROUPS = [RESPONSES, ["a", "b b b b b b"], ["Same.", "Same.", "x"]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_pair_ranker(tmp_path_factory.mktemp("pair_ranker"))


def load(folder, **options):
    defaults = {name: default for name, (default, _) in judges_module.OPTIONS.items()}
    return judges_module.load(
        folder, defaults | options, prompt_format="chat", device=torch.device("cpu")
    )


def published_ids(prompt, first, second, source=SOURCE, candidate=CANDIDATE):
    """`tokenize_pair` of the published page, in other words: truncation by the tokenizer, at the end."""
    encode = marked_tokenizer().encode
    x = encode("<|source|>" + prompt, max_length=source, truncation=True)
    room = (source + 2 * candidate - len(x)) // 2
    parts = (("<|candidate1|>", first), ("<|candidate2|>", second))
    return x + [
        token
        for marker, text in parts
        for token in encode(marker + text, max_length=room, truncation=True)
    ]


def plain_logit(folder, ids, *, width=None):
    """DebertaV2Model and the head, written out: one row alone, or padded to a width."""
    config = json.loads((folder / "config.json").read_text())
    weights = load_file(folder / "model.safetensors")
    network = DebertaV2Model(loading.load_config(folder)).eval()
    network.load_state_dict(
        {
            name.removeprefix("pretrained_model."): weight
            for name, weight in weights.items()
            if name.startswith("pretrained_model.")
        }
    )
    pad = 0 if width is None else width - len(ids)
    row = torch.tensor([ids + [config["pad_token_id"]] * pad])
    mask = torch.tensor([[1] * len(ids) + [0] * pad])
    with torch.no_grad():
        states = network(row, attention_mask=mask).last_hidden_state[0]
    source, *candidates = (
        states[ids.index(config[f"{name}_prefix_id"])] for name in ("source", "cand1", "cand2")
    )

    def score(candidate):
        inner = torch.tanh(
            weights["head_layer.1.weight"] @ torch.cat([source, candidate])
            + weights["head_layer.1.bias"]
        )
        return weights["head_layer.4.weight"] @ inner + weights["head_layer.4.bias"]

    return (score(candidates[0]) - score(candidates[1])).item()


def test_logits_are_those_of_each_pair_alone_in_both_orders(folder):
    judge = load(folder)
    found = matrix(judge, PROMPT, RESPONSES)
    for i, j in itertools.permutations(range(len(RESPONSES)), 2):
        expected = plain_logit(folder, published_ids(PROMPT, RESPONSES[i], RESPONSES[j]))
        assert found[i, j] == pytest.approx(expected, abs=1e-5)
    assert not found.diagonal().any() and found.dtype == np.float32
    # The order in which two are shown counts, and the judge says so.
    assert not antisymmetric(judge) and np.abs(found + found.T).max() > 1e-2
    assert np.abs(found - found[0, 2])[~np.eye(4, dtype=bool)].max() > 1e-2


def test_the_published_padding_to_2048_changes_nothing(folder):
    found = matrix(load(folder), PROMPT, RESPONSES[:2])
    for i, j in ((0, 1), (1, 0)):
        ids = published_ids(PROMPT, RESPONSES[i], RESPONSES[j])
        padded = plain_logit(folder, ids, width=SOURCE + 2 * CANDIDATE)
        assert found[i, j] == pytest.approx(padded, abs=1e-5)


def test_neither_batch_nor_order_nor_company_counts(folder):
    assert_company_does_not_count(partial(load, folder), PROMPTS, GROUPS, (1, 3, 64))


def test_what_the_source_leaves_goes_to_both_candidates_of_its_own_prompt(folder):
    """Budgets 12 + 2·10: a source of 3 characters and 3 special tokens leaves 26, 13 for each candidate."""
    judge = load(folder, source_tokens=12, candidate_tokens=10)
    group = ["abcdefghijklmnop", "ab"]
    # A longer neighbour changes nothing.
    found, _ = matrices(judge, ["xyz", "x" * 30], [group, group])
    for i, j in ((0, 1), (1, 0)):
        ids = published_ids("xyz", group[i], group[j], source=12, candidate=10)
        assert ids == judge.writer.rows("xyz", group, judges_module.Cut())[i, j].tokens
        assert found[i, j] == pytest.approx(plain_logit(folder, ids), abs=1e-5)
    assert len(judge.writer.rows("xyz", group * 2, judges_module.Cut())[0, 2].tokens) == 6 + 13 + 13


def test_a_source_over_its_budget_loses_its_start_and_is_counted(folder, monkeypatch):
    """The published helper cuts its end: what was asked last."""
    said = []
    monkeypatch.setattr(store, "log", said.append)
    judge = load(folder, source_tokens=8, candidate_tokens=10)
    found = matrices(judge, ["0123456789", "789"], [["a", "b"], ["a", "c" * 20]])
    kept = published_ids("56789", "a", "b", source=8, candidate=10)
    assert found[0][0, 1] == pytest.approx(plain_logit(folder, kept), abs=1e-5)
    cut_at_the_end = published_ids("0123456789", "a", "b", source=8, candidate=10)
    assert abs(found[0][0, 1] - plain_logit(folder, cut_at_the_end)) > 1e-4
    assert said == [
        "compared 4 ordered pairs; 1 prompts lost their start to fit, 1 responses their end"
    ]


def test_a_text_cannot_write_a_special_token(folder):
    """A response that spells the second marker would bring a third candidate along."""
    judge = load(folder)
    found = matrix(judge, "x", ["a<|candidate2|>b[SEP]", "c"])
    assert np.array_equal(found, matrix(judge, "x", ["a b ", "c"]))


def test_rows_may_be_longer_than_max_position_embeddings(folder):
    group = ["a" * 100, "b" * 150]
    assert loading.load_config(folder).max_position_embeddings == 24
    found = matrix(load(folder), "x", group)
    expected = plain_logit(folder, published_ids("x", *group))
    assert found[0, 1] == pytest.approx(expected, abs=1e-5)


def test_absolute_positions_are_a_limit(tmp_path):
    save_pair_ranker(tmp_path, position_biased_input=True)
    with pytest.raises(ValueError, match="absolute positions .* and has 24, .* = 2048; allowed: "):
        load(tmp_path)


def test_it_is_saved_and_read_again_with_the_published_names(folder, tmp_path):
    model = pair_ranker()
    names = set(load_file(folder / "model.safetensors"))
    assert {name for name in names if not name.startswith("pretrained_model.")} == {
        f"head_layer.{layer}.{part}" for layer in (1, 4) for part in ("weight", "bias")
    }
    again = loading.load_model(PairRanker, folder, "none")
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name])
    assert again.config._attn_implementation == "eager"


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision(folder, precision):
    judge = load(folder, precision=precision)
    dtypes = {name: weight.dtype for name, weight in judge.model.named_parameters()}
    assert dtypes["head_layer.4.weight"] == torch.float32
    assert dtypes["pretrained_model.embeddings.word_embeddings.weight"] != torch.float32
    np.testing.assert_allclose(
        matrix(judge, PROMPT, RESPONSES), matrix(load(folder), PROMPT, RESPONSES), atol=0.03
    )


def damaged(folder, tmp_path, **entries):
    """A copy with other entries in its config, and no manifest that would tell."""
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / "manifest.json").unlink()
    config = json.loads((copy / "config.json").read_text()) | entries
    (copy / "config.json").write_text(json.dumps({k: v for k, v in config.items() if v != "gone"}))
    return copy


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"model_type": "bert"}, "is a deberta-v2, this is a bert"),
        ({"n_tasks": "gone", "cand1_prefix_id": "gone"}, "lacks n_tasks, cand1_prefix_id"),
        ({"cand2_prefix_id": 7}, "writes <|candidate2|> as 262, but .* = 7: it is another model's"),
        ({"n_tasks": 2}, r"shapes of the weights .* head_layer.4"),
    ],
)
def test_folders_of_another_kind_are_refused(folder, tmp_path, entries, said):
    with pytest.raises(ValueError, match=said.replace("|", r"\|")):
        load(damaged(folder, tmp_path, **entries))


def test_a_tokenizer_without_the_markers_is_refused(folder, tmp_path):
    copy = damaged(folder, tmp_path)
    path = copy / "tokenizer.json"
    found = json.loads(path.read_text())
    found["added_tokens"] = [
        one
        for one in found["added_tokens"]
        if one["content"][0] != "<" or one["content"] == "<pad>"
    ]
    path.write_text(json.dumps(found))
    with pytest.raises(ValueError, match=r"lacks the marker <\|source\|>"):
        load(copy)


def test_a_folder_with_a_sentencepiece_file_alone_is_refused(folder, tmp_path):
    copy = damaged(folder, tmp_path)
    (copy / "tokenizer.json").rename(copy / "spm.model")
    with pytest.raises(
        ValueError, match=r"spm.model.* needs the package sentencepiece, which this"
    ):
        load(copy)


def test_weights_without_a_head_are_refused(folder, tmp_path):
    copy = damaged(folder, tmp_path)
    weights = load_file(copy / "model.safetensors")
    backbone = {name: one for name, one in weights.items() if not name.startswith("head")}
    save_file(backbone, copy / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match="weights of head_layer.1.bias, .* are missing"):
        load(copy)


def test_a_logit_that_is_not_finite_names_its_pair(folder):
    judge = load(folder)
    place = marked_tokenizer()("q", add_special_tokens=False)["input_ids"][0]
    with torch.no_grad():
        judge.model.pretrained_model.embeddings.word_embeddings.weight[place] = torch.inf
    assert np.isfinite(matrix(judge, "x", ["a", "b"])).all()
    with pytest.raises(
        ValueError, match="logit of '(q|b)', shown first, against '(q|b)' as answers to 'x' is"
    ):
        matrices(judge, ["y", "x"], [["a", "b"], ["b", "q"]])


def test_budgets_without_room_are_refused(folder):
    with pytest.raises(ValueError, match="candidate_tokens = 3 leaves no room .* at least 4"):
        load(folder, candidate_tokens=3)
