"""What bounds the tiny world's config, without importing its modules."""

# Instructions of the tiny language: 8 moods × 20 animals × 18 places.
PROMPTS = 2880
# Positions of the tiny models, in tokens.
POSITIONS = 1024
# Most tokens that the chat template adds to a prompt, whatever the tokenizer has learned.
TEMPLATE_TOKENS = 24
# Completions of a prompt in the data.
COMPLETIONS = 4
# Linear layers of a block of the tiny models, by the last part of their names.
LAYERS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
# Optimizer steps until the models learn at their full rate.
WARMUP_STEPS = 29
