"""Which rows a forward gets: prompts shared and groups packed, or one padded row a response."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from prefgrid.logprobs.packing import Layout, Tokens, first_fit_decreasing, group_tokens, lay_out

# Stock forwards that honour a 4-D mask and given positions, one by one in the oracle tests. Any
# other model is computed in padded rows, which need nothing but causality.
PACKABLE_MODELS = frozenset({"llama", "mistral", "qwen2", "qwen3"})
# A flash kernel would ignore the mask.
PACKABLE_ATTENTION = frozenset({"eager", "sdpa"})
# Rotations of a position that do not depend on the length of the row it is in.
PACKABLE_ROTARY = frozenset({"default", "linear", "llama3", "yarn"})

# Token budgets of a row, in longest groups. Wide rows waste less on padding, but attention under a
# mask computes every pair of columns. Measured (4 layers, hidden 256, groups of 450 tokens, one
# thread): 1 and 1.5 cost the same, 2 costs 1.3 and 4 costs 1.7 times as much; so nothing wider.
ROW_BUDGETS = (1.0, 1.5, 2.0)


def takes_packed_rows(config: Any) -> bool:
    """Whether a model with this text config has full causal attention and 1-D positions, and takes
    a mask."""
    layer_types = getattr(config, "layer_types", None) or ["full_attention"]
    rotary = (getattr(config, "rope_parameters", None) or {}).get("rope_type", "default")
    return (
        config.model_type in PACKABLE_MODELS
        and config._attn_implementation in PACKABLE_ATTENTION
        and rotary in PACKABLE_ROTARY
        and set(layer_types) == {"full_attention"}
        # A decoder may be told to look to both sides.
        and getattr(config, "is_causal", True)
        and getattr(config, "sliding_window", None) is None
    )


def plan(
    config: Any,
    prompts: Sequence[Tokens],
    responses: Sequence[Sequence[Tokens]],
    *,
    pad_id: int,
    row_budgets: Sequence[float] = ROW_BUDGETS,
) -> Layout:
    """The layout with the least estimated cost that a model with this text config can take.

    Depends on the config and on the numbers of tokens alone. Packed rows are as wide as the
    longest group times one of `row_budgets` (each >= 1). Padded rows win where there is no prompt
    to share and little padding, because causal attention without a mask costs half as much.
    """
    alone = [prompt for prompt, group in zip(prompts, responses, strict=True) for _ in group]
    one_each = [[response] for group in responses for response in group]
    padded = alone, one_each, [[row] for row in range(len(alone))]
    if not takes_packed_rows(config):
        return lay_out(*padded, pad_id=pad_id)
    sizes = [group_tokens(*group) for group in zip(prompts, responses, strict=True)]
    longest = max(sizes)
    packed = [first_fit_decreasing(sizes, int(budget * longest)) for budget in row_budgets]
    candidates = [padded, *((prompts, responses, rows) for rows in packed)]
    return lay_out(*min(candidates, key=partial(_cost, config)), pad_id=pad_id)


def _cost(
    config: Any,
    candidate: tuple[Sequence[Tokens], Sequence[Sequence[Tokens]], Sequence[Sequence[int]]],
) -> float:
    """Multiplications of one layer's forward; causal attention without a mask skips half of its."""
    prompts, responses, rows = candidate
    sizes = [group_tokens(*group) for group in zip(prompts, responses, strict=True)]
    width = max(sum(sizes[group] for group in row) for row in rows)
    masked = len(rows) < sum(map(len, responses))
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    queries = config.num_attention_heads * head_dim
    keys = config.num_key_value_heads * head_dim
    linear = config.hidden_size * (2 * queries + 2 * keys + 3 * config.intermediate_size)
    attention = 2 * queries * width * (1.0 if masked else 0.5)
    return len(rows) * width * (linear + attention)
