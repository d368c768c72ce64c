"""What a preference model can be: its gates, and which dimensions, gates and temperatures go together."""

import math

INERT = True

# Of the scales of the coordinate pairs; ungated, all are 1.
UNGATED = "none"
GATES = ("softmax", "scaled_softmax", "softplus")
# A learned temperature does not fall below this.
LEAST_TEMPERATURE = 0.01


def room_problem(max_prompt_tokens: int, max_tokens: int) -> str | None:
    """What is wrong with the limits of a prompt and of it with a response; None: nothing."""
    if max_prompt_tokens < max_tokens:
        return None
    return (
        f"max_prompt_tokens {max_prompt_tokens} leaves a response no token of max_tokens {max_tokens}; "
        "allowed: less than max_tokens"
    )


def shape_problem(
    dimension: int, gate: str, normalize: bool, temperature: float, learn_temperature: bool
) -> str | None:
    """What of it does not fit; None: all does."""
    if dimension < 1 or (dimension > 1 and dimension % 2):
        return f"dimension {dimension}: embeddings are pairs of numbers; allowed: 1, 2, 4, …"
    if gate not in (UNGATED, *GATES):
        return f"gate {gate!r}; allowed: {', '.join((UNGATED, *GATES))}"
    if dimension == 1 and gate != UNGATED:
        return (
            f"gate {gate!r}: with dimension 1, a Bradley-Terry model, there are no pairs of numbers to "
            "weight; allowed: none, or an even dimension"
        )
    if dimension == 1 and normalize:
        return (
            "normalize: of length 1 a single number says nothing but its sign; allowed with dimension 1: "
            "false"
        )
    least = LEAST_TEMPERATURE if learn_temperature else 0.0
    if not least < temperature < math.inf:
        return f"temperature {temperature}; allowed: more than {least:g}"
    return None
