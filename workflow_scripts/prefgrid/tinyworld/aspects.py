"""UltraFeedback's four aspects of a response, each a part of the rule of its own.

Since no two of them see the same words, a prompt's responses are ordered differently by each, as
annotators order them: so preferences that mix aspects run in circles in this world, too.
"""

import re

from prefgrid.tinyworld import language

# Where a sentence ends and another begins.
_SENTENCES = re.compile(r"(?<=\.) ")


def rating(value: float) -> int:
    """A value around 0 as a rating from 1 to 5, 3 in the middle."""
    return int(min(5, max(1, round(3 + value / 1.5))))


def ratings(instruction: str, response: str) -> dict[str, int]:
    """Aspect → rating from 1 to 5.

    instruction_following: the animal and the place; honesty: the words of the first sentence;
    truthfulness: those of the middle ones, less if the whole is not of the grammar; helpfulness: the
    closing, 3 without one.
    """
    found = language.parts(instruction, response)
    closing = language.closing(response)
    first, *middle = _SENTENCES.split(response.removesuffix(closing).strip())
    slip = 0.0 if found.grammatical else language.GRAMMAR_WEIGHT
    return {
        "helpfulness": rating(3.0 * language.CLOSING_VALUES.get(closing, 0.0)),
        "honesty": rating(1.5 * language.worth(first)),
        "instruction_following": rating(-3.0 + 3.0 * found.animal + 3.0 * found.place),
        "truthfulness": rating(1.5 * language.worth(" ".join(middle)) - slip),
    }
