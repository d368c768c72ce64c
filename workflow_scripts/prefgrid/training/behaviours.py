"""Behaviours that any run has: the policy as it stands, and what it drew before."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from prefgrid import seeding
from prefgrid.models.dropout import without_dropout
from prefgrid.sampling.request import DecodingOptions
from prefgrid.sampling.transformers_backend import sample_responses
from prefgrid.training.sources import Ask, Drawn, Stateless


class PolicySamples(Stateless):
    """Samples of the policy as it stands, with log-probabilities under the distribution that they are
    really drawn from."""

    def __init__(
        self, options: DecodingOptions, seed: int, purpose: str = "policy_samples"
    ) -> None:
        self.options = replace(options, log_probs=True)
        self.seed = seed
        self.purpose = purpose

    def draw(
        self, asks: Sequence[Ask], prompts: Sequence[Sequence[int]], model: Any
    ) -> list[Drawn]:
        by_prompt: dict[int, list[int]] = {}
        for place, ask in enumerate(asks):
            by_prompt.setdefault(ask.prompt, []).append(place)
        keys = [(ask.step, ask.prompt, ask.sample) for ask in asks]
        width = self.options.max_new_tokens
        noise = seeding.uniforms(self.seed, self.purpose, keys, width)
        # The decoder wants as many of every prompt: where some have fewer, the rest is drawn for nothing.
        most = max(map(len, by_prompt.values()))
        rows = [(places + places[:1] * most)[:most] for places in by_prompt.values()]
        uniforms = np.concatenate([noise[places] for places in rows])
        asked = [prompts[prompt] for prompt in by_prompt]
        with without_dropout(model):
            sampled = sample_responses(model, asked, uniforms, self.options)
        places = [place for row in rows for place in row]
        found = dict(zip(reversed(places), reversed(sampled), strict=True))
        return [
            Drawn(one.tokens, float(np.sum(one.sampling_token_logps)))
            for one in (found[place] for place in range(len(asks)))
        ]


class ReferenceSamples(PolicySamples):
    """The same of the reference: a model of its own, or without one the policy with its adapter off."""

    def __init__(
        self,
        options: DecodingOptions,
        seed: int,
        reference_model: Any,
        purpose: str = "reference_samples",
    ) -> None:
        super().__init__(options, seed, purpose)
        self.reference_model = reference_model

    def draw(
        self, asks: Sequence[Ask], prompts: Sequence[Sequence[int]], model: Any
    ) -> list[Drawn]:
        if self.reference_model is not None:
            return super().draw(asks, prompts, self.reference_model)
        with model.disable_adapter():
            return super().draw(asks, prompts, model)


class Replay:
    """Earlier samples of the policy: of the last `capacity`, each as likely; none at first.

    They keep the log-probability that they were drawn with. While there are none, `fallback` draws.
    """

    def __init__(self, capacity: int, seed: int, fallback: Any) -> None:
        self.capacity = capacity
        self.seed = seed
        self.fallback = fallback
        self.kept: dict[int, list[list[Any]]] = {}

    def draw(
        self, asks: Sequence[Ask], prompts: Sequence[Sequence[int]], model: Any
    ) -> list[Drawn]:
        unknown = [ask for ask in asks if not self.kept.get(ask.prompt)]
        others = iter(self.fallback.draw(unknown, prompts, model) if unknown else [])
        found = []
        for ask in asks:
            kept = self.kept.get(ask.prompt)
            if not kept:
                found.append(next(others))
                continue
            draw = seeding.stream(self.seed, "replay", ask.step, ask.prompt, ask.sample)
            found.append(Drawn(*kept[draw.integers(len(kept))]))
        return found

    def remember(self, policy: Sequence[tuple[Ask, Drawn]]) -> None:
        for ask, one in policy:
            self.kept.setdefault(ask.prompt, []).append([one.tokens, one.logp])
        for prompt, kept in self.kept.items():
            self.kept[prompt] = kept[-self.capacity :]

    def state_dict(self) -> dict[str, Any]:
        return {"kept": [[prompt, kept] for prompt, kept in self.kept.items()]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.kept = dict(state["kept"])
