"""Data of the report's sample browser: a prompt, a shift, a β, and every method's response."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from prefgrid.figures.dark import dark
from prefgrid.figures.style import method_styles

PROMPTS = 8
BETAS = 4


def browser(
    samples: pd.DataFrame,
    reference_samples: pd.DataFrame,
    prompts: dict[str, str],
    methods: Sequence[str],
) -> dict[str, Any]:
    """Responses at the largest n and the first seed, first sample of each.

    `samples`: `method, seed, shift, n, beta, prompt_id, sample, reward, kl_nats, length_tokens,
    finish, response`; `reference_samples`: `prompt_id, sample, reward, length_tokens, finish,
    response`; `prompts`: prompt_id → text. Up to 8 prompts, the first by id, and 4 β spread over
    the scan, β = 1 (the trained policy) among them if it was scanned.
    """
    first = samples[
        (samples["n"] == samples["n"].max()) & (samples["seed"] == samples["seed"].min())
    ]
    first = first[first["sample"] == first["sample"].min()]
    shown = sorted(set(first["prompt_id"]) & set(prompts))[:PROMPTS]
    betas = _spread(sorted(first["beta"].unique()))
    first = first[first["prompt_id"].isin(shown) & first["beta"].isin(betas)]
    base = reference_samples[
        reference_samples["prompt_id"].isin(shown)
        & (reference_samples["sample"] == reference_samples["sample"].min())
    ]
    styles = method_styles(methods)
    return {
        "n": int(samples["n"].max()),
        "seed": int(samples["seed"].min()),
        "prompts": [{"id": prompt_id, "text": prompts[prompt_id]} for prompt_id in shown],
        "shifts": [f"{shift:g}" for shift in sorted(first["shift"].unique())],
        "betas": [f"{beta:g}" for beta in betas],
        "methods": [
            {
                "label": label,
                "name": style.name,
                "light": style.colour,
                "dark": dark(style.colour),
            }
            for label, style in styles.items()
        ],
        "responses": {
            f"{row['prompt_id']}|{row['shift']:g}|{row['beta']:g}|{row['method']}": _entry(row)
            for row in first.to_dict("records")
        },
        "reference": {row["prompt_id"]: _entry(row) for row in base.to_dict("records")},
    }


def _entry(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "text": row["response"],
        "reward": round(float(row["reward"]), 2),
        "kl": round(float(row["kl_nats"]), 2) if "kl_nats" in row else None,
        "tokens": int(row["length_tokens"]),
        "cut": row["finish"] == "length",
    }


def _spread(betas: list[float]) -> list[float]:
    """At most four of the scanned β, evenly spread, 1 among them."""
    if len(betas) <= BETAS:
        return betas
    steps = [round(position * (len(betas) - 1) / (BETAS - 1)) for position in range(BETAS)]
    chosen = [betas[step] for step in steps]
    if 1.0 in betas and 1.0 not in chosen:
        closest = min(range(1, BETAS - 1), key=lambda step: abs(steps[step] - betas.index(1.0)))
        chosen[closest] = 1.0
    return chosen
