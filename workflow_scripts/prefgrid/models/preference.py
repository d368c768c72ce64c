"""The general preference model: a response is a vector, and who beats whom a skew product of two vectors.

Zhang et al., "Beyond Bradley-Terry models" (arXiv 2410.02197): the state at a dialogue's end token becomes
an embedding v of d numbers, k = d/2 pairs of coordinates, and

    s_ij = Σ_m λ_m (v_i[2m−1] v_j[2m] − v_i[2m] v_j[2m−1]),    P(i beats j) = σ(s_ij / τ).

So s_ij = −s_ji exactly, and circles of preferences can be said. λ is 1 or read from the state of the
prompt's last token. With d = 1 it is the Bradley-Terry model, s_ij = r_i − r_j.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prefgrid.limits.preference_models import LEAST_TEMPERATURE, UNGATED, shape_problem

# λ from what the prompt head gives, float32 [..., k], and the width H of the states. `scaled_softmax` is the
# authors' later one: its mean is 1, so that the range of scores does not shrink with k.
GATES: dict[str, Callable[[Tensor, int], Tensor]] = {
    "softmax": lambda z, _: z.softmax(-1),
    "scaled_softmax": lambda z, width: z.shape[-1] * (z / math.sqrt(width)).softmax(-1),
    "softplus": lambda z, _: F.softplus(z),
}


@dataclass(frozen=True)
class Shape:
    """What a preference model is beside its weights; the entry of its folder's config.json.

    dimension: d of the embeddings, 1 or even. gate: one of GATES, or "none" for λ = 1. normalize: whether
    embeddings have length 1. temperature: τ, or what a learned one starts from.
    """

    dimension: int
    gate: str
    normalize: bool
    temperature: float
    learn_temperature: bool = False

    def __post_init__(self) -> None:
        """ValueError naming what does not fit."""
        problem = shape_problem(**vars(self))
        if problem is not None:
            raise ValueError(problem)

    @property
    def pairs(self) -> int:
        """k: pairs of coordinates."""
        return self.dimension // 2


def skew_products(first: Tensor, second: Tensor, scales: Tensor | None = None) -> Tensor:
    """s of `first` against `second`: embeddings [..., d] and λ [..., k] (None: 1), which broadcast, to
    [...]. (1, 0) against (0, 1) is +1; the other way round is exactly the negative. d = 1: the difference."""
    if first.shape[-1] == 1:
        return (first - second)[..., 0]
    turned = first[..., 0::2] * second[..., 1::2] - first[..., 1::2] * second[..., 0::2]
    return (turned if scales is None else turned * scales).sum(-1)


def skew_matrix(embeddings: Tensor, scales: Tensor | None = None) -> Tensor:
    """[..., K, K] of all ordered pairs of [..., K, d], with λ [..., k] of their prompt."""
    scales = None if scales is None else scales[..., None, None, :]
    return skew_products(embeddings[..., :, None, :], embeddings[..., None, :, :], scales)


class PreferenceModel(nn.Module):
    """A decoder with a linear value head, d = `shape.dimension` numbers a state, and for a gate a linear
    prompt head of d/2. Heads and what follows them are float32 whatever the decoder is.

    backbone: a causal language model, a peft wrapper of one, or a bare decoder (which does to be read). New
    heads are drawn from N(0, 1/(H+1)²) by `seed`, as published.
    """

    def __init__(self, backbone: Any, shape: Shape, *, seed: int = 0) -> None:
        super().__init__()
        self.backbone = backbone
        self.shape = shape
        width = backbone.config.get_text_config().hidden_size
        random = torch.Generator().manual_seed(seed)
        self.value_head = _new_head(width, shape.dimension, random)
        gated = shape.gate != UNGATED
        self.prompt_head = _new_head(width, shape.pairs, random) if gated else None
        # τ = max(softplus(u), .01).
        self.raw_temperature = (
            nn.Parameter(torch.tensor(_inverse_softplus(shape.temperature)))
            if shape.learn_temperature
            else None
        )

    def embeddings(self, states: Tensor) -> Tensor:
        """float32 [..., d] of states [..., H] at end tokens."""
        values = _applied(self.value_head, states)
        return F.normalize(values, dim=-1) if self.shape.normalize else values

    def scales(self, states: Tensor) -> Tensor | None:
        """λ, float32 [..., k], of states [..., H] at prompts' last tokens; None: all are 1."""
        if self.prompt_head is None:
            return None
        with torch.autocast(states.device.type, enabled=False):
            return GATES[self.shape.gate](_applied(self.prompt_head, states), states.shape[-1])

    @property
    def temperature(self) -> Tensor | float:
        """τ; a tensor where it is learned."""
        if self.raw_temperature is None:
            return self.shape.temperature
        return F.softplus(self.raw_temperature).clamp(min=LEAST_TEMPERATURE)

    # What training and the reading of states ask of any model.

    @property
    def config(self) -> Any:
        return self.backbone.config

    @property
    def device(self) -> torch.device:
        return self.backbone.device

    @property
    def supports_gradient_checkpointing(self) -> bool:
        return self.backbone.supports_gradient_checkpointing

    def get_decoder(self) -> Any:
        return self.backbone.get_decoder()

    def get_input_embeddings(self) -> Any:
        return self.backbone.get_input_embeddings()

    def get_output_embeddings(self) -> Any:
        return self.backbone.get_output_embeddings()


def _new_head(width: int, outputs: int, random: torch.Generator) -> nn.Linear:
    # Built without a draw, so that the global random state stays as it was.
    head = nn.utils.skip_init(nn.Linear, width, outputs, bias=False, dtype=torch.float32)
    nn.init.normal_(head.weight, std=1 / (width + 1), generator=random)
    return head


def _applied(head: nn.Linear, states: Tensor) -> Tensor:
    with torch.autocast(states.device.type, enabled=False):
        return head(states.float())


def _inverse_softplus(value: float) -> float:
    return value + math.log(-math.expm1(-value))
