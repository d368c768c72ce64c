"""Plain sampling from a transformers model; what every sampling backend offers.

A backend is a module with the literal `KEYED_NOISE` (whether a response depends on its prompt and its
own uniforms alone, so that other runs can share them), `load` and `sample_responses`. `backend:` of the
config names it: `<name>_backend` here, or any importable module by its dotted name.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prefgrid.files import store
from prefgrid.job import devices
from prefgrid.models import loading
from prefgrid.sampling.decode import decode
from prefgrid.sampling.distribution import draw, sampled_log_probs
from prefgrid.sampling.recording import Recording
from prefgrid.sampling.request import DecodingOptions, Response, prompt_batches, uniforms_per_prompt

# Read from the source, without an import, by whoever plans a run.
KEYED_NOISE = True


def load(folder: Path | str, policies: Sequence[Path | str], precision: str) -> Any:
    """The model in `folder` with `policies` (folders, oldest first) stacked on it, on the device.

    Whatever `sample_responses` takes; its `generation_config` says what else ends a response.
    """
    return loading.load_stack(folder, policies, precision).to(devices.device())


def _computed(name: str, compute: Callable[[], Any]) -> Any:
    return compute()


def sample_responses(
    model: torch.nn.Module,
    prompts: Sequence[Sequence[int]],
    uniforms: np.ndarray,
    options: DecodingOptions,
    keep: Callable[[str, Callable[[], Any]], Any] = _computed,
) -> list[Response]:
    """Sample one or several responses to every prompt, the policy being `model` as it stands.

    prompts: token ids, ready to be continued. uniforms: float64 [prompts·samples, max_new_tokens]
    in [0, 1), the rows of a prompt together; responses come back in the same order. What a row
    draws depends on its prompt and its uniforms, on batch and neighbours only through rounding.
    With `options.log_probs` each response has its tokens' log-probabilities.
    keep: (name, compute) → `compute()`, or what it was before, as `jobs.Job.part`. Prompts and
    options alone fix the batches, so a job that continues has those of an undisturbed one.
    """
    noise = uniforms_per_prompt(uniforms, len(prompts), options.max_new_tokens)
    samples = noise.shape[1]
    batches = prompt_batches(prompts, samples, options.batch_rows)
    responses: list[Response | None] = [None] * (len(prompts) * samples)
    done, progress = 0, store.Progress()

    def choose(logits: Tensor, rows: Tensor, uniform: Tensor, live: Tensor) -> Tensor:
        return draw(sampled_log_probs(logits[0], options.temperature, options.top_p).exp(), uniform)

    def sample(batch: list[int]) -> list[Response]:
        batch_noise = torch.from_numpy(noise[batch].reshape(-1, options.max_new_tokens))
        batch_noise = batch_noise.to(model.device)
        batch_prompts = [prompts[position] for position in batch]
        if not options.log_probs:
            return decode(model, batch_prompts, batch_noise, choose, options)
        recording = Recording(len(batch_noise), options, model.device)
        return recording.told(decode(model, batch_prompts, batch_noise, recording, options))

    for number, batch in enumerate(batches, start=1):
        rows = keep(f"responses-{number}", lambda batch=batch: list(map(vars, sample(batch))))
        for row, fields in enumerate(rows):
            responses[batch[row // samples] * samples + row % samples] = Response(**fields)
        done += len(batch)
        progress.say(
            f"sampled batch {number} of {len(batches)}: {samples} responses to each of "
            f"{done}/{len(prompts)} prompts"
        )
    return responses
