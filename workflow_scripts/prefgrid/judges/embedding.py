"""A general preference model (models.preference): each response is read once, and all are compared at once."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prefgrid import chat
from prefgrid.files import store
from prefgrid.job import devices
from prefgrid.judges.agreement import CHECKED_PROMPTS, CHECKED_TOKENS, check_values
from prefgrid.judges.base import if_not_finite
from prefgrid.judges.batches import batches, sharing_groups
from prefgrid.judges.dialogues import Dialogue, DialogueGroup, render_groups
from prefgrid.judges.preference_states import read
from prefgrid.limits.preference_models import room_problem
from prefgrid.logprobs.planning import takes_packed_rows
from prefgrid.models import attention
from prefgrid.models.loading import load_tokenizer, pad_id
from prefgrid.models.preference import skew_matrix
from prefgrid.models.preference_folder import load_preference_model
from prefgrid.models.row_lengths import check_dialogues

ASKS_A_MODEL = True
COMPARES = True
OPTIONS = {
    # of a dialogue; nothing of a response is ever cut
    "max_tokens": (1024, "integer in [1, 1e7]"),
    # of its prompt, which loses its start
    "max_prompt_tokens": (512, "integer in [1, 1e7]"),
    # dialogues read at once
    "batch_size": (64, "integer in [1, 1e6]"),
    # of the decoder's weights; none is float32
    "precision": ("none", ["none", "bf16", "fp16"]),
    # of the embeddings; null: as many as the value head gives
    "dimension": (None, "integer in [1, 1e4] or null"),
    # null: the folder's; published folders do not say
    "gate": (None, ["none", "softmax", "scaled_softmax", "softplus", None]),
    "normalize": (None, [True, False, None]),
    "temperature": (None, "[1e-3, 1e3] or null"),
}
# What our reading and a plain forward are compared on when the model is loaded.
CHECKED_RESPONSES = (("4.", "It may be 4."), ("It is.",))


class EmbeddingJudge:
    """Logits s_ij/τ of responses to a prompt, as the model was trained (`dialogues.render_groups`).

    A prompt beyond `max_prompt_tokens` loses its oldest tokens, which is logged; a response is never cut, and
    an empty one is its end token. Values are those of a plain forward of each dialogue alone, whatever is
    asked or batched with it. l_ij = −l_ji exactly.
    """

    antisymmetric = True

    def __init__(
        self,
        folder: Path | str,
        *,
        prompt_format: str,
        max_tokens: int,
        max_prompt_tokens: int,
        batch_size: int,
        precision: str,
        device: torch.device,
        **overrides: Any,
    ) -> None:
        """ValueError if limits, folder or tokenizer do not fit; `overrides` as `load_preference_model`."""
        problem = room_problem(max_prompt_tokens, max_tokens)
        if problem is not None:
            raise ValueError(problem)
        self.tokenizer = load_tokenizer(folder)
        chat.check_format(self.tokenizer, prompt_format)
        self.model = load_preference_model(folder, precision, overrides).to(device)
        check_dialogues(self.model.backbone, max_tokens)
        self.folder = folder
        self.precision = precision
        self.prompt_format = prompt_format
        self.max_tokens = max_tokens
        self.max_prompt_tokens = max_prompt_tokens
        self.batch_size = batch_size
        self.pad_id = pad_id(self.tokenizer)
        text_config = self.model.config.get_text_config()
        self.hidden_size = text_config.hidden_size if takes_packed_rows(text_config) else None
        self._check_own_forward()

    @torch.inference_mode()
    def logits(
        self, prompts: Sequence[str], responses: Sequence[Sequence[str]]
    ) -> list[np.ndarray]:
        """One float32 [K, K] a prompt: l_ij > 0 where response i beats j; the diagonal is 0.

        ValueError for a response that is with its prompt beyond max_tokens, and for a logit that is not
        finite, naming the two.
        """
        embeddings, scales = self._read(prompts, responses)
        counts = [len(group) for group in responses]
        found, start = [], 0
        for row, count in enumerate(counts):
            own = slice(start, start + count)
            scale = None if scales is None or not count else scales[start]
            logits = skew_matrix(embeddings[own], scale) / self.model.temperature
            self._require_finite(row, logits, responses[row])
            found.append(logits.cpu().numpy())
            start += count
        return found

    @torch.inference_mode()
    def own_logits(
        self, prompts: Sequence[str], responses: Sequence[Sequence[str]]
    ) -> list[np.ndarray]:
        """`logits` by plain forwards of each dialogue alone, with nothing shared."""
        groups = self._rendered(prompts, responses)
        count, found = self.model.shape.dimension, []
        for head, tails in groups:
            values = torch.tensor([self._alone((head, tail)) for tail in tails])
            scales = None if self.model.prompt_head is None else values[0, count:]
            logits = skew_matrix(values[:, :count], scales) / float(self.model.temperature)
            found.append(logits.numpy())
        return found

    @torch.inference_mode()
    def embeddings(
        self, prompts: Sequence[str], responses: Sequence[Sequence[str]]
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """(v float32 [K, d], λ float32 [d/2]) of each prompt's K responses; without a gate λ is 1."""
        vectors, gates = self._read(prompts, responses)
        if gates is None:
            gates = torch.ones(len(vectors), self.model.shape.pairs)
        ends = np.cumsum([len(group) for group in responses])[:-1]
        found = np.split(vectors.cpu().numpy(), ends)
        return found, [own[0] for own in np.split(gates.cpu().numpy(), ends)]

    def _read(
        self, prompts: Sequence[str], responses: Sequence[Sequence[str]]
    ) -> tuple[Tensor, Tensor | None]:
        """(embeddings [R, d], λ [R, k] of each one's prompt), response after response."""
        groups = self._rendered(prompts, responses)
        return self._embedded([(head, tail) for head, tails in groups for tail in tails])

    def _rendered(
        self, prompts: Sequence[str], responses: Sequence[Sequence[str]]
    ) -> list[DialogueGroup]:
        """What is read of each prompt and its responses; ValueError for one that is too long."""
        groups, cut_prompts = render_groups(
            self.tokenizer,
            prompts,
            responses,
            prompt_format=self.prompt_format,
            max_prompt_tokens=self.max_prompt_tokens,
            max_tokens=self.max_tokens,
        )
        if None in groups:
            row = groups.index(None)
            longest = max(responses[row], key=len)
            raise ValueError(
                f"row {row}: a response (the longest is {longest[:80]!r}…) is with its prompt beyond the "
                f"judge's max_tokens = {self.max_tokens}; it is never cut, and the prompt no further than "
                f"to max_prompt_tokens = {self.max_prompt_tokens}"
            )
        count = sum(map(len, responses))
        store.log(f"read {count} responses; {cut_prompts} prompts were cut to fit")
        return [group for group in groups if group is not None]

    def _embedded(self, dialogues: Sequence[Dialogue]) -> tuple[Tensor, Tensor | None]:
        shape, device = self.model.shape, self.model.device
        embeddings = torch.empty(len(dialogues), shape.dimension, device=device)
        scales = torch.empty(len(dialogues), shape.pairs, device=device)
        groups = sharing_groups(dialogues, hidden_size=self.hidden_size, most=self.batch_size)
        for sharing in batches(groups, self.batch_size):
            told = [
                (dialogues[group[0]][0], [dialogues[number][1] for number in group])
                for group in sharing
            ]
            with devices.explained_out_of_memory("lower the judge's batch_size or max_tokens"):
                reading = read(self.model, told, pad_id=self.pad_id)
            numbers = [number for group in sharing for number in group]
            embeddings[numbers] = reading.embeddings
            if reading.scales is not None:
                sizes = torch.tensor([len(group) for group in sharing], device=device)
                scales[numbers] = reading.scales.repeat_interleave(sizes, 0)
        return embeddings, None if self.model.prompt_head is None else scales

    def _require_finite(self, row: int, logits: Tensor, responses: Sequence[str]) -> None:
        wrong = (~logits.isfinite()).nonzero()
        if len(wrong):
            first, second = wrong[0].tolist()
            raise ValueError(
                f"row {row}: the logit of response {first} ({responses[first]!r}) against response "
                f"{second} ({responses[second]!r}) is {logits[first, second].item()}. "
                + if_not_finite(self.precision, self.folder)
            )

    @torch.inference_mode()
    def _check_own_forward(self) -> None:
        """Short dialogues, read together and by the model's own forward of each alone."""
        groups, _ = render_groups(
            self.tokenizer,
            CHECKED_PROMPTS,
            CHECKED_RESPONSES,
            prompt_format=self.prompt_format,
            max_prompt_tokens=CHECKED_TOKENS // 2,
            max_tokens=CHECKED_TOKENS,
        )
        dialogues = [(head, tail) for head, tails in groups for tail in tails]
        embeddings, scales = self._embedded(dialogues)
        ours = embeddings if scales is None else torch.cat([embeddings, scales], 1)
        check_values(
            self.model,
            ours.flatten().tolist(),
            [value for dialogue in dialogues for value in self._alone(dialogue)],
        )

    def _alone(self, dialogue: Dialogue) -> list[float]:
        """Embedding and λ of a dialogue, from the states of a forward of its own."""
        head, tail = dialogue
        input_ids = torch.tensor([head + tail], device=self.model.device)
        with attention.eager(self.model.backbone):
            states = self.model.backbone(
                input_ids=input_ids, attention_mask=torch.ones_like(input_ids), use_cache=False
            ).last_hidden_state[0]
        scales = self.model.scales(states[len(head) - 1])
        found = self.model.embeddings(states[-1]).tolist()
        return found if scales is None else found + scales.tolist()


def load(
    folder: Path | str, options: Mapping[str, Any], *, prompt_format: str, device: torch.device
) -> EmbeddingJudge:
    """The judge with the model in `folder`, as every judge's module offers it."""
    return EmbeddingJudge(folder, **options, prompt_format=prompt_format, device=device)
