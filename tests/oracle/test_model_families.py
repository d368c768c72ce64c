"""Log-probabilities and scores of many model families beside their own plain, eager forward.

Kind: a family that is computed otherwise than most (bounds, scales, windows, rotations, learned
positions, state spaces, experts). Each gets the values of its own forward, or is refused by name.
"""

import random

import pytest
import torch
import transformers
from tiny_policy import tiny_tokenizer
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from prefgrid.judges.scalar import ScalarRewardModel
from prefgrid.logprobs.agreement import check_log_probs
from prefgrid.logprobs.sequence import response_logps
from prefgrid.models.loading import load_causal_lm
from prefgrid.sampling.decode import decode
from prefgrid.sampling.request import DecodingOptions

VOCABULARY = 60
PAD = 0
LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 1e4,
    "short_factor": [1.0, 1.02, 1.03, 1.03],
    "long_factor": [1.1, 4.0, 20.0, 60.0],
}
GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
GEMMA = {"head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 6}
EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}
MLA = {
    "q_lora_rank": 16,
    "kv_lora_rank": 16,
    "qk_rope_head_dim": 4,
    "qk_nope_head_dim": 8,
    "v_head_dim": 8,
    "num_key_value_heads": 4,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 16,
    "first_k_dense_replace": 1,
    "n_group": 2,
    "topk_group": 1,
}
MAMBA = {
    "mamba_d_ssm": 32,
    "mamba_n_heads": 4,
    "mamba_d_head": 8,
    "mamba_n_groups": 1,
    "mamba_d_state": 8,
    "lm_head_multiplier": 0.3,
}
FAMILIES = {
    "llama": {},
    "mistral": {"sliding_window": 5},
    "qwen2": {},
    "qwen3": {"head_dim": 8},
    # Layers of both kinds: in a model of linear attention alone no layer counts tokens.
    "qwen3_5_text": {
        **{"head_dim": 8, "linear_num_key_heads": 2, "linear_num_value_heads": 4},
        "layer_types": ["linear_attention", "full_attention"],
    },
    "gemma": {"head_dim": 8},
    "gemma2": {**GEMMA, "attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0},
    "gemma3_text": GEMMA,
    "gemma4_text": {**GEMMA, "hidden_size_per_layer_input": 0, "vocab_size_per_layer_input": 60},
    "phi3": {"original_max_position_embeddings": 32, "rope_parameters": LONGROPE},
    "gpt2": GPT2,
    "gpt_neox": {},
    "olmo": {},
    "olmo2": {},
    "granite": {"logits_scaling": 8.0, "attention_multiplier": 0.3, "residual_multiplier": 0.5},
    "cohere": {"logit_scale": 0.25},
    "cohere2": {"logit_scale": 0.25, "sliding_window": 5},
    "falcon_h1": MAMBA,
    "mixtral": EXPERTS,
    "opt": {"ffn_dim": 64, "word_embed_proj_dim": 32, "max_position_embeddings": 64},
    "recurrent_gemma": {"logits_soft_cap": 2.0, "attention_window_size": 64, "lru_width": 32},
    "deepseek_v3": MLA,
    "gpt_oss": {**EXPERTS, "head_dim": 8, "sliding_window": 6},
}
CLASSIFIERS = ["llama", "mistral", "qwen3", "gemma2", "gemma3_text", "phi3", "gpt2", "gpt_neox"]
CLASSIFIERS += ["mixtral", "opt", "gpt_oss", "deepseek_v3"]


def save(folder, family: str, kind, **more):
    """Random weights, scaled up so that distributions are far from uniform and bounds matter."""
    torch.manual_seed(0)
    sizes = {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 3 if family == "recurrent_gemma" else 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 128,
        "pad_token_id": PAD,
        "bos_token_id": None,
        "eos_token_id": 1,
        **FAMILIES[family],
        **more,
    }
    config = transformers.AutoConfig.for_model(family, **sizes)
    model = kind.from_config(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1 and "router" not in name:
                weight.mul_(4)
    model.save_pretrained(folder)
    return kind.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()


def ragged(seed: int = 0):
    draw = random.Random(seed)

    def tokens(low: int, high: int) -> list[int]:
        return [draw.randrange(2, VOCABULARY) for _ in range(draw.randint(low, high))]

    counts = (2, 1, 3)
    return [tokens(4, 20) for _ in counts], [[tokens(1, 9) for _ in range(k)] for k in counts]


@torch.no_grad()
@pytest.mark.parametrize("family", FAMILIES)
def test_log_probabilities_are_those_of_the_own_forward(family, tmp_path):
    plain = save(tmp_path, family, AutoModelForCausalLM)
    model = load_causal_lm(tmp_path)
    prompts, responses = ragged()
    ours, _ = response_logps(model, prompts, responses, pad_id=PAD)
    own = []
    for prompt, group in zip(prompts, responses, strict=True):
        for response in group:
            row = torch.tensor([prompt + response])
            logits = plain(input_ids=row, use_cache=False).logits[0].float()
            logps = logits.log_softmax(-1)[len(prompt) - 1 : -1]
            own.append(logps.gather(1, torch.tensor(response)[:, None]).sum())
    assert torch.stack(own).std() > 0.5, "too uniform to see anything"
    worst = (ours - torch.stack(own)).abs().max().item()
    print(f"{family}: {worst:.2g} nats, {model.config._attn_implementation}")
    assert worst <= 5e-5
    check_log_probs(model, prompts[0] + responses[0][0], PAD)


@torch.no_grad()
@pytest.mark.parametrize("family", CLASSIFIERS)
def test_scores_are_those_of_the_own_forward(family, tmp_path):
    tokenizer = tiny_tokenizer()
    more = {"vocab_size": len(tokenizer), "pad_token_id": None, "num_labels": 1}
    plain = save(tmp_path, family, AutoModelForSequenceClassification, **more)
    tokenizer.save_pretrained(tmp_path)
    settings = {"prompt_format": "raw", "max_tokens": 30, "batch_size": 8, "precision": "none"}
    judge = ScalarRewardModel(tmp_path, **settings, device=torch.device("cpu"))
    pairs = [("a prompt", "yes"), ("a prompt", "no, not at all"), ("another one", "y"), ("p", "n")]
    own = [
        plain(torch.tensor([tokenizer(prompt + response)["input_ids"]])).logits.item()
        for prompt, response in pairs
    ]
    assert max(own) - min(own) > 0.05, "too uniform to see anything"
    rewards = judge.score(*zip(*pairs, strict=True))
    worst = max(abs(ours - exact) for ours, exact in zip(rewards, own, strict=True))
    print(f"{family}: {worst:.2g}, {judge.model.config._attn_implementation}")
    assert worst <= 1e-5 * max(1, *map(abs, own))


# Its state is kept in the model itself, so that decoding refuses it.
RECURRENT = {"recurrent_gemma"}


@torch.no_grad()
@pytest.mark.parametrize("family", [name for name in FAMILIES if name not in RECURRENT])
def test_greedy_decoding_follows_the_own_forward(family, tmp_path):
    """Rows of several lengths, left-padded: each drawn token is the argmax of a plain forward."""
    plain = save(tmp_path, family, AutoModelForCausalLM)
    prompts, _ = ragged(1)
    options = DecodingOptions(eos_ids=(1,), pad_id=PAD, max_new_tokens=9, temperature=0)

    def choose(logits, rows, uniform, live):
        return logits[0].argmax(-1)

    drawn = decode(
        load_causal_lm(tmp_path), prompts, torch.zeros(len(prompts), 9).double(), choose, options
    )
    for prompt, response in zip(prompts, drawn, strict=True):
        row = torch.tensor([prompt + response.tokens[:-1]])
        logits = plain(input_ids=row, use_cache=False).logits[0, len(prompt) - 1 :]
        picked = logits.gather(1, torch.tensor(response.tokens)[:, None])[:, 0]
        # A tie may go either way.
        assert (logits.amax(-1) - picked).max() <= 1e-4
