"""A scalar reward model: a sequence classifier with one output, read as the reward."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import AutoModelForSequenceClassification

from prefgrid import chat, devices, store
from prefgrid.logprobs.head import Float32Linear
from prefgrid.models.loading import load_config, load_model, load_tokenizer, pad_id


class ScalarRewardModel:
    """Rewards of dialogues rendered as the reward model was trained on them.

    A dialogue longer than `max_tokens` loses the oldest tokens of its prompt, which is logged; a
    response is never cut. An empty response in the raw format, which would show the model nothing,
    is read as the tokenizer's end token. Rows are batched by length, padded on the right and
    returned as float32 in the order asked.

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
                "(num_labels in config.json); choose another for hub.models.reward"
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
        cut_prompts = 0
        rows = []
        for number, (prompt, response) in enumerate(zip(prompts, responses, strict=True)):
            head, tail = chat.render_dialogue(self.tokenizer, prompt, response, self.prompt_format)
            tail = tail or [chat.eos_id(self.tokenizer)]
            room = self.max_tokens - len(tail)
            if room < 0:
                raise ValueError(
                    f"row {number}: the response takes {len(tail)} tokens of the reward model's "
                    f"max_tokens = {self.max_tokens}; it is never cut"
                )
            cut_prompts += len(head) > room
            rows.append(head[len(head) - min(len(head), room) :] + tail)

        rewards = np.empty(len(rows), dtype=np.float32)
        order = sorted(range(len(rows)), key=lambda number: -len(rows[number]))
        for start in range(0, len(order), self.batch_size):
            batch = order[start : start + self.batch_size]
            with devices.explained_out_of_memory("lower reward.batch_size or reward.max_tokens"):
                rewards[batch] = self._score_batch([rows[number] for number in batch])
            for number in batch:
                if not np.isfinite(rewards[number]):
                    raise ValueError(
                        f"row {number}: the reward model's score of {responses[number]!r} as an "
                        f"answer to {prompts[number]!r} is {rewards[number]}. Half precision can "
                        f"overflow (reward.precision is {self.precision}; none is float32); else "
                        f"the weights in {self.folder} are not sound"
                    )
        store.log(f"scored {len(rows)} responses; {cut_prompts} prompts were cut to fit")
        return rewards

    def _score_batch(self, rows: list[list[int]]) -> np.ndarray:
        longest = max(map(len, rows))
        device = self.model.device
        input_ids = [row + [self.pad_id] * (longest - len(row)) for row in rows]
        mask = [[1] * len(row) + [0] * (longest - len(row)) for row in rows]
        inputs = {
            "input_ids": torch.tensor(input_ids, device=device),
            "attention_mask": torch.tensor(mask, device=device),
        }
        if self.head is None:
            logits = self.model(**inputs).logits.float()
        else:
            hidden = self.model.base_model(**inputs, use_cache=False).last_hidden_state
            last = torch.tensor([len(row) - 1 for row in rows], device=device)
            logits = self.head(hidden[torch.arange(len(rows), device=device), last])
        return logits[:, 0].cpu().numpy()

    def _let_the_model_see_padding(self, folder: Path | str) -> None:
        """Refuse a tokenizer whose padding is also its end token; tell the model the id."""
        if self.tokenizer.pad_token_id in (None, self.tokenizer.eos_token_id):
            raise ValueError(
                f"{folder}: a {type(self.model).__name__} needs a tokenizer with a padding token "
                "of its own"
            )
        self.model.config.get_text_config().pad_token_id = self.pad_id
