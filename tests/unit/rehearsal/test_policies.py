"""A base model is tried in everything that jobs do with it, and refused where it is not plain."""

import pytest
from tiny_families import FAMILIES, tiny_decoder
from tiny_policy import tiny_tokenizer
from transformers.models.llama import modeling_llama
from transformers.models.qwen3 import modeling_qwen3

from prefgrid.models.loading import save_model
from prefgrid.rehearsal import policies
from prefgrid.sampling import two_models

SIZES = {"vocab_size": 258, "eos_token_id": 257, "pad_token_id": 256}


@pytest.fixture
def rehearsed(tmp_path):
    def rehearse(family: str, *trainings, text_tokens=40, **changes):
        save_model(tmp_path, tiny_decoder(family, **SIZES, **changes), tiny_tokenizer())
        keys = ("precision", "targets", "gradient_checkpointing")
        described = [dict(zip(keys, (*one, False)[:3], strict=True)) for one in trainings]
        return policies.rehearse(tmp_path, "raw", described, text_tokens)

    return rehearse


def refusal(rehearsed, *arguments, **changes) -> str:
    with pytest.raises(ValueError) as caught:
        rehearsed(*arguments, **changes)
    return str(caught.value)


# Families that take no adapter on all linear layers, or keep their state in the model.
OTHERS = {"falcon_h1", "jamba", "recurrent_gemma"}


@pytest.mark.parametrize("family", sorted(FAMILIES.keys() - OTHERS))
def test_sound_families_equal_their_plain_forwards(rehearsed, family):
    """Windows, layers of two kinds, experts, linear attention, convolutions, state spaces, states
    reshaped to tokens."""
    errors = rehearsed(family, ("none", None), ("none", "all-linear"))
    assert list(errors) == [
        "a row of 40 tokens in precision none",
        "decoding in precision none",
        "log-probabilities in precision none",
        "an adapter of all-linear in precision none",
    ]
    adapter = errors["an adapter of all-linear in precision none"]
    assert set(adapter) == {"logits at weight 1", "logits at weight 0", "log-probabilities"}
    assert max(max(found.values()) for found in errors.values()) < 1e-5


def test_every_precision_and_every_list_of_targets_is_rehearsed(rehearsed):
    found = rehearsed("llama", ("bf16", None), ("none", ["q_proj"]), ("bf16", ["q_proj", "v_proj"]))
    assert list(found) == [
        "a row of 40 tokens in precision bf16",
        "decoding in precision bf16",
        "log-probabilities in precision bf16",
        "an adapter of q_proj, v_proj in precision bf16",
        "a row of 40 tokens in precision none",
        "decoding in precision none",
        "log-probabilities in precision none",
        "an adapter of q_proj in precision none",
    ]


def test_a_hybrid_takes_an_adapter_on_a_list_of_its_layers(rehearsed):
    errors = rehearsed("falcon_h1", ("none", ["q_proj", "v_proj", "in_proj", "down_proj"]))
    assert max(max(found.values()) for found in errors.values()) < 1e-5


def test_a_later_adapter_meets_the_base_and_not_an_earlier_adapter(rehearsed):
    alone = rehearsed("llama", ("none", ["q_proj"]))
    both = rehearsed("llama", ("none", "all-linear"), ("none", ["q_proj"]))
    name = "an adapter of q_proj in precision none"
    assert both[name] == alone[name]


@pytest.mark.parametrize("family", ["llama", "gemma3", "qwen3_moe", "lfm2", "opt"])
def test_all_weights_and_gradient_checkpointing_are_rehearsed(rehearsed, family):
    """In float32 exactly; autocast is rounding, where an adapter of halves is not loaded for it."""
    errors = rehearsed(
        family,
        ("none", "all-weights", True),
        ("bf16", "all-weights"),
        ("none", ["q_proj", "v_proj"], True),
    )
    assert list(errors) == [
        "a row of 40 tokens in precision none",
        "decoding in precision none",
        "log-probabilities in precision none",
        "all weights in precision none with gradient checkpointing",
        "all weights in precision bf16",
        "an adapter of q_proj, v_proj in precision none with gradient checkpointing",
    ]
    full, half, adapter = list(errors.values())[3:]
    recomputed = "gradients under gradient checkpointing"
    assert full["gradients"] < 1e-5 and full[recomputed] == adapter[recomputed] == 0
    assert 1e-4 < half["gradients"] < 0.1


# --- refusals --------------------------------------------------------------------------------------


def test_a_state_that_is_kept_in_the_model_is_refused(rehearsed):
    """The kind: a recurrence whose state no cache object holds, so that rows cannot be chosen."""
    found = refusal(rehearsed, "recurrent_gemma", ("none", None))
    assert found.startswith(
        "the rehearsal of decoding in precision none failed with a model of type"
    )
    assert "'recurrent_gemma'" in found


def test_a_forward_that_looks_at_padding_is_refused(rehearsed, monkeypatch):
    """The kind: decoding in a batch differs from the prompt alone."""
    plain = modeling_llama.create_causal_mask
    monkeypatch.setattr(
        modeling_llama, "create_causal_mask", lambda **how: plain(**how | {"attention_mask": None})
    )
    found = refusal(rehearsed, "llama", ("none", None))
    assert "logits differ from those of a plain forward by" in found
    assert "allowed in precision none: 0.001" in found


def test_logits_that_are_more_than_the_output_layer_are_refused(rehearsed, monkeypatch):
    """The kind: a forward that changes logits by a rule of its own (a multiplier, a cap)."""
    plain = modeling_qwen3.Qwen3ForCausalLM.forward

    def scaled(self, *args, **kwargs):
        output = plain(self, *args, **kwargs)
        output.logits = 3 * output.logits
        return output

    monkeypatch.setattr(modeling_qwen3.Qwen3ForCausalLM, "forward", scaled)
    found = refusal(rehearsed, "qwen3", ("none", None))
    assert "the rehearsal of a row of 40 tokens in precision none failed" in found
    assert "log-probabilities differ from those of a plain forward by" in found


def test_a_mixture_whose_reference_has_the_adapter_is_refused(rehearsed, monkeypatch):
    """The kind: a model run with and without its adapter in a way that mixes the two."""
    monkeypatch.setattr(
        two_models, "_on_first_half", lambda layer, adapter: type(layer).forward.__get__(layer)
    )
    found = refusal(rehearsed, "llama", ("none", ["q_proj", "v_proj"]))
    assert "the rehearsal of an adapter of q_proj, v_proj" in found
    assert "logits at weight 0 differ" in found


def test_weights_that_the_model_reads_past_their_adapter_are_refused(rehearsed):
    """The kind: an adapter without gradient, which merging would nevertheless add."""
    found = refusal(rehearsed, "jamba", ("none", "all-linear"))
    assert "gradient of dt_proj is absent" in found and "a list without them" in found


@pytest.mark.parametrize(
    ("family", "targets", "message"),
    [
        ("gpt_neox", ["q_proj", "v_proj"], "no layer has such a name"),
        ("llama", ["q_proj", "v_porj"], "names v_porj, but no layer"),
        ("qwen3", ["q_proj", "lm_head"], "names lm_head: the embedding and the output layer"),
    ],
)
def test_targets_that_do_not_fit_are_refused(rehearsed, family, targets, message):
    found = refusal(rehearsed, family, ("none", targets))
    assert "the rehearsal of an adapter of" in found and message in found
    assert "allowed: all-linear" in found


def test_logits_that_are_no_numbers_are_refused(rehearsed):
    """The kind: NaN, which is neither above nor below what is allowed."""
    found = refusal(rehearsed, "llama", ("none", None), rms_norm_eps=float("nan"))
    assert "log-probabilities differ from those of a plain forward by nan" in found


def test_a_class_without_gradient_checkpointing_is_refused(rehearsed, monkeypatch):
    kind = modeling_llama.LlamaPreTrainedModel
    monkeypatch.setattr(kind, "supports_gradient_checkpointing", False)
    for targets in ("all-weights", ["q_proj"]):
        found = refusal(rehearsed, "llama", ("none", targets, True))
        assert "LlamaForCausalLM does not support gradient checkpointing" in found
        assert found.endswith("allowed: training.gradient_checkpointing: false")
    rehearsed("llama", ("none", "all-weights", False))


def test_gradients_that_checkpointing_changes_are_refused(rehearsed, monkeypatch):
    """The kind: a layer that remembers, so that its second forward is another than the first."""
    plain = modeling_llama.LlamaMLP.forward
    calls = []

    def remembering(self, hidden):
        calls.append(1)
        return plain(self, hidden * (1 + len(calls) / 10))

    rehearsed("llama", ("none", "all-weights"))
    for stage in ("longest", "decoded"):
        monkeypatch.setattr(policies._Actor, stage, lambda *_: {})
    monkeypatch.setattr(policies._Actor, "scored", lambda *_, **__: {})
    monkeypatch.setattr(policies, "gradients_of", remembered(policies.gradients_of, calls))
    monkeypatch.setattr(policies._Actor, "_plain_sums", lambda self, model: self._sums(model)[0])
    monkeypatch.setattr(modeling_llama.LlamaMLP, "forward", remembering)
    found = refusal(rehearsed, "llama", ("none", "all-weights", True))
    assert "gradients under gradient checkpointing differ" in found


def remembered(gradients, calls):
    """Each starts with a fresh memory, so that it alone is not what differs."""

    def fresh(*arguments):
        calls.clear()
        return gradients(*arguments)

    return fresh
