"""The tiny world's reward model: a real Qwen3ForSequenceClassification that learned the rule.

It starts from the base model, whose copying heads already tie a response to its prompt, and is
trained with the Bradley-Terry loss on pairs of responses to one prompt, labelled by the rule. Many
pairs differ only in the animal, the place or the grammar: without them a model this small learns
the words of a response and never looks at the prompt.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, islice, product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import Qwen3ForSequenceClassification

from prefgrid import chat, seeding
from prefgrid.logprobs.planning import plan
from prefgrid.logprobs.states import last_hidden_states
from prefgrid.tinyworld import corpus, language
from prefgrid.tinyworld.training import Schedule, fit

# Taste of the tales of a group, uniform in this range. Policies that were trained for reward write
# with better taste than the data does, and there too the reward must tell good from better.
TASTES = (-0.5, 1.5)
GROUPS_PER_PROMPT = 2


def groups(prompts: Sequence[str], seed: int) -> list[tuple[str, list[str]]]:
    """`GROUPS_PER_PROMPT` groups of four responses to each prompt, a group's all of one taste.

    Two tales that do what the prompt asks, each followed by the same about something else; then one
    of the four is corrupted. All pairs of a group are compared: four in six are a tale that was asked
    for and one that was not, and one of these differs in nothing else.
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
    schedule: Schedule,
    prompt_format: str,
    seed: int,
) -> Qwen3ForSequenceClassification:
    """Train a reward model that starts from the base model in folder `base`.

    `schedule.batch_size` counts groups; a step compares all pairs within each group.
    """
    # The head is missing in the base: transformers draws it, and it is then set to zero.
    with torch.random.fork_rng(devices=[]):
        model = Qwen3ForSequenceClassification.from_pretrained(
            base, num_labels=1, dtype=torch.float32
        )
    torch.nn.init.zeros_(model.score.weight)
    rendered = dialogues(tokenizer, training_groups, prompt_format)
    rule = np.array(
        [[language.score(prompt, y) for y in responses] for prompt, responses in training_groups]
    )

    def loss_of(step: int, indices: np.ndarray) -> torch.Tensor:
        scores = last_token_scores(model, [rendered[i] for i in indices], tokenizer.pad_token_id)
        return bradley_terry(scores.view(len(indices), -1), torch.from_numpy(rule[indices]))

    fit(
        model, schedule, loss_of, len(rendered), seeding.stream(seed, "tiny reward order"), "reward"
    )
    return model


def bradley_terry(scores: torch.Tensor, utilities: torch.Tensor) -> torch.Tensor:
    """-mean log sigmoid(score of the better - score of the worse) over all pairs in each group.

    scores, utilities: [groups, responses]. Pairs of equal utility teach nothing and are left out.
    Bradley and Terry, 1952.
    """
    first, second = map(list, zip(*combinations(range(scores.shape[1]), 2), strict=True))
    better = torch.sign(utilities[:, second] - utilities[:, first]).to(scores.dtype)
    margin = better * (scores[:, second] - scores[:, first])
    return -torch.nn.functional.logsigmoid(margin[better != 0]).mean()


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


def last_token_scores(
    model: Qwen3ForSequenceClassification,
    groups: Sequence[tuple[Sequence[int], Sequence[Sequence[int]]]],
    pad_id: int,
) -> torch.Tensor:
    """One score a dialogue [dialogues], read at its last token, where the class itself reads it."""
    prompts, responses = zip(*groups, strict=True)
    layout = plan(model.config, prompts, responses, pad_id=pad_id)
    states = last_hidden_states(model, layout).flatten(0, 1)
    return model.score(states[torch.from_numpy(layout.ends)])[:, 0]
