"""A scalar reward model: a sequence classifier with one output, read as the reward."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification

from prefgrid.files import store
from prefgrid.job import devices
from prefgrid.judges.agreement import CHECKED_PROMPTS, CHECKED_TOKENS, check_scores
from prefgrid.judges.base import if_not_finite
from prefgrid.judges.batches import batches
from prefgrid.judges.decoders import DialogueReader
from prefgrid.judges.encoders import PairReader
from prefgrid.models.classifiers import score_layer
from prefgrid.models.loading import load_config, load_model, load_tokenizer

ASKS_A_MODEL = True
OPTIONS = {
    # dialogue limit of the reward model, in tokens; what is cut is the prompt's start
    "max_tokens": (1024, "integer in [1, 1e7]"),
    # dialogues scored at once
    "batch_size": (64, "integer in [1, 1e6]"),
    # of the weights; none is float32
    "precision": ("none", ["none", "bf16", "fp16"]),
}
# What our scores and the model's own are compared on when it is loaded.
CHECKED_RESPONSES = ("4.", "It is.")


class ScalarRewardModel:
    """Rewards of (prompt, response) pairs rendered as the reward model was trained on them.

    A decoder (a classifier with a linear `score`) reads dialogues in `prompt_format`
    (`judges.decoders`), an encoder the two texts as its tokenizer joins them (`judges.encoders`).
    What is longer than `max_tokens` loses the oldest tokens of its prompt, which is logged; a
    response is never cut. Rewards are those of the classifier's own forward of each pair alone, as
    float32 in the order asked, whatever is batched with it. The model runs in `precision`.
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
        # Before the weights are read.
        labels = load_config(folder).num_labels
        if labels != 1:
            raise ValueError(
                f"{folder}: a scalar reward model has exactly one label, this one has {labels} "
                "(num_labels in config.json); choose another model"
            )
        self.tokenizer = load_tokenizer(folder)
        self.model = load_model(AutoModelForSequenceClassification, folder, precision)
        self.model = self.model.to(device).eval()
        reader = PairReader if score_layer(self.model) is None else DialogueReader
        self.reader = reader(self.model, self.tokenizer, prompt_format, max_tokens)
        self.folder = folder
        self.precision = precision
        self.prompt_format = prompt_format
        self.batch_size = batch_size
        self._check_own_forward()

    @torch.inference_mode()
    def score(self, prompts: Sequence[str], responses: Sequence[str]) -> np.ndarray:
        """Rewards float32 [N]; ValueError for a response beyond max_tokens or a non-finite score.

        A score that is not finite ends it at once, with the dialogue in the message.
        """
        read, cut_prompts = self.reader.render(prompts, responses)
        rewards = np.empty(len(read), dtype=np.float32)
        groups, most = self.reader.groups(read, most=self.batch_size)
        for sharing in batches(groups, most):
            batch = [number for group in sharing for number in group]
            with devices.explained_out_of_memory("lower the judge's batch_size or max_tokens"):
                rewards[batch] = self._rewards(
                    [[read[number] for number in group] for group in sharing]
                )
            for number in batch:
                if not np.isfinite(rewards[number]):
                    # It spoils whatever shares its row; alone it shows whose it is.
                    rewards[number] = self._rewards([[read[number]]])[0]
                if not np.isfinite(rewards[number]):
                    raise ValueError(
                        f"row {number}: the reward model's score of {responses[number]!r} as an "
                        f"answer to {prompts[number]!r} is {rewards[number]}. "
                        + if_not_finite(self.precision, self.folder)
                    )
        store.log(f"scored {len(read)} responses; {cut_prompts} prompts were cut to fit")
        return rewards

    def _rewards(self, groups: Sequence[Sequence[Any]]) -> np.ndarray:
        return self.reader.logits(groups)[:, 0].cpu().numpy()

    @torch.inference_mode()
    def _check_own_forward(self) -> None:
        """`check_scores` on two short pairs of unequal lengths."""
        # Of any length: a small `max_tokens` cuts no prompt here.
        reader = type(self.reader)(self.model, self.tokenizer, self.prompt_format, CHECKED_TOKENS)
        read, _ = reader.render(CHECKED_PROMPTS, CHECKED_RESPONSES)
        rows = reader.alone(CHECKED_PROMPTS, CHECKED_RESPONSES)
        groups, most = reader.groups(read, most=len(read))
        for sharing in batches(groups, most):
            scores = reader.logits([[read[number] for number in group] for group in sharing])
            own = [rows[number] for group in sharing for number in group]
            check_scores(self.model, own, scores[:, 0].tolist())


def load(
    folder: Path | str, options: Mapping[str, Any], *, prompt_format: str, device: torch.device
) -> ScalarRewardModel:
    """The judge with the model in `folder`, as every judge's module offers it."""
    return ScalarRewardModel(folder, **options, prompt_format=prompt_format, device=device)
