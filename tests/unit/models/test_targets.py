"""Layers that an adapter is asked for and that are not there, or that it cannot be put on."""

import pytest
from tiny_families import tiny_decoder
from tiny_policy import LORA

from prefgrid.models.adapted_layers import adapted_layers
from prefgrid.models.loading import add_lora


def refused(family: str, targets, **changes) -> str:
    with pytest.raises(ValueError) as caught:
        add_lora(tiny_decoder(family, **changes), **{**LORA, "targets": targets}, seed=0)
    return str(caught.value)


def test_targets_of_another_family_are_named_with_the_layers_that_there_are():
    found = refused("gpt_neox", ["q_proj", "v_proj"])
    assert "['q_proj', 'v_proj']" in found and "no layer has such a name" in found
    assert "'gpt_neox'" in found
    assert "a list of query_key_value, dense, dense_h_to_4h, dense_4h_to_h" in found
    assert "embed_out" not in found


@pytest.mark.parametrize("targets", [["q_proj", "v_porj"], ["self_attn.v_porj", "q_proj"]])
def test_every_listed_target_must_match(targets):
    """The kind: a list of which a part matches, so that peft trains that part and says nothing."""
    found = refused("llama", targets)
    assert "v_porj, but no layer of a model of type 'llama'" in found and "v_proj" in found


def test_all_linear_is_a_word_and_no_layer():
    assert "all-linear (a word, no list)" in refused("llama", ["all-linear"])
    assert "all-linear (a word, no list)" in refused("llama", ["q_proj", "all-linear"])


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("target", ["lm_head", "embed_tokens"])
def test_the_two_ends_of_a_model_are_no_targets(tied, target):
    """The kind: one weight used twice, of which an adapter changes one use."""
    found = refused("qwen3", ["q_proj", target], tie_word_embeddings=tied)
    assert f"names {target}: the embedding and the output layer cannot be adapted" in found


def test_what_peft_itself_refuses_is_said_with_what_is_allowed():
    found = refused("falcon_h1", "all-linear")
    assert "Module 'out_proj' is incompatible" in found and "a list of" in found


@pytest.mark.parametrize(
    ("family", "targets", "layers"),
    [
        ("llama", ["q_proj", "v_proj"], 4),
        ("llama", ["layers.1.self_attn.q_proj"], 1),
        ("gpt2", ["c_attn"], 2),
        # Experts' layers have been parts of one tensor since transformers 5; peft knows their names.
        ("mixtral", ["q_proj", "w1", "w2", "w3"], 6),
        ("mixtral", "all-linear", 14),
    ],
)
def test_targets_that_match_are_adapted(family, targets, layers):
    model = add_lora(tiny_decoder(family), **{**LORA, "targets": targets}, seed=0)
    assert len(adapted_layers(model)) == layers
