"""Sampling batch by batch, so that a killed job continues with the batches that are not sampled yet."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prefgrid.files import store
from prefgrid.sampling.request import DecodingOptions, prompt_batches, uniforms_per_prompt

# (name, compute) → `compute()`, or what it was before, as `jobs.Job.part`.
Keep = Callable[[str, Callable[[], Any]], Any]
# (a batch's prompts, their uniforms [rows, max_new_tokens], on the CPU) → the responses' fields, JSON-ready, a row each
Sample = Callable[[Sequence[Sequence[int]], Tensor], list[dict[str, Any]]]


def computed(name: str, compute: Callable[[], Any]) -> Any:
    """Of a job that keeps nothing."""
    return compute()


def sampled(
    sample: Sample,
    prompts: Sequence[Sequence[int]],
    uniforms: np.ndarray,
    options: DecodingOptions,
    keep: Keep = computed,
) -> list[dict[str, Any]]:
    """What `sample` gives for one or several responses to every prompt, each batch once.

    prompts: token ids, ready to be continued. uniforms: float64 [prompts·samples, max_new_tokens] in [0, 1), the
    rows of a prompt together; responses come back in the same order. Prompts and options alone fix the
    batches, so a job that continues has those of an undisturbed one.
    """
    noise = uniforms_per_prompt(uniforms, len(prompts), options.max_new_tokens)
    samples = noise.shape[1]
    batches = prompt_batches(prompts, samples, options.batch_rows)
    responses: list[dict[str, Any]] = [{} for _ in range(len(prompts) * samples)]
    done, progress = 0, store.Progress()

    def compute(batch: list[int]) -> list[dict[str, Any]]:
        batch_noise = torch.from_numpy(noise[batch].reshape(-1, options.max_new_tokens))
        return sample([prompts[position] for position in batch], batch_noise)

    for number, batch in enumerate(batches, start=1):
        rows = keep(f"responses-{number}", lambda batch=batch: compute(batch))
        for row, fields in enumerate(rows):
            responses[batch[row // samples] * samples + row % samples] = fields
        done += len(batch)
        progress.say(
            f"sampled batch {number} of {len(batches)}: {samples} responses to each of "
            f"{done}/{len(prompts)} prompts"
        )
    return responses
