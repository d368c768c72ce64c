"""PairRM: an encoder that reads a prompt with two responses, and says which one is better.

Jiang et al., "LLM-Blender" (ACL 2023); https://huggingface.co/llm-blender/PairRM-hf. It reads raw texts,
whatever the run's prompt_format is.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from prefgrid.files import store
from prefgrid.job import devices
from prefgrid.judges.base import if_not_finite
from prefgrid.judges.batches import padded
from prefgrid.judges.marked_pairs import Cut, PairWriter, Row, check_tokenizer
from prefgrid.models import checking, pair_ranker
from prefgrid.models.loading import load_config, load_model, load_tokenizer

ASKS_A_MODEL = True
COMPARES = True
OPTIONS = {
    # budgets of the published model; what the source leaves goes to both candidates in equal parts
    "source_tokens": (1224, "integer in [1, 1e7]"),
    "candidate_tokens": (412, "integer in [1, 1e7]"),
    # ordered pairs compared at once; more than a few help on GPUs alone
    "batch_size": (8, "integer in [1, 1e6]"),
    # of the weights; none is float32. The head is float32 always
    "precision": ("none", ["none", "bf16", "fp16"]),
}


class PairRankerJudge:
    """l_ij = head(candidate 1) − head(candidate 2) with y_i shown first: a log-odds, as it was trained.

    Both orders are computed, K(K − 1) rows a prompt, the longest rows of all prompts together first, so
    rows of a batch are of about one length. A pair's logit is that of its row alone, whatever is
    batched with it, up to float32 rounding.
    """

    antisymmetric = False

    def __init__(
        self,
        folder: Path | str,
        *,
        source_tokens: int,
        candidate_tokens: int,
        batch_size: int,
        precision: str,
        device: torch.device,
    ) -> None:
        """ValueError for a folder of another kind of model, a tokenizer of another model, or rows that are
        too long for it; before the weights are read."""
        config = load_config(folder)
        pair_ranker.check_entries(folder, config)
        checking.check_tokenizer_file(folder)
        tokenizer = load_tokenizer(folder)
        check_tokenizer(folder, tokenizer, config)
        self.writer = PairWriter(tokenizer, source_tokens, candidate_tokens)
        limit = pair_ranker.row_limit(config)
        if limit is not None and self.writer.row_tokens > limit:
            raise ValueError(
                f"{folder}: it adds absolute positions (position_biased_input) and has {limit}, but "
                f"source_tokens + 2 candidate_tokens = {self.writer.row_tokens}; allowed: at most that many"
            )
        self.model = load_model(pair_ranker.PairRanker, folder, precision).to(device).eval()
        self.folder = folder
        self.precision = precision
        self.batch_size = batch_size
        self.pad_id = tokenizer.pad_token_id or 0

    def logits(
        self, prompts: Sequence[str], responses: Sequence[Sequence[str]]
    ) -> list[np.ndarray]:
        """One float32 [K, K] a prompt; ValueError naming the pair whose logit is not finite."""
        cut = Cut()
        found = [np.zeros((len(group), len(group)), dtype=np.float32) for group in responses]
        rows = [
            (number, pair, row)
            for number, (prompt, group) in enumerate(zip(prompts, responses, strict=True))
            for pair, row in self.writer.rows(prompt, group, cut).items()
        ]
        # By what is in them, so that neither batches nor rounding depend on the given order.
        rows.sort(key=lambda row: (-len(row[2].tokens), row[2].tokens))
        for start in range(0, len(rows), self.batch_size):
            batch = rows[start : start + self.batch_size]
            with devices.explained_out_of_memory(
                "lower the judge's batch_size or its token budgets"
            ):
                values = self.row_logits([row for _, _, row in batch])
            for (number, (i, j), _), value in zip(batch, values, strict=True):
                if not np.isfinite(value):
                    self._refuse(prompts[number], responses[number][i], responses[number][j], value)
                found[number][i, j] = value
        store.log(
            f"compared {len(rows)} ordered pairs; {cut.sources} prompts lost their start to fit, "
            f"{cut.candidates} responses their end"
        )
        return found

    @torch.inference_mode()
    def row_logits(self, rows: Sequence[Row]) -> np.ndarray:
        """float32 [rows] of one forward, padded on the right."""
        markers = [row.markers for row in rows]
        parts = (*padded([row.tokens for row in rows], self.pad_id), markers)
        inputs = (torch.tensor(one, device=self.model.device) for one in parts)
        return self.model(*inputs).cpu().numpy()

    def _refuse(self, prompt: str, first: str, second: str, value: float) -> None:
        raise ValueError(
            f"the pair ranker's logit of {first!r}, shown first, against {second!r} as answers to "
            f"{prompt!r} is {value}. " + if_not_finite(self.precision, self.folder)
        )


def load(
    folder: Path | str, options: Mapping[str, Any], *, prompt_format: str, device: torch.device
) -> PairRankerJudge:
    """The judge with the model in `folder`, as every judge's module offers it."""
    return PairRankerJudge(folder, **options, device=device)
