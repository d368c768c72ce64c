"""A tiny random decoder of every model family, made from a config: no download, no tokenizer."""

import torch
from tiny_policy import PAD, VOCABULARY, scale_up
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

_MOST = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
}
_GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256}
_EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}
_HYBRID = {"layer_types": ["linear_attention", "full_attention"]}
_DELTA = {
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
}
_SSM = {"mamba_n_heads": 4, "mamba_d_head": 16, "mamba_n_groups": 1, "mamba_d_state": 8}
_LATENT = {
    **{"kv_lora_rank": 16, "q_lora_rank": 16},
    **{"qk_nope_head_dim": 8, "qk_rope_head_dim": 8, "v_head_dim": 8, "head_dim": 8},
    **{"n_routed_experts": 4, "num_experts_per_tok": 2, "n_shared_experts": 1},
    **{"moe_intermediate_size": 24, "first_k_dense_replace": 1},
    **{"num_key_value_heads": 4, "n_group": 1, "topk_group": 1},
}

# Name → model type, and what its config has beside the common settings.
FAMILIES: dict[str, tuple[str, dict]] = {
    "llama": ("llama", {}),
    "mistral_window": ("mistral", {"sliding_window": 4}),
    "qwen2": ("qwen2", {}),
    "qwen3": ("qwen3", {}),
    "gemma": ("gemma", {}),
    "gemma2": ("gemma2", {"sliding_window": 4}),
    "gemma3": (
        "gemma3_text",
        {"sliding_window": 4, "layer_types": ["sliding_attention", "full_attention"]},
    ),
    "phi3": ("phi3", {}),
    "gpt2": ("gpt2", {}),
    "gpt_neox": ("gpt_neox", {}),
    "olmo": ("olmo", {}),
    "olmo2": ("olmo2", {}),
    "granite": ("granite", {"logits_scaling": 4.0}),
    "cohere": ("cohere", {}),
    "opt": ("opt", {"ffn_dim": 48, "word_embed_proj_dim": 32}),
    "mixtral": ("mixtral", _EXPERTS),
    "qwen3_moe": (
        "qwen3_moe",
        {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24},
    ),
    "deepseek_v2": ("deepseek_v2", _LATENT),
    "deepseek_v3": ("deepseek_v3", _LATENT),
    "qwen3_next": (
        "qwen3_next",
        {
            **_HYBRID,
            **_DELTA,
            "num_experts": 4,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 24,
            "shared_expert_intermediate_size": 24,
        },
    ),
    "qwen3_5": ("qwen3_5_text", {**_HYBRID, **_DELTA}),
    "lfm2": (
        "lfm2",
        {"layer_types": ["conv", "full_attention"], "block_auto_adjust_ff_dim": False},
    ),
    "falcon_h1": ("falcon_h1", {**_SSM, "mamba_d_ssm": 64}),
    "recurrent_gemma": (
        "recurrent_gemma",
        {"num_hidden_layers": 3, "lru_width": 32, "attention_window_size": 4},
    ),
    "bamba": ("bamba", {**_SSM, "attn_layer_indices": [1]}),
    "jamba": (
        "jamba",
        {
            "attn_layer_period": 2,
            "attn_layer_offset": 1,
            "num_experts": 2,
            "use_mamba_kernels": False,
        },
    ),
    "granitemoehybrid": (
        "granitemoehybrid",
        {**_SSM, "layer_types": ["linear_attention", "attention"], "shared_intermediate_size": 48},
    ),
    "stablelm": ("stablelm", {}),
    "phi": ("phi", {}),
    "starcoder2": ("starcoder2", {}),
    "gemma4": ("gemma4_text", {}),
    "glm4": ("glm4", {}),
    "smollm3": ("smollm3", {}),
}


def config(family: str, **changes):
    kind, settings = FAMILIES[family]
    common = _GPT2 if kind == "gpt2" else _MOST
    tokens = {
        "vocab_size": VOCABULARY,
        "bos_token_id": None,
        "eos_token_id": 1,
        "pad_token_id": PAD,
    }
    return CONFIG_MAPPING[kind](**{**common, **tokens, **settings, **changes})


def tiny_decoder(family: str, factor: float = 3.0, **changes):
    """In evaluation mode; weights scaled by `factor`, so that what a model reads shows in its logits."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config(family, **changes)).eval()
    return scale_up(model, factor)
