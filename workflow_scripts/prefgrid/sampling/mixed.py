"""Decoding at many β at once by mixing the logits of a policy and its reference.

    ℓ_β = ℓ_ref + w (ℓ_θ − ℓ_ref),  w = ζ/β        (decoding-time realignment, arXiv 2402.02992)

w = 1 is the trained policy, w = 0 (β = ∞) the reference, w > 1 extrapolates. For other w the token
by token mixture is a policy of its own, close to but not equal to the sequence-level
π_ref (π_θ/π_ref)^w; its KL and its rewards are those of the policy that is really sampled.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from prefgrid.files import store
from prefgrid.sampling.decode import decode
from prefgrid.sampling.distribution import draw, kl_nats, sampled_log_probs
from prefgrid.sampling.request import DecodingOptions, Response, prompt_batches, uniforms_per_prompt
from prefgrid.sampling.two_models import policy_and_reference


@dataclass(frozen=True)
class MixedResponse:
    """One response at one weight.

    kl_nats: Σ_k Σ_v π_β(v) [log π_β(v) − log π_ref(v)] over the visited prefixes, EOS's step
    included: the Rao–Blackwellised estimate of the sequence KL (arXiv 2504.10637), ≥ 0. Both π are
    as sampled, see `Mixture`.
    kl_sample_nats: Σ_k log π_β(y_k) − log π_ref(y_k), unbiased too, of larger variance.
    """

    prompt: int
    weight: float
    sample: int
    response: Response
    kl_nats: float
    kl_sample_nats: float


class Mixture:
    """Chooses tokens from the mixed distribution and adds up each row's KL, in float32.

    Both are distributions as they are sampled, temperature and top-p included, so the KL at w = 0
    is 0 whatever these are, and the reference sampled with the same options is the point at KL 0.
    Below top-p 1, and at temperature 0, the reference never draws some tokens: where π_β does, the
    KL is infinite, and so it is given.
    """

    def __init__(self, weights: Tensor, temperature: float, top_p: float) -> None:
        self.weights = weights
        self.temperature = temperature
        self.top_p = top_p
        self.kl_nats = torch.zeros_like(weights)
        self.kl_sample_nats = torch.zeros_like(weights)

    def __call__(self, logits: Tensor, rows: Tensor, uniform: Tensor, live: Tensor) -> Tensor:
        policy, reference = logits
        # lerp is exact at weights 0 and 1, where the limits must hold to the last bit.
        mixed = torch.lerp(reference, policy, self.weights[rows, None])
        log_probs = sampled_log_probs(mixed, self.temperature, self.top_p)
        reference_log_probs = sampled_log_probs(reference, self.temperature, self.top_p)
        token = draw(log_probs.exp(), uniform)
        drawn = (log_probs - reference_log_probs).gather(1, token[:, None])[:, 0]
        expected = kl_nats(log_probs, reference_log_probs)
        self.kl_nats[rows] += expected.masked_fill(~live, 0.0)
        self.kl_sample_nats[rows] += drawn.masked_fill(~live, 0.0)
        return token


def sample_mixed(
    model: torch.nn.Module,
    prompts: Sequence[Sequence[int]],
    uniforms: np.ndarray,
    weights: Sequence[float],
    options: DecodingOptions,
    reference: torch.nn.Module | None = None,
) -> list[MixedResponse]:
    """Sample every prompt at every weight with the same uniforms, all in one batch.

    model, reference: as in `policy_and_reference`, in eval mode; each step runs both. uniforms: float64
    [prompts·samples, max_new_tokens], a prompt's rows together, shared by all weights.
    `options.batch_rows` counts responses; in one forward an adapted model sees twice as many rows.
    Returns responses ordered by prompt, then weight, then sample. ValueError for `options.log_probs`.
    """
    if options.log_probs:
        raise ValueError("log_probs: mixed decoding keeps the KL; allowed: in plain sampling alone")
    noise = uniforms_per_prompt(uniforms, len(prompts), options.max_new_tokens)
    samples = noise.shape[1]
    labels = [(weight, sample) for weight in weights for sample in range(samples)]
    by_prompt: list[list[MixedResponse]] = [[] for _ in prompts]
    done = 0
    with policy_and_reference(model, reference) as passes:
        for batch in prompt_batches(prompts, len(labels), options.batch_rows):
            batch_noise = np.tile(noise[batch], (1, len(weights), 1))
            mixture = Mixture(
                torch.tensor(
                    [float(weight) for weight, _ in labels] * len(batch), device=model.device
                ),
                options.temperature,
                options.top_p,
            )
            decoded = decode(
                model,
                [prompts[position] for position in batch],
                torch.from_numpy(batch_noise.reshape(-1, options.max_new_tokens)).to(model.device),
                mixture,
                options,
                passes,
            )
            kl = mixture.kl_nats.tolist()
            kl_sample = mixture.kl_sample_nats.tolist()
            for row, response in enumerate(decoded):
                position = batch[row // len(labels)]
                weight, sample = labels[row % len(labels)]
                by_prompt[position].append(
                    MixedResponse(position, weight, sample, response, kl[row], kl_sample[row])
                )
            done += len(batch)
            store.log(f"decoded {len(weights)} weights for {done}/{len(prompts)} prompts")
    return [mixed for responses in by_prompt for mixed in responses]
