"""What bounds the tiny world's config, without importing its modules."""

# Instructions of the tiny language: 8 moods × 20 animals × 18 places.
PROMPTS = 2880
# Positions of the tiny models, in tokens.
POSITIONS = 1024
# Most tokens that the chat template adds to a prompt, whatever the tokenizer has learned.
TEMPLATE_TOKENS = 24
