"""Plain sampling of a policy that also reads its references: how far each response's policy is from them.

At every step the policy's next-token distribution is compared with those of other models after the same prefix,
over the whole vocabulary. Added up over the visited prefixes this is the Rao–Blackwellised estimate of a sequence KL
(arXiv 2504.10637), as in `mixed`, which scans β; here the policy is sampled as it is, against several models.
"""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prefgrid.sampling.batches import Keep, computed, sampled
from prefgrid.sampling.decode import decode
from prefgrid.sampling.distribution import draw, entropy_nats, kl_nats, sampled_log_probs
from prefgrid.sampling.passes import Pass
from prefgrid.sampling.request import DecodingOptions, Response
from prefgrid.sampling.two_models import policy_and_reference

# A model with its name; None: the policy with its adapter off.
References = Mapping[str, Any]


@dataclass(frozen=True)
class MeasuredResponse(Response):
    """A response, and what was added up over its steps, that of its end included, nats.

    entropy_nats: Σ_k −Σ_v π(v) log π(v). kl_nats: of each reference by name, Σ_k Σ_v π(v) [log π(v) − log π_ref(v)].
    All of the distributions at the temperature that was sampled at.
    """

    entropy_nats: float = 0.0
    kl_nats: Mapping[str, float] | None = None


class Measurement:
    """Chooses tokens from a step's first reading, and adds up each row's entropy and its KL to the other readings:
    entropy_nats float32 [rows], kl_nats float32 [references, rows].
    """

    def __init__(self, rows: int, references: int, temperature: float, device: Any) -> None:
        self.temperature = temperature
        self.entropy_nats = torch.zeros(rows, device=device)
        self.kl_nats = torch.zeros(references, rows, device=device)

    def __call__(self, logits: Tensor, rows: Tensor, uniform: Tensor, live: Tensor) -> Tensor:
        policy, *references = (sampled_log_probs(one, self.temperature, 1.0) for one in logits)
        self.entropy_nats[rows] += entropy_nats(policy).masked_fill(~live, 0.0)
        for number, reference in enumerate(references):
            self.kl_nats[number, rows] += kl_nats(policy, reference).masked_fill(~live, 0.0)
        return draw(policy.exp(), uniform)


def sample_measured(
    policy: torch.nn.Module,
    prompts: Sequence[Sequence[int]],
    uniforms: np.ndarray,
    options: DecodingOptions,
    references: References,
    keep: Keep = computed,
) -> list[MeasuredResponse]:
    """Sample every prompt from `policy`, as `transformers_backend.sample_responses` does, and measure it.

    policy: in eval mode, on one device with the references. references: a model that has several names is read
    once. The rest as in `batches.sampled`; responses come in the order of `uniforms`. ValueError for temperature 0
    and top-p below 1, where a KL can be infinite, and for `options.log_probs`.
    """
    if options.temperature == 0 or options.top_p < 1 or options.log_probs:
        raise ValueError(
            f"temperature {options.temperature}, top_p {options.top_p}, log_probs {options.log_probs}: "
            "measured sampling keeps an exact KL, which is infinite where a reference never draws what the "
            "policy does; allowed: temperature > 0, top_p 1, log_probs False"
        )
    # The adapter's own reference first, since one forward may read both.
    others = sorted({id(one): one for one in references.values()}.values(), key=_is_beside)
    place = {id(one): number for number, one in enumerate(others)}

    readings = policy_and_reference(policy, others[0]) if others else nullcontext((Pass(),))
    with readings as first:
        passes = (*first, *(Pass(model=one) for one in others[1:]))

        def sample(batch: Sequence[Sequence[int]], noise: Tensor) -> list[dict[str, Any]]:
            noise = noise.to(policy.device)
            measurement = Measurement(len(noise), len(others), options.temperature, noise.device)
            decoded = decode(policy, batch, noise, measurement, options, passes)
            entropy, kl = measurement.entropy_nats.tolist(), measurement.kl_nats.tolist()
            return [
                vars(response)
                | {"entropy_nats": entropy[row]}
                | {"kl_nats": {name: kl[place[id(one)]][row] for name, one in references.items()}}
                for row, response in enumerate(decoded)
            ]

        rows = sampled(sample, prompts, uniforms, options, keep)
    return [MeasuredResponse(**fields) for fields in rows]


def _is_beside(reference: Any) -> bool:
    return reference is not None
