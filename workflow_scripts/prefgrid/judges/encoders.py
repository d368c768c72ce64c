"""Scores of an encoder, or of any classifier without a decoder's `score`: pairs of texts."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from prefgrid import pairs
from prefgrid.pairs import Pair

# Stock forwards in which a pair's score does not depend on the padding behind it, one by one in the
# oracle tests. Others (those that convolve, pool or transform over positions, and encoder-decoders)
# read each pair alone.
PADDABLE_MODELS = frozenset(
    {
        *("albert", "bert", "camembert", "deberta", "deberta-v2", "distilbert", "electra"),
        *("eurobert", "gte", "megatron-bert", "modernbert", "mpnet", "nomic_bert", "roberta"),
        "xlm-roberta",
    }
)


class PairReader:
    """Reads a prompt and its response as the classifier's tokenizer joins two texts.

    The logits are the classifier's own. Rows are padded on the right, with a mask, where that
    changes nothing.
    """

    def __init__(self, model: Any, tokenizer: Any, prompt_format: str, max_tokens: int) -> None:
        """ValueError if the tokenizer does not tell the two texts apart."""
        pairs.check_pairs(tokenizer, prompt_format)
        self.model = model
        self.tokenizer = tokenizer
        self.max_tokens = max_tokens
        self.paddable = model.config.model_type in PADDABLE_MODELS
        # What pads each of a pair's inputs; the mask, which hides it, has zeros.
        self.padding = {
            "input_ids": tokenizer.pad_token_id or 0,
            "token_type_ids": tokenizer.pad_token_type_id,
        }

    def render(self, prompts: Sequence[str], responses: Sequence[str]) -> tuple[list[Pair], int]:
        """What is read of each pair, and how many prompts were cut to fit."""
        return pairs.render_pairs(self.tokenizer, prompts, responses, max_tokens=self.max_tokens)

    def groups(self, read: Sequence[Pair], *, most: int) -> tuple[list[list[int]], int]:
        """Each pair's number alone, the longest first, and how many one forward may hold."""
        order = sorted(range(len(read)), key=lambda number: -len(read[number]["input_ids"]))
        return [[number] for number in order], most if self.paddable else 1

    def alone(self, prompts: Sequence[str], responses: Sequence[str]) -> list[Pair]:
        """What the classifier itself is given of each pair."""
        return self.render(prompts, responses)[0]

    def logits(self, groups: Sequence[Sequence[Pair]]) -> Tensor:
        """float32 [pairs, 1], group after group."""
        rows = [pair for group in groups for pair in group]
        longest = max(len(row["input_ids"]) for row in rows)
        inputs = {
            name: torch.tensor(
                [
                    row[name] + [self.padding.get(name, 0)] * (longest - len(row[name]))
                    for row in rows
                ],
                device=self.model.device,
            )
            for name in rows[0]
        }
        return self.model(**inputs).logits.float()
