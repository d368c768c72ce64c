"""Plain sampling from a transformers model; what every sampling backend offers.

A backend is a module with the literal `KEYED_NOISE` (whether a response depends on its prompt and its
own uniforms alone, so that other runs can share them), `load` and `sample_responses`. `backend:` of the
config names it: `<name>_backend` here, or any importable module by its dotted name.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prefgrid.job import devices
from prefgrid.models import loading
from prefgrid.sampling.batches import Keep, computed, sampled
from prefgrid.sampling.decode import decode
from prefgrid.sampling.distribution import draw, sampled_log_probs
from prefgrid.sampling.recording import Recording
from prefgrid.sampling.request import DecodingOptions, Response

# Read from the source, without an import, by whoever plans a run.
KEYED_NOISE = True


def load(folder: Path | str, policies: Sequence[Path | str], precision: str) -> Any:
    """The model in `folder` with `policies` (folders, oldest first) stacked on it, on the device.

    Whatever `sample_responses` takes; its `generation_config` says what else ends a response.
    """
    return loading.load_stack(folder, policies, precision).to(devices.device())


def sample_responses(
    model: torch.nn.Module,
    prompts: Sequence[Sequence[int]],
    uniforms: np.ndarray,
    options: DecodingOptions,
    keep: Keep = computed,
) -> list[Response]:
    """Sample one or several responses to every prompt, the policy being `model` as it stands.

    prompts, uniforms, keep: as in `batches.sampled`; responses are in the order of `uniforms`. What a row
    draws depends on its prompt and its uniforms, on batch and neighbours only through rounding.
    With `options.log_probs` each response has its tokens' log-probabilities.
    """

    def choose(logits: Tensor, rows: Tensor, uniform: Tensor, live: Tensor) -> Tensor:
        return draw(sampled_log_probs(logits[0], options.temperature, options.top_p).exp(), uniform)

    def sample(batch: Sequence[Sequence[int]], noise: Tensor) -> list[Response]:
        noise = noise.to(model.device)
        if not options.log_probs:
            return decode(model, batch, noise, choose, options)
        recording = Recording(len(noise), options, model.device)
        return recording.told(decode(model, batch, noise, recording, options))

    rows = sampled(
        lambda batch, noise: list(map(vars, sample(batch, noise))),
        prompts,
        uniforms,
        options,
        keep,
    )
    return [Response(**fields) for fields in rows]
