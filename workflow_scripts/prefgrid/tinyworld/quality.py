"""How good the tiny world came out: the reference's texts, the reward model against the rule."""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import torch

from prefgrid import chat, seeding
from prefgrid.logprobs.planning import plan
from prefgrid.logprobs.states import last_hidden_states
from prefgrid.tinyworld import corpus, language

Dialogue = tuple[str, str]
# Rewards of (prompt, response) dialogues, one float each.
Scorer = Callable[[Sequence[Dialogue]], np.ndarray]

ENTROPY_ROWS = 256


def describe_texts(dialogues: Sequence[Dialogue]) -> dict[str, float]:
    """Sampled (instruction, response) dialogues under the grammar and the rule.

    fluent: share the grammar accepts. right_animal, right_place: share naming the instruction's
    own. distinct_share: different responses per response. duplicate_share: responses that occur
    more than once. word_entropy_nats: of the distribution of single words over all texts.
    """
    found = [language.parts(*dialogue) for dialogue in dialogues]
    scores = [language.score(*dialogue) for dialogue in dialogues]
    copies = Counter(response for _, response in dialogues)
    words = Counter(word for _, response in dialogues for word in response.split())
    shares = np.array(list(words.values())) / words.total()
    return {
        "responses": len(dialogues),
        "fluent": float(np.mean([item.grammatical for item in found])),
        "right_animal": float(np.mean([item.animal for item in found])),
        "right_place": float(np.mean([item.place for item in found])),
        "distinct_share": len(copies) / len(dialogues),
        "duplicate_share": sum(n for n in copies.values() if n > 1) / len(dialogues),
        "word_entropy_nats": float(-(shares * np.log(shares)).sum()),
        "rule_score_mean": float(np.mean(scores)),
        "rule_score_sd": float(np.std(scores)),
    }


@torch.inference_mode()
def token_entropy_nats(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[str],
    responses: Sequence[Sequence[int]],
    prompt_format: str,
) -> float:
    """Mean entropy, in nats, of the model's next-token distribution along sampled responses.

    responses: token ids, with the end token where it was reached.
    """
    total, tokens = 0.0, 0
    heads = [chat.render_prompt(tokenizer, prompt, prompt_format) for prompt in prompts]
    for start in range(0, len(prompts), ENTROPY_ROWS):
        part = slice(start, start + ENTROPY_ROWS)
        # Nothing is predicted from a last token.
        read = [[response[:-1]] for response in responses[part]]
        layout = plan(model.config, heads[part], read, pad_id=tokenizer.pad_token_id)
        states = last_hidden_states(model, layout).flatten(0, 1)[torch.from_numpy(layout.states)]
        logps = model.lm_head(states).float().log_softmax(-1)
        total -= (logps.exp() * logps).sum().item()
        tokens += len(states)
    return total / tokens


def judge_reward_model(score: Scorer, prompts: Sequence[str], seed: int) -> dict[str, float]:
    """The reward model against the rule on prompts it was not trained on.

    pair_accuracy: share of pairs within a prompt, one response of each of the data's writers, that
    it orders as the rule does; pairs of equal rule score are left out. rule_correlation: Pearson,
    over the same responses. swap_lower_share: share of responses naming their prompt's animal and
    place that score lower under another prompt, which asks for another animal and another place.
    The weights are those of the rule's parts in the reward, in units of a word's value.
    """
    random = seeding.stream(seed, "tiny quality")
    written = [
        (prompt, corpus.respond(random, prompt, writer))
        for prompt in prompts
        for writer in corpus.WRITERS
    ]
    rewards = score(written)
    rule = np.array([language.score(*dialogue) for dialogue in written])
    stays, moves = swapped(prompts, random)
    return {
        "prompts": len(prompts),
        "pair_accuracy": pair_accuracy(
            rewards.reshape(len(prompts), -1), rule.reshape(len(prompts), -1)
        ),
        "rule_correlation": float(np.corrcoef(rewards, rule)[0, 1]),
        "swap_lower_share": float((score(moves) < score(stays)).mean()),
        **part_weights(rewards, written),
    }


def pair_accuracy(rewards: np.ndarray, rule: np.ndarray) -> float:
    """Share of pairs within a row that both order alike; arrays [prompts, responses].

    Pairs of equal rule score do not count.
    """
    first, second = map(list, zip(*combinations(range(rule.shape[1]), 2), strict=True))
    wanted = np.sign(rule[:, second] - rule[:, first])
    given = np.sign(rewards[:, second] - rewards[:, first])
    return float((wanted == given)[wanted != 0].mean())


def sampled_agreement(
    rewards: np.ndarray, rule: np.ndarray, prompt_ids: Sequence[str]
) -> dict[str, float]:
    """Rewards of sampled responses [responses] against the rule: correlation, pair accuracy.

    Every prompt contributes the pairs among as many of its responses as the scarcest one has.
    """
    by_prompt: dict[str, list[int]] = {}
    for index, prompt_id in enumerate(prompt_ids):
        by_prompt.setdefault(prompt_id, []).append(index)
    scarcest = min(map(len, by_prompt.values()))
    table = np.array([indices[:scarcest] for indices in by_prompt.values()])
    return {
        "rule_correlation": float(np.corrcoef(rewards, rule)[0, 1]),
        "pair_accuracy": pair_accuracy(rewards[table], rule[table]),
    }


def swapped(
    prompts: Sequence[str], random: np.random.Generator
) -> tuple[list[Dialogue], list[Dialogue]]:
    """(dutiful dialogues, the same responses under prompts asking for something else).

    ValueError if no two of the prompts differ in both animal and place.
    """
    asked = [language.asked(prompt) for prompt in prompts]
    stays, moves = [], []
    for prompt, (animal, place) in zip(prompts, asked, strict=True):
        others = [
            other
            for other, (other_animal, other_place) in zip(prompts, asked, strict=True)
            if other_animal != animal and other_place != place
        ]
        if others:
            response = corpus.respond(random, prompt, corpus.DUTIFUL)
            stays.append((prompt, response))
            moves.append((others[int(random.integers(len(others)))], response))
    if not stays:
        raise ValueError(f"no two of the {len(prompts)} prompts differ in animal and place")
    return stays, moves


def part_weights(rewards: np.ndarray, dialogues: Sequence[Dialogue]) -> dict[str, float]:
    """Least squares of the rewards on the parts of the rule, relative to a word's value.

    A perfect reward model has the rule's own ANIMAL_WEIGHT, PLACE_WEIGHT and GRAMMAR_WEIGHT.
    """
    found = [language.parts(*dialogue) for dialogue in dialogues]
    design = np.array(
        [[item.words, item.animal, item.place, not item.grammatical, 1.0] for item in found],
        dtype=float,
    )
    words, animal, place, slip, _ = np.linalg.lstsq(design, rewards, rcond=None)[0]
    return {
        "animal_weight": float(animal / words),
        "place_weight": float(place / words),
        "grammar_weight": float(-slip / words),
    }
