"""Plain sampling from a transformers model."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from prefgrid.sampling.decode import decode
from prefgrid.sampling.distribution import draw, sampled_log_probs
from prefgrid.sampling.request import (
    DecodingOptions,
    Response,
    prompt_batches,
    uniforms_per_prompt,
)


def sample_responses(
    model: torch.nn.Module,
    prompts: Sequence[Sequence[int]],
    uniforms: np.ndarray,
    options: DecodingOptions,
) -> list[Response]:
    """Sample one or several responses to every prompt, the policy being `model` as it stands.

    prompts: token ids, ready to be continued. uniforms: float64 [prompts·samples, max_new_tokens]
    in [0, 1), the rows of a prompt together; responses come back in the same order. What a row
    draws depends on its prompt and its uniforms, on batch and neighbours only through rounding.
    """
    noise = uniforms_per_prompt(uniforms, len(prompts), options.max_new_tokens)
    samples = noise.shape[1]
    responses: list[Response | None] = [None] * (len(prompts) * samples)

    def choose(logits: Tensor, rows: Tensor, uniform: Tensor, live: Tensor) -> Tensor:
        return draw(sampled_log_probs(logits[0], options.temperature, options.top_p).exp(), uniform)

    for batch in prompt_batches(prompts, samples, options.batch_rows):
        batch_noise = torch.from_numpy(noise[batch].reshape(-1, options.max_new_tokens))
        decoded = decode(
            model,
            [prompts[position] for position in batch],
            batch_noise.to(model.device),
            choose,
            options,
        )
        for row, response in enumerate(decoded):
            responses[batch[row // samples] * samples + row % samples] = response
    return responses
