"""Kind: models that read a row's tokens otherwise, or not at all, beyond some length."""

import pytest
import torch
import transformers
from tiny_policy import tiny_tokenizer
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSequenceClassification

from prefgrid.logprobs.sequence import response_logps
from prefgrid.models import positions
from prefgrid.models.loading import save_model
from prefgrid.rehearsal import judges, policies
from prefgrid.sampling.decode import decode
from prefgrid.sampling.request import DecodingOptions

LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 1e4,
    "short_factor": [1.0, 1.02, 1.03, 1.03],
    "long_factor": [1.1, 4.0, 20.0, 60.0],
}
DYNAMIC = {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 4.0}
ROTATING = {
    "phi3": {"original_max_position_embeddings": 24, "rope_parameters": LONGROPE},
    "llama": {"max_position_embeddings": 24, "rope_parameters": DYNAMIC},
}
# Family → (its config, tokens for which it has positions).
TABLES = {
    "gpt2": ({"n_positions": 20}, 20),
    "gpt_neo": ({"attention_types": [[["global"], 2]], "num_layers": 2}, 20),
    "gptj": ({"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 20, "rotary_dim": 4}, 20),
    # Its table begins with two rows that no token has.
    "opt": ({"ffn_dim": 64, "word_embed_proj_dim": 32}, 20),
    "bert": ({}, 20),
    # Positions are numbered behind the padding's id, 1 here.
    "roberta": ({"pad_token_id": 1}, 18),
}
VOCABULARY = 258


def config(family: str, **more):
    sizes = {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 20,
        "pad_token_id": 0,
        "bos_token_id": None,
        "eos_token_id": 1,
    }
    return transformers.AutoConfig.for_model(family, **{**sizes, **more})


def rotating(family: str, kind=AutoModelForCausalLM, **more):
    torch.manual_seed(0)
    sizes = {"max_position_embeddings": 512, "initializer_range": 0.3, **ROTATING[family], **more}
    return kind.from_config(config(family, **sizes)).eval()


@torch.no_grad()
@pytest.mark.parametrize("family", TABLES)
def test_a_table_of_positions_ends_where_its_model_ends(family):
    settings, limit = TABLES[family]
    model = AutoModel.from_config(config(family, **settings)).eval()
    assert positions.row_limit(model) == limit
    model(torch.full((1, limit), 5))
    with pytest.raises((IndexError, RuntimeError)):
        model(torch.full((1, limit + 1), 5))


def test_other_models_read_rows_of_any_length():
    assert positions.row_limit(AutoModelForCausalLM.from_config(config("llama"))) is None
    for rope_type in ("linear", "yarn", "llama3"):
        rope = {"rope_type": rope_type, "rope_theta": 1e4, "factor": 4.0}
        rope |= {"original_max_position_embeddings": 8}
        rope |= {"low_freq_factor": 1.0, "high_freq_factor": 4.0} if rope_type == "llama3" else {}
        assert positions.rotary_limit(config("llama", rope_parameters=rope)) is None


def test_rotations_by_kind_of_layer_have_limits_too():
    one = config("llama", **ROTATING["llama"])
    one.rope_parameters = {"full_attention": DYNAMIC, "sliding_attention": {"rope_type": "default"}}
    assert positions.rotary_limit(one) == 24


def own_sums(model, prompts, responses):
    sums = []
    for prompt, group in zip(prompts, responses, strict=True):
        for response in group:
            logits = model(torch.tensor([prompt + response]), use_cache=False).logits[0]
            logps = logits.log_softmax(-1)[len(prompt) - 1 : -1]
            sums.append(logps.gather(1, torch.tensor(response)[:, None]).sum())
    return torch.stack(sums)


@torch.no_grad()
@pytest.mark.parametrize("family", ROTATING)
def test_rows_that_may_come_never_change_each_others_rotations(family):
    """Up to the very limit: log-probabilities of rows of all lengths in one batch, after longer ones,
    are those of rows alone; and with a longer row, which would change them, there are none."""
    model = rotating(family)
    fresh = rotating(family)
    draw = torch.Generator().manual_seed(0)

    def tokens(count):
        return torch.randint(5, VOCABULARY, (count,), generator=draw).tolist()

    prompts = [tokens(12), tokens(3), tokens(14)]
    responses = [[tokens(12), tokens(2)], [tokens(5)], [tokens(1), tokens(10), tokens(4)]]
    expected = own_sums(fresh, prompts, responses)
    ours, _ = response_logps(model, prompts, responses, pad_id=0)
    torch.testing.assert_close(ours, expected, atol=2e-5, rtol=1e-5)
    with pytest.raises(ValueError, match=r"a row of 27 tokens: beyond 24 .* at most 24"):
        response_logps(model, prompts, [*responses[:2], [tokens(14)]], pad_id=0)
    # That it matters: the same row in the company of one beyond the limit.
    longer = torch.tensor([prompts[1] + responses[1][0] + [0] * 20, tokens(28)])
    moved = fresh(longer, use_cache=False).logits[0, :7].log_softmax(-1)
    alone = rotating(family)(longer[:1, :8], use_cache=False).logits[0, :7].log_softmax(-1)
    assert (moved - alone).abs().max() > 0.05


@torch.no_grad()
@pytest.mark.parametrize("family", ROTATING)
def test_decoding_to_the_limit_is_the_distribution_that_one_forward_gives(family):
    """Left padding, neighbours of other lengths and the last tokens: greedy tokens are the argmax
    of one plain forward over each finished row."""
    model, fresh = rotating(family), rotating(family)
    prompts = [list(range(10, 20)), [7], list(range(40, 46))]
    options = DecodingOptions(eos_ids=(1,), pad_id=0, max_new_tokens=15, temperature=0)
    uniforms = torch.zeros(3, 15, dtype=torch.float64)

    def choose(logits, rows, uniform, live):
        return logits[0].argmax(-1)

    for prompt, response in zip(
        prompts, decode(model, prompts, uniforms, choose, options), strict=True
    ):
        logits = fresh(torch.tensor([prompt + response.tokens[:-1]]), use_cache=False).logits[0]
        assert logits.argmax(-1)[len(prompt) - 1 :].tolist() == response.tokens
    with pytest.raises(ValueError, match="a row of 25 tokens: beyond 24"):
        decode(model, [*prompts[1:], list(range(11))], uniforms, choose, options)


def save(folder, model) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = "{% for m in messages %}<{{ m.content }}>{% endfor %}"
    save_model(folder, model.eval(), tokenizer)


def rehearse(folder, text_tokens: int) -> dict:
    training = {"precision": "none", "targets": None}
    return policies.rehearse(folder, "chat", [training], text_tokens)


def test_rows_beyond_the_positions_are_refused_by_the_rehearsal(tmp_path):
    """The template's two tokens count, too: at 18 of 20 all is well."""
    save(tmp_path, AutoModelForCausalLM.from_config(config("gpt2", n_positions=20)))
    with pytest.raises(ValueError) as caught:
        rehearse(tmp_path, 19)
    assert "this gpt2 reads rows of up to 20 tokens; max_prompt_tokens + " in str(caught.value)
    assert "is 19; allowed: at most 18 (the prompt's template takes 2)" in str(caught.value)
    assert "a row of 20 tokens in precision none" in rehearse(tmp_path, 18)


def test_a_limit_that_no_table_shows_is_met_by_the_longest_row(tmp_path):
    """MPT computes biases for so many tokens; nothing short fails."""
    sizes = {
        "d_model": 32,
        "n_heads": 2,
        "n_layers": 2,
        "max_seq_len": 64,
        "vocab_size": VOCABULARY,
    }
    save(tmp_path, AutoModelForCausalLM.from_config(transformers.MptConfig(**sizes)))
    assert "a row of 64 tokens in precision none" in rehearse(tmp_path, 62)
    with pytest.raises(ValueError, match="rehearsal of a row of 66 tokens .* 'mpt'"):
        rehearse(tmp_path, 64)


def test_rotations_of_the_batch_are_refused_by_the_rehearsal(tmp_path):
    save(tmp_path, rotating("phi3"))
    with pytest.raises(
        ValueError, match="up to 24 tokens by the same rotations in any batch; max_p"
    ):
        rehearse(tmp_path, 23)
    save(tmp_path, rotating("llama", AutoModelForSequenceClassification, num_labels=1))
    options = {"max_tokens": 25, "batch_size": 4, "precision": "none"}
    with pytest.raises(ValueError, match="max_tokens is 25; allowed: at most 24"):
        judges.rehearse(tmp_path, "chat", "prefgrid.judges.scalar", options)


def test_the_positions_of_an_image_are_none_of_a_text(tmp_path):
    """A vision tower's table has a row a patch: here 4, where texts may be of any length."""
    text = {"vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 32, "head_dim": 16}
    text |= {"num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1}
    vision = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1}
    vision |= {"num_attention_heads": 2, "image_size": 28, "patch_size": 14}
    both = transformers.Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4)
    model = transformers.Gemma3ForConditionalGeneration(both)
    assert positions.row_limit(model) is None
