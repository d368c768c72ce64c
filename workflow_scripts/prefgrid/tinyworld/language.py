"""The tiny world's language: its words, its grammar, and the rule that scores a response.

An instruction asks for a tale with a given animal and place:
    tell a sad tale: fox, lake
A response is one opening sentence, one or two middle sentences, and often a closing one:
    the brave fox ran by the lake. it found a small pearl. it sat and sang. all was well.

The rule (`score`) adds up
    the values of its adjectives, nouns and verbs, and of its closing sentence, each in [-1, 1],
    `ANIMAL_WEIGHT` if it names the instruction's animal, `PLACE_WEIGHT` likewise,
    minus `GRAMMAR_WEIGHT` if it is not a sentence of the grammar.
Word classes are listed from worst to best and valued evenly, so the values of a class average 0 and
length alone is worth nothing. The mood of a tale is not scored.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


MOODS = _words("sad calm glum warm bold merry wry grim")
ANIMALS = _words(
    "fox owl bear wolf hare deer frog crow goat mole swan lynx toad duck crab seal moth newt lamb "
    "pony"
)
PLACES = _words(
    "lake hill wood cave farm road pond mill gate moor isle barn dune cliff fort reef inn shed"
)
PREPOSITIONS = _words("at by near")

# Each from worst (-1) to best (+1).
ADJECTIVES = _words(
    "dull sour drab mean rude pale plain slow grey small quick neat proud kind brave bright"
)
NOUNS = _words("thorn rust mud dust ash stone stick shell leaf drum coin lamp ring pearl crown")
# Verbs without and with an object.
DEEDS = _words("wept limped hid slept sat paced walked ran swam danced sang laughed")
ACTIONS = _words("lost broke tore hit left took saw held found shared saved")
CLOSINGS = (
    "it was a bad day.",
    "then it rained.",
    "no one saw it.",
    "then it was late.",
    "then it went home.",
    "the night was soft.",
    "all was well.",
    "it was a good day.",
)

ANIMAL_WEIGHT = 1.5
PLACE_WEIGHT = 1.2
GRAMMAR_WEIGHT = 2.0


def evenly(items: Sequence[str]) -> dict[str, float]:
    """Values from -1 to 1 in equal steps, in the order of `items`."""
    return {item: -1.0 + 2.0 * rank / (len(items) - 1) for rank, item in enumerate(items)}


WORD_VALUES = {
    **evenly(ADJECTIVES),
    **evenly(NOUNS),
    **evenly(DEEDS),
    **evenly(ACTIONS),
}
CLOSING_VALUES = evenly(CLOSINGS)


def _one_of(items: Sequence[str]) -> str:
    return "(?:" + "|".join(map(re.escape, items)) + ")"


_WORD = re.compile(r"[a-z]+")
_PROMPT = re.compile(rf"tell a {_one_of(MOODS)} tale: ({_one_of(ANIMALS)}), ({_one_of(PLACES)})")
_OPENING = (
    rf"the {_one_of(ADJECTIVES)} {_one_of(ANIMALS)} {_one_of(DEEDS)} "
    rf"{_one_of(PREPOSITIONS)} the {_one_of(PLACES)}\."
)
_MIDDLE = (
    rf"(?: it {_one_of(ACTIONS)} a {_one_of(ADJECTIVES)} {_one_of(NOUNS)}\."
    rf"| it {_one_of(ACTIONS)} the {_one_of(NOUNS)} and {_one_of(DEEDS)}\."
    rf"| it {_one_of(DEEDS)} and {_one_of(DEEDS)}\.)"
)
_RESPONSE = re.compile(rf"{_OPENING}{_MIDDLE}{{1,2}}(?: {_one_of(CLOSINGS)})?")


@dataclass(frozen=True)
class Parts:
    """What the rule sees in a response: the sum of its values, and three yes-or-no questions."""

    words: float
    animal: bool
    place: bool
    grammatical: bool

    @property
    def score(self) -> float:
        """The rule: how good the response is. About -5 to 9, mean near 1."""
        return (
            self.words
            + ANIMAL_WEIGHT * self.animal
            + PLACE_WEIGHT * self.place
            - GRAMMAR_WEIGHT * (not self.grammatical)
        )


def prompt(mood: str, animal: str, place: str) -> str:
    """The instruction for a mood, an animal and a place."""
    return f"tell a {mood} tale: {animal}, {place}"


def all_prompts() -> list[str]:
    """Every instruction of the language, in a fixed order."""
    return [prompt(mood, animal, place) for mood in MOODS for animal in ANIMALS for place in PLACES]


def asked(instruction: str) -> tuple[str, str]:
    """The animal and the place an instruction asks for; ValueError if it is not of the language."""
    match = _PROMPT.fullmatch(instruction)
    if match is None:
        raise ValueError(
            f"{instruction!r} is no instruction of the tiny world; "
            "allowed: 'tell a MOOD tale: ANIMAL, PLACE'"
        )
    return match.group(1), match.group(2)


def is_grammatical(response: str) -> bool:
    """Whether a response is a sentence of the grammar, exactly."""
    return _RESPONSE.fullmatch(response) is not None


def closing(response: str) -> str:
    """The closing sentence with which a response ends, "" if it ends with none."""
    return next((text for text in CLOSINGS if response.endswith(text)), "")


def worth(text: str) -> float:
    """The sum of the values of a text's words."""
    return sum(WORD_VALUES.get(word, 0.0) for word in _WORD.findall(text))


def parts(instruction: str, response: str) -> Parts:
    """The rule's view of a response, which may be any text."""
    animal, place = asked(instruction)
    end = closing(response)
    told = response.removesuffix(end)
    words = _WORD.findall(told)
    return Parts(
        words=worth(told) + CLOSING_VALUES.get(end, 0.0),
        animal=animal in words,
        place=place in words,
        grammatical=is_grammatical(response),
    )


def score(instruction: str, response: str) -> float:
    """The rule's score of a response to an instruction."""
    return parts(instruction, response).score
