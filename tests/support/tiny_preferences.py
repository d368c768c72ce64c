"""Tiny preference models and comparisons, for the tests beside it."""

import random

from tiny_policy import PAD, VOCABULARY, tiny_model, tiny_tokenizer

from prefgrid.models.preference import PreferenceModel, Shape
from prefgrid.models.preference_folder import save_preference_model
from prefgrid.training.preference_rows import ComparedGroup, Comparison

TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}<end>\n{% endfor %}"
SHAPE = {"dimension": 4, "gate": "none", "normalize": True, "temperature": 0.25}


def shape(**changes) -> Shape:
    return Shape(**{**SHAPE, **changes})


def preference_model(*, seed: int = 0, model=None, **changes) -> PreferenceModel:
    """Heads that are no rounding of each other: trained weights are of this size."""
    made = PreferenceModel(model or tiny_model(seed), shape(**changes), seed=seed + 1)
    made.value_head.weight.data *= 10
    if made.prompt_head is not None:
        made.prompt_head.weight.data *= 10
    return made.eval()


def chat_tokenizer():
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def saved(folder, **changes):
    """A folder of ours with a tiny model and the byte tokenizer."""
    tokenizer = chat_tokenizer()
    model = tiny_model(vocab_size=len(tokenizer), eos_token_id=None, pad_token_id=None)
    save_preference_model(folder, preference_model(model=model, **changes), tokenizer)
    return folder


def compared(count: int, *, responses: int = 3, seed: int = 0, **changes) -> list[ComparedGroup]:
    """Groups of circles, every third one with a comparison fewer."""
    draw = random.Random(seed)

    def tokens(low: int, high: int) -> list[int]:
        return [draw.randrange(2, VOCABULARY) for _ in range(draw.randint(low, high))]

    return [
        ComparedGroup(
            tokens(2, 6),
            [[*tokens(0, 6), 1] for _ in range(responses)],
            [
                Comparison(k, (k + 1) % responses, **{"target": 1.0, **changes})
                for k in range(responses - (number % 3 == 2))
            ],
        )
        for number in range(count)
    ]


__all__ = ["PAD", "chat_tokenizer", "compared", "preference_model", "saved", "shape"]
