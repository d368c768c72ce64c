"""The tiny world's reward model: a real Qwen3ForSequenceClassification that learned the rule.

It starts from the base model, whose copying heads already tie a response to its prompt, and learns
the rule's differences between responses to one prompt. Many of these differ only in the animal, the
place or the grammar: without them a model this small learns the words of a response and never looks
at the prompt. With the Bradley-Terry loss on labels of the rule it did so in some runs and not in
others: a label says less than a difference.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
from pathlib import Path
from typing import Any

import torch
from transformers import Qwen3ForSequenceClassification

from prefgrid import chat, seeding
from prefgrid.logprobs.ends import end_states
from prefgrid.objectives import base as objectives
from prefgrid.tinyworld import corpus, language
from prefgrid.tinyworld.schedule import FixedOrder, passes
from prefgrid.training.forward import Forward
from prefgrid.training.loop import train
from prefgrid.training.options import TrainingOptions
from prefgrid.training.processes import Processes

# Taste of the tales of a group, uniform in this range. Policies that were trained for reward write
# with better taste than the data does, and there too the reward must tell good from better.
TASTES = (-0.5, 1.5)
GROUPS_PER_PROMPT = 2
# Of the rule: words, animal, place, grammar. The weight brings their loss to the reward's order of
# magnitude.
PARTS = 4
PARTS_WEIGHT = 2.0


def groups(prompts: Sequence[str], seed: int) -> list[tuple[str, list[str]]]:
    """`GROUPS_PER_PROMPT` groups of four responses to each prompt, a group's all of one taste.

    Two tales that do what the prompt asks, each followed by the same about something else; then one
    of the four is corrupted.
    """
    made = []
    for prompt, repetition in product(prompts, range(GROUPS_PER_PROMPT)):
        random = seeding.stream(seed, "tiny reward group", prompt, repetition)
        writer = replace(corpus.DUTIFUL, taste=random.uniform(*TASTES))
        tales = [corpus.respond(random, prompt, writer) for _ in range(2)]
        responses = []
        for tale in tales:
            responses += [tale, corpus.about_something_else(random, tale)]
        broken = int(random.integers(len(responses)))
        responses[broken] = corpus.corrupt(random, responses[broken])
        made.append((prompt, responses))
    return made


def train_reward(
    tokenizer: Any,
    base: Path | str,
    training_groups: Sequence[tuple[str, Sequence[str]]],
    options: TrainingOptions,
    prompt_format: str,
    seed: int,
    *,
    failure_path: Path | str,
    work: Path | None = None,
) -> Qwen3ForSequenceClassification:
    """Train a reward model that starts from the base model in folder `base`.

    `options.batch_size` counts groups, all of as many responses. A second head, on the same states
    and thrown away at the end, learns the parts of the rule (`RuleDifferences`): what it must see
    the reward must see too. `failure_path` and `work` are those of `train`, and so are the errors.
    """
    # The heads are new: they are drawn, and then set to zero.
    with torch.random.fork_rng(devices=[]):
        model = Qwen3ForSequenceClassification.from_pretrained(
            base, num_labels=1, dtype=torch.float32
        )
        model.parts = torch.nn.Linear(model.config.hidden_size, PARTS)
    for weight in (model.score.weight, model.parts.weight, model.parts.bias):
        torch.nn.init.zeros_(weight)
    order = passes(len(training_groups), options, seeding.stream(seed, "tiny reward order"))
    rendered = dialogues(tokenizer, training_groups, prompt_format)
    train(
        RuleForward(model, rendered, *rule(training_groups), options, tokenizer.pad_token_id),
        RuleDifferences({}, options.schedule(len(rendered), seed)),
        metrics_path=None,
        failure_path=failure_path,
        order=FixedOrder(order),
        work=work,
    )
    del model.parts
    return model


@dataclass
class RuleForward(Forward):
    """Of each group the scores of its K responses, then what the second head says of their parts:
    K · (1 + PARTS) values, whose targets are the rule's own, `utilities` and `parts` (`rule`)."""

    model: Any
    groups: Sequence[tuple[Sequence[int], Sequence[Sequence[int]]]]
    utilities: torch.Tensor
    parts: torch.Tensor
    options: TrainingOptions
    pad_id: int
    processes: Processes = Processes()
    sampling_logps: None = None

    def __post_init__(self) -> None:
        self.targets = torch.cat([self.utilities, self.parts.flatten(1)], dim=1)
        # Not the tokens that were read: all values are there, and each is one number.
        self.lengths = torch.ones_like(self.targets, dtype=torch.int64)

    @property
    def longest(self) -> int:
        return max(len(prompt) + max(map(len, responses)) for prompt, responses in self.groups)

    def micro_batch(self, rows: Sequence[int]) -> torch.Tensor:
        states = last_token_states(self.model, [self.groups[row] for row in rows], self.pad_id)
        shape = len(rows), -1
        return torch.cat(
            [self.model.score(states).view(shape), self.model.parts(states).view(shape)], dim=1
        )

    def described(self, row: int) -> dict[str, Any]:
        prompt, responses = self.groups[row]
        return {"prompt_tokens": prompt, "responses": responses}


class RuleDifferences(objectives.Objective):
    """`difference_loss` of the scores plus `PARTS_WEIGHT` times the mean square error of the parts,
    on the values of `RuleForward`."""

    needs = {"targets": "scores", "responses": None, "reference_logps": False, "coupled": False}
    declared = {}

    def loss(self, batch: objectives.Batch) -> torch.Tensor:
        count = batch.targets.shape[1] // (1 + PARTS)
        scores, parts = batch.logp_sums[:, :count], batch.logp_sums[:, count:]
        utilities, parts_of_rule = batch.targets[:, :count], batch.targets[:, count:]
        return difference_loss(scores, utilities) + PARTS_WEIGHT * torch.nn.functional.mse_loss(
            parts, parts_of_rule
        )


def difference_loss(scores: torch.Tensor, utilities: torch.Tensor) -> torch.Tensor:
    """Mean square of what the scores miss of the utilities' deviations from their group's mean.

    scores, utilities: [groups, responses]. A constant added to all scores of a group changes
    nothing, as in the Bradley-Terry loss.
    """
    missed = scores - utilities
    return (missed - missed.mean(dim=1, keepdim=True)).square().mean()


def rule(
    written: Sequence[tuple[str, Sequence[str]]],
) -> tuple[torch.Tensor, torch.Tensor]:
    """What the rule says of groups: utilities [groups, responses], parts [groups, responses, PARTS].

    Words count half in the parts, so that all four are of one order of magnitude.
    """
    found = [[language.parts(prompt, text) for text in texts] for prompt, texts in written]
    utilities = [[one.score for one in group] for group in found]
    parts = [
        [[0.5 * one.words, one.animal, one.place, one.grammatical] for one in group]
        for group in found
    ]
    return torch.tensor(utilities), torch.tensor(parts)


def dialogues(
    tokenizer: Any, groups: Sequence[tuple[str, Sequence[str]]], prompt_format: str
) -> list[tuple[list[int], list[list[int]]]]:
    """Token ids of each group: of its prompt, and of what follows it in each finished dialogue.

    As any reward model of the workflow reads them.
    """
    alone = [(prompt, response) for prompt, responses in groups for response in responses]
    rendered = iter(chat.render_dialogues(tokenizer, *zip(*alone, strict=True), prompt_format))
    parts = [list(islice(rendered, len(responses))) for _, responses in groups]
    return [(part[0][0], [response for _, response in part]) for part in parts]


def last_token_states(
    model: Qwen3ForSequenceClassification,
    groups: Sequence[tuple[Sequence[int], Sequence[Sequence[int]]]],
    pad_id: int,
) -> torch.Tensor:
    """[dialogues, H], at each one's last token, where the class itself reads its score."""
    alone = [[(prompt, response) for response in responses] for prompt, responses in groups]
    return end_states(model, alone, pad_id)
