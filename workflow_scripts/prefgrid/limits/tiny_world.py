"""What bounds the tiny world's config, without importing its modules."""

# Instructions of the tiny language: 8 moods × 20 animals × 18 places.
PROMPTS = 2880
# Positions of the tiny models, in tokens.
POSITIONS = 1024
# Most tokens that the chat template adds to a prompt, whatever the tokenizer has learned.
TEMPLATE_TOKENS = 24
# Completions of a prompt in the data.
COMPLETIONS = 4
# Linear layers of a block of the tiny models, and where a block stands.
LAYERS = (
    *("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"),
    *("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"),
)
BLOCK = "model.layers"
# Optimizer steps until the models learn at their full rate.
WARMUP_STEPS = 29
