"""A scalar reward model: a sequence classifier with one output, read as the reward."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification

from prefgrid import chat
from prefgrid.files import store
from prefgrid.job import devices
from prefgrid.judges.batches import batches, sharing_groups
from prefgrid.judges.dialogues import Dialogue, render
from prefgrid.logprobs.head import Float32Linear
from prefgrid.logprobs.planning import plan, takes_packed_rows
from prefgrid.logprobs.states import last_hidden_states
from prefgrid.models.loading import load_config, load_model, load_tokenizer, pad_id

ASKS_A_MODEL = True
OPTIONS = {
    # dialogue limit of the reward model, in tokens; what is cut is the prompt's start
    "max_tokens": (1024, "integer > 0"),
    # dialogues scored at once
    "batch_size": (64, "integer > 0"),
    # of the weights; none is float32
    "precision": ("none", ["none", "bf16", "fp16"]),
}


class ScalarRewardModel:
    """Rewards of dialogues rendered as the reward model was trained on them.

    A dialogue longer than `max_tokens` loses the oldest tokens of its prompt, which is logged; a
    response is never cut. An empty response in the raw format, which would show the model nothing,
    is read as the tokenizer's end token. Dialogues are batched by length and their rewards returned
    as float32 in the order asked. A decoder that can (`logprobs.planning`) reads a prompt once for
    several of its responses; any other model gets a row a dialogue, padded on the right.

    The model runs in `precision`. A classifier with a linear `score` on top of a decoder (all of
    transformers' decoders) has that layer applied in float32 to the last real token's hidden state,
    wherever padding lies; any other classifier gives its own logits and must have a padding token
    of its own, by which it tells where a row ends.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        prompt_format: str,
        max_tokens: int,
        batch_size: int,
        precision: str,
        device: torch.device,
    ) -> None:
        # All that can be wrong is found before the weights are read.
        labels = load_config(folder).num_labels
        if labels != 1:
            raise ValueError(
                f"{folder}: a scalar reward model has exactly one label, this one has {labels} "
                "(num_labels in config.json); choose another model"
            )
        self.tokenizer = load_tokenizer(folder)
        chat.check_format(self.tokenizer, prompt_format)
        self.model = load_model(AutoModelForSequenceClassification, folder, precision)
        self.model = self.model.to(device).eval()
        self.pad_id = pad_id(self.tokenizer)
        score = getattr(self.model, "score", None)
        self.head = Float32Linear(score) if type(score) is nn.Linear else None
        if self.head is None:
            self._let_the_model_see_padding(folder)
        self.text_config = self.model.config.get_text_config()
        self.shares_prompts = self.head is not None and takes_packed_rows(self.text_config)
        self.folder = folder
        self.precision = precision
        self.prompt_format = prompt_format
        self.max_tokens = max_tokens
        self.batch_size = batch_size

    @torch.inference_mode()
    def score(self, prompts: Sequence[str], responses: Sequence[str]) -> np.ndarray:
        """Rewards float32 [N]; ValueError for a response beyond max_tokens or a non-finite score.

        A score that is not finite ends it at once, with the dialogue in the message.
        """
        dialogues, cut_prompts = render(
            self.tokenizer,
            prompts,
            responses,
            prompt_format=self.prompt_format,
            max_tokens=self.max_tokens,
        )
        rewards = np.empty(len(dialogues), dtype=np.float32)
        hidden_size = self.text_config.hidden_size if self.shares_prompts else None
        groups = sharing_groups(dialogues, hidden_size=hidden_size, most=self.batch_size)
        for sharing in batches(groups, self.batch_size):
            batch = [number for group in sharing for number in group]
            with devices.explained_out_of_memory("lower the judge's batch_size or max_tokens"):
                rewards[batch] = self._score_batch(
                    [[dialogues[number] for number in group] for group in sharing]
                )
            for number in batch:
                if not np.isfinite(rewards[number]):
                    # It spoils whatever shares its row; alone it shows whose it is.
                    rewards[number] = self._score_batch([[dialogues[number]]])[0]
                if not np.isfinite(rewards[number]):
                    raise ValueError(
                        f"row {number}: the reward model's score of {responses[number]!r} as an "
                        f"answer to {prompts[number]!r} is {rewards[number]}. Half precision can "
                        f"overflow (the judge's precision is {self.precision}; none is float32); else "
                        f"the weights in {self.folder} are not sound"
                    )
        store.log(f"scored {len(dialogues)} responses; {cut_prompts} prompts were cut to fit")
        return rewards

    def _score_batch(self, groups: Sequence[Sequence[Dialogue]]) -> np.ndarray:
        if self.shares_prompts:
            logits = self._shared_logits(groups)
        else:
            logits = self._padded_logits([head + tail for group in groups for head, tail in group])
        return logits[:, 0].cpu().numpy()

    def _shared_logits(self, groups: Sequence[Sequence[Dialogue]]) -> Tensor:
        prompts = [group[0][0] for group in groups]
        responses = [[response for _, response in group] for group in groups]
        layout = plan(self.text_config, prompts, responses, pad_id=self.pad_id)
        hidden = last_hidden_states(self.model, layout).flatten(0, 1)
        return self.head(hidden[torch.from_numpy(layout.ends).to(hidden.device)])

    def _padded_logits(self, rows: Sequence[list[int]]) -> Tensor:
        longest = max(map(len, rows))
        device = self.model.device
        input_ids = [row + [self.pad_id] * (longest - len(row)) for row in rows]
        mask = [[1] * len(row) + [0] * (longest - len(row)) for row in rows]
        inputs = {
            "input_ids": torch.tensor(input_ids, device=device),
            "attention_mask": torch.tensor(mask, device=device),
        }
        if self.head is None:
            return self.model(**inputs).logits.float()
        hidden = self.model.base_model(**inputs, use_cache=False).last_hidden_state
        last = torch.tensor([len(row) - 1 for row in rows], device=device)
        return self.head(hidden[torch.arange(len(rows), device=device), last])

    def _let_the_model_see_padding(self, folder: Path | str) -> None:
        """Refuse a tokenizer whose padding is also its end token; tell the model the id."""
        if self.tokenizer.pad_token_id in (None, self.tokenizer.eos_token_id):
            raise ValueError(
                f"{folder}: a {type(self.model).__name__} needs a tokenizer with a padding token "
                "of its own"
            )
        self.model.config.get_text_config().pad_token_id = self.pad_id


def load(
    folder: Path | str, options: Mapping[str, Any], *, prompt_format: str, device: torch.device
) -> ScalarRewardModel:
    """The judge with the model in `folder`, as every judge's module offers it."""
    return ScalarRewardModel(folder, **options, prompt_format=prompt_format, device=device)
