"""A causal language model that is asked which of two responses is better: logit(A) − logit(B).

The published 8B route (RLHFlow's pair-preference-model-LLaMA3-8B; Dong et al. 2024, arXiv 2405.07863): one
prompt with context and both responses, in the model's own chat template, answered by one token.
"""

import re
from collections.abc import Mapping, Sequence
from os.path import commonprefix
from pathlib import Path
from typing import Any

import numpy as np
import torch

from prefgrid import chat
from prefgrid.files import store
from prefgrid.job import devices
from prefgrid.judges.base import if_not_finite
from prefgrid.judges.batches import batches, sharing_groups
from prefgrid.judges.dialogues import Dialogue
from prefgrid.logprobs.agreement import check_log_probs
from prefgrid.logprobs.ends import end_states
from prefgrid.logprobs.head import next_logits
from prefgrid.logprobs.planning import takes_packed_rows
from prefgrid.models import checking
from prefgrid.models.loading import load_causal_lm, load_tokenizer, pad_id
from prefgrid.models.row_lengths import check_dialogues

ASKS_A_MODEL = True
COMPARES = True
OPTIONS = {
    # what the model is asked; {context} is the prompt
    "template": (
        "[CONTEXT] {context} [RESPONSE A] {response_a} [RESPONSE B] {response_b} \n",
        "text with {context}, {response_a}, {response_b}",
    ),
    # one token each, where they stand behind the question
    "answer_a": ("A", "text"),
    "answer_b": ("B", "text"),
    # limit of a question, in tokens; what is cut is the context's start
    "max_tokens": (4096, "integer in [1, 1e7]"),
    # questions asked at once
    "batch_size": (16, "integer in [1, 1e6]"),
    # of the weights; none is float32
    "precision": ("none", ["none", "bf16", "fp16"]),
}
PLACES = re.compile(r"\{(context|response_a|response_b)\}")


class PairwiseLlm:
    """l_ij = logit(A) − logit(B) at the next token, with y_i as response A and y_j as B; the log-odds of A
    among the two answers. Both orders are asked.

    What the questions about one y_i share, up to its end, is computed once, where the model takes packed
    rows. A question's logit is that of its row alone up to rounding.
    """

    antisymmetric = False

    def __init__(
        self,
        folder: Path | str,
        *,
        template: str,
        answer_a: str,
        answer_b: str,
        max_tokens: int,
        batch_size: int,
        precision: str,
        prompt_format: str,
        device: torch.device,
    ) -> None:
        """ValueError, before the weights are read, for a tokenizer that cannot render the format or writes
        an answer as several tokens."""
        checking.check_tokenizer_file(folder)
        self.tokenizer = load_tokenizer(folder)
        chat.check_format(self.tokenizer, prompt_format)
        self.template = template
        self.max_tokens = max_tokens
        self.batch_size = batch_size
        self.prompt_format = prompt_format
        self.folder, self.precision = folder, precision
        self.pad_id = pad_id(self.tokenizer)
        self.answers = [self._token(answer_a), self._token(answer_b)]
        if self.answers[0] == self.answers[1]:
            raise ValueError(
                f"{folder}: answers {answer_a!r} and {answer_b!r} are the same token; allowed: two tokens"
            )
        self.model = load_causal_lm(folder, precision).to(device)
        check_dialogues(self.model, max_tokens)
        self.config = self.model.config.get_text_config()
        question = self._ids(chat.PROMPT, chat.RESPONSE, chat.RESPONSE)
        check_log_probs(self.model, [*question, self.answers[0]], self.pad_id)

    def logits(
        self, prompts: Sequence[str], responses: Sequence[Sequence[str]]
    ) -> list[np.ndarray]:
        """One float32 [K, K] a prompt; ValueError naming a pair that does not fit, or whose logit is not
        finite."""
        found = [np.zeros((len(group), len(group)), dtype=np.float32) for group in responses]
        places: list[tuple[int, int, int]] = []
        questions: list[Dialogue] = []
        cut = 0
        for number, (prompt, group) in enumerate(zip(prompts, responses, strict=True)):
            for i, first in enumerate(group):
                others = [j for j in range(len(group)) if j != i]
                rows = [self._question(prompt, first, group[j]) for j in others]
                cut += sum(was_cut for _, was_cut in rows)
                places += [(number, i, j) for j in others]
                questions += _shared([ids for ids, _ in rows])
        hidden_size = self.config.hidden_size if takes_packed_rows(self.config) else None
        groups = sharing_groups(questions, hidden_size=hidden_size, most=self.batch_size)
        for sharing in batches(groups, self.batch_size):
            with devices.explained_out_of_memory("lower the judge's batch_size or max_tokens"):
                values = self._asked([[questions[one] for one in group] for group in sharing])
            for one, value in zip((one for group in sharing for one in group), values, strict=True):
                number, i, j = places[one]
                if not np.isfinite(value):
                    # It spoils whatever shares its row; alone it shows whose it is.
                    [value] = self._asked([[questions[one]]])
                if not np.isfinite(value):
                    raise ValueError(
                        f"the model's logit of {responses[number][i]!r} as A against "
                        f"{responses[number][j]!r} as B, answers to {prompts[number]!r}, is {value}. "
                        + if_not_finite(self.precision, self.folder)
                    )
                found[number][i, j] = value
        store.log(f"asked {len(questions)} questions; of {cut} the context was cut to fit")
        return found

    @torch.inference_mode()
    def _asked(self, groups: Sequence[Sequence[Dialogue]]) -> np.ndarray:
        logits = next_logits(self.model, end_states(self.model, groups, self.pad_id), self.answers)
        return (logits[:, 0] - logits[:, 1]).cpu().numpy()

    def _text(self, context: str, first: str, second: str) -> str:
        # In one pass: a response may hold words in braces, too.
        texts = {"context": context, "response_a": first, "response_b": second}
        return PLACES.sub(lambda place: texts[place[1]], self.template)

    def _ids(self, context: str, first: str, second: str) -> list[int]:
        question = self._text(context, first, second)
        return chat.render_prompt(self.tokenizer, question, self.prompt_format)

    def _question(self, prompt: str, first: str, second: str) -> tuple[list[int], bool]:
        """Token ids of a question, and whether its context lost its start. ValueError if it is too long
        without any."""
        context, ids = prompt, self._ids(prompt, first, second)
        while len(ids) > self.max_tokens:
            places = self.tokenizer(context, add_special_tokens=False, return_offsets_mapping=True)[
                "offset_mapping"
            ]
            if not context or not places:
                raise ValueError(
                    f"a question about {first!r} and {second!r} takes {len(ids)} tokens without any "
                    f"context, of the judge's max_tokens = {self.max_tokens}; responses are never cut"
                )
            _, end = places[min(len(ids) - self.max_tokens, len(places)) - 1]
            context = context[max(end, 1) :]
            ids = self._ids(context, first, second)
        return ids, context != prompt

    def _token(self, answer: str) -> int:
        question = self._text(chat.PROMPT, chat.RESPONSE, chat.RESPONSE)
        before = chat.prompt_text(self.tokenizer, question, self.prompt_format)
        [ids] = chat.continuations(self.tokenizer, [(before, answer)])
        if len(ids) != 1:
            raise ValueError(
                f"{self.folder}: its tokenizer writes the answer {answer!r} as {len(ids)} tokens; allowed: "
                "an answer of one token"
            )
        return ids[0]


def _shared(rows: Sequence[list[int]]) -> list[Dialogue]:
    """The rows as (what all begin with, the rest); no rest is empty."""
    length = min(len(commonprefix(rows)), *(len(row) - 1 for row in rows))
    return [(row[:length], row[length:]) for row in rows]


def load(
    folder: Path | str, options: Mapping[str, Any], *, prompt_format: str, device: torch.device
) -> PairwiseLlm:
    """The judge with the model in `folder`, as every judge's module offers it."""
    return PairwiseLlm(folder, **options, prompt_format=prompt_format, device=device)
