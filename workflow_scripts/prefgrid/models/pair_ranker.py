"""PairRM's network: DeBERTa-v2 and a head on the states of three marker tokens.

The published checkpoints' layout (`pretrained_model.*`, `head_layer.{1,4}`) and config entries
(`n_tasks`, `drop_out`, the markers' ids), by a class of our own: `llm_blender` itself does not import
under transformers 5. Jiang et al., "LLM-Blender", ACL 2023.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers.models.deberta_v2.modeling_deberta_v2 import (
    DebertaV2Model,
    DebertaV2PreTrainedModel,
)

# Keys of config.json → the tokens whose ids they hold.
MARKERS = {
    "source_prefix_id": "<|source|>",
    "cand1_prefix_id": "<|candidate1|>",
    "cand2_prefix_id": "<|candidate2|>",
}
ENTRIES = ("n_tasks", "drop_out", *MARKERS)


class PairRanker(DebertaV2PreTrainedModel):
    """The log-odds that the first of two candidates beats the second.

    The head reads [state of the source's marker, state of a candidate's marker]. It is float32 whatever the
    rest is: of two nearly equal scores only the difference counts.
    """

    base_model_prefix = "pretrained_model"
    _keep_in_fp32_modules_strict = ["head_layer"]

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.pretrained_model = DebertaV2Model(config)
        self.head_layer = nn.Sequential(
            nn.Dropout(config.drop_out),
            nn.Linear(2 * config.hidden_size, config.hidden_size),
            nn.Tanh(),
            nn.Dropout(config.drop_out),
            nn.Linear(config.hidden_size, config.n_tasks),
        )
        self.post_init()

    def forward(self, input_ids: Tensor, attention_mask: Tensor, markers: Tensor) -> Tensor:
        """float32 [rows]: head(candidate 1) − head(candidate 2), the mean over tasks.

        input_ids, attention_mask [rows, width]. markers [rows, 3]: where source, candidate 1 and
        candidate 2 have their marker.
        """
        states = self.pretrained_model(input_ids, attention_mask=attention_mask).last_hidden_state
        rows = torch.arange(len(states), device=states.device)[:, None]
        source, first, second = states[rows, markers].float().unbind(1)
        with torch.autocast(states.device.type, enabled=False):
            scores = [self.head_layer(torch.cat((source, one), -1)) for one in (first, second)]
        return (scores[0] - scores[1]).mean(-1)


def check_entries(folder: Any, config: Any) -> None:
    """ValueError unless `config` is one of a pair ranker that reads rows of any length."""
    if config.model_type != "deberta-v2":
        raise ValueError(
            f"{folder}: a pair ranker is a deberta-v2, this is a {config.model_type} (model_type in "
            "config.json)"
        )
    missing = [name for name in ENTRIES if not hasattr(config, name)]
    if missing:
        raise ValueError(
            f"{folder}: config.json lacks {', '.join(missing)}, so it is no pair ranker in the layout of "
            "llm-blender/PairRM-hf"
        )


def row_limit(config: Any) -> int | None:
    """Most tokens of a row, where absolute positions are added to the embeddings; None: any number, as
    relative ones are clipped and max_position_embeddings bounds nothing."""
    return config.max_position_embeddings if config.position_biased_input else None
