"""Groups drawn by a mix of behaviours: the policy as it stands, its earlier samples, and others."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from prefgrid import seeding
from prefgrid.limits import bounds
from prefgrid.training.batches import Group
from prefgrid.training.processes import Processes


@dataclass(frozen=True)
class Ask:
    """One response to draw: the `sample`-th (0-based) to prompt `prompt`, a place in the source's list, in
    optimizer step `step`, and the `number`-th that its behaviour is asked for in this run.

    (step, prompt, sample) keys the noise.
    """

    step: int
    prompt: int
    sample: int
    number: int


@dataclass(frozen=True)
class Drawn:
    """Token ids, the end token included where it belongs, and their log-probability under the
    behaviour, nats."""

    tokens: list[int]
    logp: float


class Behaviour(Protocol):
    """Something that draws responses."""

    def draw(
        self, asks: Sequence[Ask], prompts: Sequence[Sequence[int]], model: Any
    ) -> list[Drawn]:
        """A response to each ask; `prompts`: token ids of the source's whole list. `model` is the policy
        as it stands. What is drawn depends on the seed, the ask and the model alone."""

    def remember(self, policy: Sequence[tuple[Ask, Drawn]]) -> None:
        """Told what the behaviour `policy` drew, in the order of the asks, once a draw of the source."""

    def state_dict(self) -> dict[str, Any]:
        """JSON values."""

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Stateless:
    """A behaviour that remembers nothing."""

    def remember(self, policy: Sequence[tuple[Ask, Drawn]]) -> None: ...

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


# Scores of responses: (places of their prompts, token ids) → numbers.
Score = Callable[[Sequence[int], Sequence[Sequence[int]]], Sequence[float]]
POLICY = "policy"


class Values(Protocol):
    """Q̂0 of every prompt, as it is known at an optimizer step."""

    def refresh(self, steps: range, model: Any, processes: Processes) -> None:
        """Called before the groups of these steps are drawn, in all processes."""

    def of(self, step: int, prompt: int) -> float:
        """In units of the scores; `prompt`: its place in the source's list."""

    def state_dict(self) -> dict[str, Any]:
        """JSON values."""

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class MixedSource:
    """Groups of `size` responses; each is to the next of all prompts, in an order of each round's own.

    mix: behaviours' names → (behaviour, share), shares of sum 1. Of each group every behaviour draws its
    share, rounded up or down such that it is right on average (systematic sampling: one uniform a group).
    values: None where the objective makes its own. targets: scores, one a response; or labels: groups are
    pairs, of which the response with the higher score is preferred, neither where they are equal.
    """

    def __init__(
        self,
        prompts: Sequence[Sequence[int]],
        mix: Mapping[str, tuple[Behaviour, float]],
        score: Score,
        *,
        size: int,
        seed: int,
        values: Values | None = None,
        targets: str = "scores",
    ) -> None:
        if size < 1:
            raise ValueError(f"size {size}: a group has at least one response")
        check_mix({name: share for name, (_, share) in mix.items()})
        self.prompts = prompts
        self.behaviours = {name: behaviour for name, (behaviour, _) in mix.items()}
        self.shares = [share for _, share in mix.values()]
        self.score = score
        self.size = size
        self.seed = seed
        self.values = values
        self.targets = {"scores": list, "labels": _label}[targets]
        self.asked = dict.fromkeys(mix, 0)

    def draw(
        self, steps: range, groups_a_step: int, model: Any, processes: Processes
    ) -> list[Group]:
        if self.values is not None:
            self.values.refresh(steps, model, processes)
        groups = [(step, prompt) for step in steps for prompt in self._prompts(step, groups_a_step)]
        asks: dict[str, list[Ask]] = defaultdict(list)
        members: list[list[tuple[int, int, int]]] = []
        samples: Counter[tuple[int, int]] = Counter()
        for number, (step, prompt) in enumerate(groups):
            first = samples[step, prompt]
            names = self._behaviours(step, number % groups_a_step)
            members.append([(step, prompt, first + place) for place in range(self.size)])
            for key, name in zip(members[-1], names, strict=True):
                asks[name].append(Ask(*key, self.asked[name]))
                self.asked[name] += 1
            samples[step, prompt] += self.size
        found: dict[tuple[int, int, int], tuple[str, Drawn]] = {}
        policy: list[tuple[Ask, Drawn]] = []
        for name, behaviour in self.behaviours.items():
            drawn = drawn_by(behaviour, asks[name], self.prompts, model, processes)
            pairs = list(zip(asks[name], drawn, strict=True))
            found |= {(ask.step, ask.prompt, ask.sample): (name, one) for ask, one in pairs}
            policy += pairs if name == POLICY else []
        for behaviour in self.behaviours.values():
            behaviour.remember(policy)
        return self._groups(groups, [[found[key] for key in keys] for keys in members])

    def state_dict(self) -> dict[str, Any]:
        own = {name: behaviour.state_dict() for name, behaviour in self.behaviours.items()}
        values = None if self.values is None else self.values.state_dict()
        return {"asked": self.asked, "behaviours": own, "values": values}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.asked = state["asked"]
        for name, behaviour in self.behaviours.items():
            behaviour.load_state_dict(state["behaviours"][name])
        if self.values is not None:
            self.values.load_state_dict(state["values"])

    def _prompts(self, step: int, groups: int) -> list[int]:
        """Prompts of a step's groups: the next of endless permutations of all."""
        count, found = len(self.prompts), []
        for place in range(step * groups, (step + 1) * groups):
            turn, position = divmod(place, count)
            order = seeding.stream(self.seed, "prompt_order", turn).permutation(count)
            found.append(int(order[position]))
        return found

    def _behaviours(self, step: int, group: int) -> list[str]:
        """Names, of each of a group's responses."""
        start = seeding.stream(self.seed, "mix", step, group).random()
        bounds = np.floor(self.size * np.cumsum([0.0, *self.shares]) + start).astype(int)
        bounds[-1] = self.size  # a sum of shares may miss 1 by rounding
        names = zip(self.behaviours, np.diff(bounds).tolist(), strict=True)
        return [name for name, count in names for _ in range(count)]

    def _groups(
        self, groups: Sequence[tuple[int, int]], members: Sequence[Sequence[tuple[str, Drawn]]]
    ) -> list[Group]:
        responses = [[one.tokens for _, one in group] for group in members]
        asked = [prompt for _, prompt in groups for _ in range(self.size)]
        scores = iter(self.score(asked, [tokens for group in responses for tokens in group]))
        return [
            Group(
                prompt_tokens=list(self.prompts[prompt]),
                responses=tokens,
                target=self.targets([next(scores) for _ in tokens]),
                sampling_logps=[one.logp for _, one in group],
                behaviours=[name for name, _ in group],
                prompt=prompt,
                prompt_value=None if self.values is None else self.values.of(step, prompt),
            )
            for (step, prompt), group, tokens in zip(groups, members, responses, strict=True)
        ]


def drawn_by(
    behaviour: Behaviour,
    asks: Sequence[Ask],
    prompts: Sequence[Sequence[int]],
    model: Any,
    processes: Processes,
) -> list[Drawn]:
    """`Behaviour.draw` of all asks, of which each process draws a share."""
    own = processes.share(asks)
    return processes.gather_objects(behaviour.draw(own, prompts, model) if own else [])


def _label(scores: Sequence[float]) -> float:
    """1 where response 1 has the higher score, 0 where response 0 has, 1/2 where they are equal."""
    first, second = scores
    return (1 + np.sign(second - first)) / 2


def check_mix(shares: Mapping[str, float]) -> None:
    """ValueError unless the shares are positive and their sum is 1."""
    values = shares.values()
    # Of no share, or one that is not a number, neither holds.
    if not (all(share > 0 for share in values) and bounds.are_whole(values)):
        raise ValueError(
            f"the mix {dict(shares)} has the sum {sum(values):g}; allowed: positive shares of sum 1"
        )
