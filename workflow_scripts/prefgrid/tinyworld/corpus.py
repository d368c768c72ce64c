"""Random responses of the tiny world: of a chosen quality, corrupted, or about something else."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from prefgrid.tinyworld import language

MIDDLES = (
    lambda word: f"it {word('actions')} a {word('adjectives')} {word('nouns')}.",
    lambda word: f"it {word('actions')} the {word('nouns')} and {word('deeds')}.",
    lambda word: f"it {word('deeds')} and {word('deeds')}.",
)
CLASSES = {
    "adjectives": language.ADJECTIVES,
    "nouns": language.NOUNS,
    "deeds": language.DEEDS,
    "actions": language.ACTIONS,
    "closings": language.CLOSINGS,
}
VOCABULARY = (
    *language.ANIMALS,
    *language.PLACES,
    *language.WORD_VALUES,
)


@dataclass(frozen=True)
class Writer:
    """How somebody writes.

    animal, place: probability of naming the instruction's own on purpose.
    taste: words are drawn in proportion to exp(taste · value), so 0 is even and > 0 is good taste.
    slips: probability of corrupting the finished response.
    """

    name: str
    animal: float
    place: float
    taste: float
    slips: float


WRITERS = (
    Writer("tiny-scholar", animal=0.9, place=0.8, taste=0.6, slips=0.0),
    Writer("tiny-clerk", animal=0.75, place=0.65, taste=0.3, slips=0.01),
    Writer("tiny-poet", animal=0.5, place=0.4, taste=0.0, slips=0.02),
    Writer("tiny-parrot", animal=0.3, place=0.2, taste=-0.4, slips=0.05),
)
# One who does exactly what the instruction says, in words of any quality.
DUTIFUL = Writer("tiny-servant", animal=1.0, place=1.0, taste=0.0, slips=0.0)


def pick(random: np.random.Generator, items: Sequence[str], taste: float = 0.0) -> str:
    """One of `items`, which are listed from worst to best; ∝ exp(taste · value)."""
    # The last edge may be rounded below 1, hence the slice.
    return items[int(np.searchsorted(_edges(len(items), taste)[:-1], random.random(), "right"))]


@cache
def _edges(count: int, taste: float) -> np.ndarray:
    weights = np.exp(taste * np.linspace(-1.0, 1.0, count))
    return np.cumsum(weights / weights.sum())


def respond(random: np.random.Generator, instruction: str, writer: Writer) -> str:
    """A response of `writer` to an instruction: grammatical but for the writer's slips."""
    animal, place = language.asked(instruction)
    if random.random() >= writer.animal:
        animal = pick(random, language.ANIMALS)
    if random.random() >= writer.place:
        place = pick(random, language.PLACES)

    def word(kind: str) -> str:
        return pick(random, CLASSES[kind], writer.taste)

    preposition = pick(random, language.PREPOSITIONS)
    sentences = [f"the {word('adjectives')} {animal} {word('deeds')} {preposition} the {place}."]
    for _ in range(1 + int(random.random() < 0.5)):
        sentences.append(MIDDLES[random.integers(len(MIDDLES))](word))
    if random.random() < 0.7:
        sentences.append(word("closings"))
    response = " ".join(sentences)
    return corrupt(random, response) if random.random() < writer.slips else response


def corrupt(random: np.random.Generator, response: str) -> str:
    """Drop, double, exchange or replace one word. Rarely the result is grammatical again."""
    words = response.split(" ")
    position = int(random.integers(len(words) - 1))
    match int(random.integers(4)):
        case 0:
            del words[position]
        case 1:
            words.insert(position, words[position])
        case 2:
            words[position : position + 2] = words[position + 1], words[position]
        case _:
            words[position] = pick(random, VOCABULARY)
    return " ".join(words)


def about_something_else(random: np.random.Generator, response: str) -> str:
    """The same tale with another animal, another place, or both, wherever they are named."""
    which = int(random.integers(3))
    words = response.split(" ")
    for kind, wanted in ((language.ANIMALS, which != 1), (language.PLACES, which != 0)):
        if wanted:
            words = [_replaced(random, word, kind) for word in words]
    return " ".join(words)


def _replaced(random: np.random.Generator, word: str, kind: Sequence[str]) -> str:
    stem = word.rstrip(".")
    if stem not in kind:
        return word
    others = [other for other in kind if other != stem]
    return pick(random, others) + word[len(stem) :]
