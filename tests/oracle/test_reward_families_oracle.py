"""Kind of bug: a reward read elsewhere than the classifier reads it.

Families of decoders with a classifier, with every kind of padding id in the config, against the
classifier's own forward of each dialogue alone and unpadded.
"""

import numpy as np
import pytest
import torch
from tiny_policy import scale_up, tiny_tokenizer
from transformers import CONFIG_MAPPING, AutoModelForSequenceClassification

from prefgrid.judges.scalar import ScalarRewardModel

END = 257
LLAMA = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 256,
}
EXPERTS = {**LLAMA, "num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 2}
GPT = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256}
GPT |= {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
LATENT = {"q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8}
LATENT |= {"v_head_dim": 8, "moe_intermediate_size": 16, "n_routed_experts": 4, "n_group": 1}
LATENT |= {"topk_group": 1, "num_experts_per_tok": 2, "first_k_dense_replace": 1}
WINDOW = {"sliding_window": 8}
# Family → fields of its config.
DECODERS = {
    "llama": LLAMA,
    "mistral": LLAMA | WINDOW,
    "qwen2": LLAMA,
    "qwen3": LLAMA,
    "gemma": LLAMA,
    "gemma2": LLAMA | WINDOW,
    "gemma3_text": LLAMA | WINDOW,
    "phi": LLAMA,
    "phi3": LLAMA,
    "olmo": LLAMA,
    "olmo2": LLAMA,
    "smollm3": LLAMA,
    "stablelm": LLAMA,
    "starcoder2": LLAMA,
    "nemotron": LLAMA,
    "falcon": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4},
    "mixtral": EXPERTS,
    "qwen3_moe": EXPERTS | {"moe_intermediate_size": 16},
    "deepseek_v3": LLAMA | LATENT | {"num_key_value_heads": 4},
    "gpt2": GPT,
    "gpt_neox": LLAMA,
    "gptj": {**GPT, "rotary_dim": 4},
    "opt": {**LLAMA, "ffn_dim": 48, "word_embed_proj_dim": 32, "dropout": 0.0},
    "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 4},
}
# What the config says padding is: the turn's end, nothing, a token of its own, one that also stands
# in texts.
PADDINGS = {"turn end": END, "absent": None, "own": 256, "a word's": 68}
TEMPLATE = (
    "{% for m in messages %}{{ m.role }}: {{ m.content }}<end>{% if m.role == 'user' %}\n{% endif %}"
    "{% endfor %}"
)
PROMPTS = ["a prompt", "another, longer one of more bytes", ""]
PAIRS = [(PROMPTS[k % 3], "word " * (k % 4) + "end!" * (k % 2)) for k in range(12)]


def decoder_tokenizer(side="right"):
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = TEMPLATE
    tokenizer.pad_token = "<end>"
    tokenizer.padding_side = side
    return tokenizer


def save(folder, family, fields, tokenizer, **special):
    torch.manual_seed(0)
    config = CONFIG_MAPPING[family](
        **fields, vocab_size=300, num_labels=1, bos_token_id=None, eos_token_id=END, **special
    )
    config._attn_implementation = "eager"
    model = scale_up(AutoModelForSequenceClassification.from_config(config), 4.0).eval()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model


def rewards(folder, batch_size):
    settings = {"prompt_format": "chat", "max_tokens": 200, "precision": "none"}
    judge = ScalarRewardModel(folder, **settings, batch_size=batch_size, device=torch.device("cpu"))
    judge.model.set_attn_implementation("eager")
    return judge.score(*zip(*PAIRS, strict=True))


def assert_equal(given, plain):
    plain = np.array(plain)
    assert np.ptp(plain) > 0.05 * np.abs(plain).max(), "the model sees no difference"
    np.testing.assert_allclose(given, plain, atol=1e-5 * max(1.0, np.abs(plain).max()), rtol=0)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("family", DECODERS)
def test_a_decoder_s_reward_is_read_where_the_model_itself_reads_it(tmp_path, family, padding):
    tokenizer = decoder_tokenizer("left" if padding == "own" else "right")
    model = save(tmp_path, family, DECODERS[family], tokenizer, pad_token_id=PADDINGS[padding])
    plain = []
    for prompt, response in PAIRS:
        turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": response}]
        ids = tokenizer.apply_chat_template(turns, return_dict=True, return_tensors="pt")
        with torch.no_grad():
            plain.append(model(input_ids=ids["input_ids"]).logits.item())
    for batch_size in (1, 8):
        assert_equal(rewards(tmp_path, batch_size), plain)
