"""Kind of bug: a reward model shown something else than it was trained on.

Encoders read two texts as their tokenizer joins them, special tokens and token types included. Each
family against its own forward of `tokenizer(prompt, response)` alone, with `truncation="only_first"`
from the left where a pair is too long.
"""

import numpy as np
import pytest
import torch
from tiny_encoders import pair_tokenizer
from tiny_policy import scale_up
from transformers import CONFIG_MAPPING, AutoModelForSequenceClassification

from prefgrid.judges.encoders import PADDABLE_MODELS
from prefgrid.judges.scalar import ScalarRewardModel

SIZES = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 128,
}
RELATIVE = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "pooler_hidden_size": 32}
# Family → other fields of its config. The last ones mix positions, padding among them, or decode.
FAMILIES = {
    "albert": {"embedding_size": 32},
    "bert": {},
    "camembert": {},
    "deberta": RELATIVE,
    "deberta-v2": RELATIVE,
    "distilbert": {"dim": 32, "hidden_dim": 48, "n_layers": 2, "n_heads": 4},
    "electra": {"embedding_size": 32},
    "eurobert": {"num_key_value_heads": 2, "head_dim": 8},
    "gte": {"type_vocab_size": 2},
    "megatron-bert": {},
    "modernbert": {"local_attention": 8},
    "mpnet": {},
    "nomic_bert": {},
    "roberta": {},
    "xlm-roberta": {},
    "fnet": {},
    "yoso": {"type_vocab_size": 2},
    "convbert": {},
    "bart": {"d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "eos_token_id": 259},
}
NO_TYPES = {"camembert", "distilbert", "eurobert", "modernbert", "mpnet", "roberta", "xlm-roberta"}
NO_TYPES |= {"bart"}
PAIRS = [("ask " * (k % 4), "word " * (k % 5) + "end" * (1 + k % 3)) for k in range(12)]


@pytest.fixture(params=FAMILIES)
def family(request, tmp_path):
    """(name, folder, model, tokenizer)"""
    name = request.param
    sizes = {} if name in ("distilbert", "bart") else SIZES
    torch.manual_seed(0)
    config = CONFIG_MAPPING[name](
        **sizes, **FAMILIES[name], vocab_size=260, num_labels=1, pad_token_id=1
    )
    model = scale_up(AutoModelForSequenceClassification.from_config(config), 6.0).eval()
    tokenizer = pair_tokenizer(types=name not in NO_TYPES, twice=name in ("roberta", "bart"))
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    return name, tmp_path, model, tokenizer


def judge(folder, **changes):
    settings = {"prompt_format": "chat", "max_tokens": 100, "batch_size": 12, **changes}
    return ScalarRewardModel(folder, precision="none", device=torch.device("cpu"), **settings)


@pytest.mark.parametrize("max_tokens", [100, 30])
def test_an_encoder_s_reward_is_its_own_of_the_pair_its_tokenizer_makes(family, max_tokens):
    name, folder, model, tokenizer = family
    tokenizer.truncation_side = "left"
    plain = []
    for prompt, response in PAIRS:
        pair = tokenizer(
            prompt,
            response,
            return_tensors="pt",
            truncation="only_first" if prompt else False,
            max_length=max_tokens,
        )
        with torch.no_grad():
            plain.append(model(**pair).logits.item())
    assert np.ptp(plain) > 0.03
    for prompt_format in ("chat", "raw"):
        asked = judge(folder, max_tokens=max_tokens, prompt_format=prompt_format)
        assert asked.reader.paddable == (name in PADDABLE_MODELS)
        rewards = asked.score(*zip(*PAIRS, strict=True))
        np.testing.assert_allclose(rewards, plain, atol=1e-5 * max(1, np.abs(plain).max()), rtol=0)


def test_every_model_that_takes_padding_is_tried():
    assert FAMILIES.keys() >= PADDABLE_MODELS
