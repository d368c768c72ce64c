"""A tiny DeBERTa-v2 in PairRM's layout with a byte-level tokenizer, for the tests beside it."""

import torch
from tiny_encoders import pair_tokenizer
from tiny_policy import scale_up
from transformers import AddedToken, DebertaV2Config, PreTrainedTokenizerFast

from prefgrid.models.loading import save_model
from prefgrid.models.pair_ranker import MARKERS, PairRanker


def marked_tokenizer() -> PreTrainedTokenizerFast:
    """[CLS] text [SEP], and the three markers."""
    tokenizer = pair_tokenizer(types=False)
    tokenizer.add_tokens([AddedToken(marker, normalized=False) for marker in MARKERS.values()])
    return tokenizer


def config(tokenizer: PreTrainedTokenizerFast, **changes) -> DebertaV2Config:
    """DeBERTa-v3's sort of attention, and PairRM's entries."""
    ids = {key: tokenizer.convert_tokens_to_ids(marker) for key, marker in MARKERS.items()}
    settings = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 24,
        "relative_attention": True,
        "position_buckets": 8,
        "pos_att_type": ["p2c", "c2p"],
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "position_biased_input": False,
        "pad_token_id": tokenizer.pad_token_id,
        "n_tasks": 1,
        "drop_out": 0.05,
        **ids,
    }
    return DebertaV2Config(**settings | changes)


def pair_ranker(seed: int = 0, **changes) -> PairRanker:
    torch.manual_seed(seed)
    return scale_up(PairRanker(config(marked_tokenizer(), **changes)).eval(), 6.0)


def save_pair_ranker(folder, **changes):
    save_model(folder, pair_ranker(**changes), marked_tokenizer())
    return folder
