"""Scores of a decoder with a linear layer on top: dialogues, of which it reads one token."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from prefgrid import chat
from prefgrid.judges.batches import padded, sharing_groups
from prefgrid.judges.dialogues import Dialogue, read_place, render, up_to_read
from prefgrid.logprobs.ends import end_states
from prefgrid.logprobs.head import Float32Linear
from prefgrid.logprobs.planning import takes_packed_rows
from prefgrid.models.classifiers import score_layer
from prefgrid.models.loading import pad_id
from prefgrid.models.positions import check_rotations


class DialogueReader:
    """Reads each dialogue where the classifier itself would, if the dialogue stood alone.

    The layer is applied in float32 to the state of that token (`dialogues.read_place`), so neither
    padding nor neighbours count. An empty response in the raw format, which would show the model
    nothing, is read as the end token. A decoder that can (`logprobs.planning`) reads a prompt once
    for several of its responses; any other gets a row a dialogue, padded on the right.
    """

    def __init__(self, model: Any, tokenizer: Any, prompt_format: str, max_tokens: int) -> None:
        """ValueError if the tokenizer cannot render the format."""
        chat.check_format(tokenizer, prompt_format)
        self.model = model
        self.tokenizer = tokenizer
        self.prompt_format = prompt_format
        self.max_tokens = max_tokens
        self.head = Float32Linear(score_layer(model))
        self.text_config = model.config.get_text_config()
        self.shares_prompts = takes_packed_rows(self.text_config)
        self.pad_id = pad_id(tokenizer)

    def render(
        self, prompts: Sequence[str], responses: Sequence[str]
    ) -> tuple[list[Dialogue], int]:
        """What is read of each pair, and how many prompts were cut to fit."""
        dialogues, cut_prompts = self._dialogues(prompts, responses)
        if self.shares_prompts:
            # A layout ends each response where it is read. Such a decoder is causal.
            padding = self.text_config.pad_token_id
            dialogues = [up_to_read(dialogue, padding) for dialogue in dialogues]
        return dialogues, cut_prompts

    def groups(self, read: Sequence[Dialogue], *, most: int) -> tuple[list[list[int]], int]:
        """Numbers of the dialogues that share their prompt, and how many one forward may hold."""
        hidden_size = self.text_config.hidden_size if self.shares_prompts else None
        return sharing_groups(read, hidden_size=hidden_size, most=most), most

    def alone(self, prompts: Sequence[str], responses: Sequence[str]) -> list[dict[str, list[int]]]:
        """What the classifier itself is given of each pair: the dialogue to its end."""
        dialogues, _ = self._dialogues(prompts, responses)
        return [{"input_ids": head + tail} for head, tail in dialogues]

    def logits(self, groups: Sequence[Sequence[Dialogue]]) -> Tensor:
        """float32 [dialogues, 1], group after group."""
        if self.shares_prompts:
            return self.head(end_states(self.model, groups, self.pad_id))
        return self._padded_logits([head + tail for group in groups for head, tail in group])

    def _dialogues(
        self, prompts: Sequence[str], responses: Sequence[str]
    ) -> tuple[list[Dialogue], int]:
        return render(
            self.tokenizer,
            prompts,
            responses,
            prompt_format=self.prompt_format,
            max_tokens=self.max_tokens,
        )

    def _padded_logits(self, rows: Sequence[list[int]]) -> Tensor:
        input_ids, mask = padded(rows, self.pad_id)
        check_rotations(self.text_config, len(mask[0]))
        device = self.model.device
        hidden = self.model.base_model(
            input_ids=torch.tensor(input_ids, device=device),
            attention_mask=torch.tensor(mask, device=device),
            use_cache=False,
        ).last_hidden_state
        places = [read_place(row, self.text_config.pad_token_id) for row in rows]
        return self.head(
            hidden[torch.arange(len(rows), device=device), torch.tensor(places, device=device)]
        )
