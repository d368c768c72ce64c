"""Sampling that a rerun can continue where a killed run was."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from prefgrid import store
from prefgrid.sampling.request import (
    DecodingOptions,
    Response,
    prompt_batches,
    uniforms_per_prompt,
)
from prefgrid.sampling.transformers_backend import sample_responses


def sample_in_parts(
    model: torch.nn.Module,
    prompts: Sequence[Sequence[int]],
    uniforms: np.ndarray,
    options: DecodingOptions,
    keep: Callable[[str, Callable[[], Any]], Any],
) -> list[Response]:
    """`sample_responses`, each batch of prompts through `keep(name, compute)`, as `jobs.Job.part`.

    The batches are the ones that `sample_responses` makes: prompts and options fix them and never
    what is left to do, so a continued run gives the bytes of an undisturbed one.
    """
    noise = uniforms_per_prompt(uniforms, len(prompts), options.max_new_tokens)
    samples = noise.shape[1]
    batches = prompt_batches(prompts, samples, options.batch_rows)
    responses: list[Response | None] = [None] * (len(prompts) * samples)
    done = 0

    def sample(batch: list[int]) -> list[tuple[list[int], str]]:
        batch_noise = noise[batch].reshape(-1, options.max_new_tokens)
        batch_prompts = [prompts[position] for position in batch]
        sampled = sample_responses(model, batch_prompts, batch_noise, options)
        return [(response.tokens, response.finish) for response in sampled]

    for number, batch in enumerate(batches):
        rows = keep(f"responses-{number}", lambda batch=batch: sample(batch))
        for row, (tokens, finish) in enumerate(rows):
            responses[batch[row // samples] * samples + row % samples] = Response(tokens, finish)
        done += len(batch)
        store.log(
            f"sampled batch {number + 1} of {len(batches)}: {samples} responses to each of "
            f"{done}/{len(prompts)} prompts"
        )
    return responses
