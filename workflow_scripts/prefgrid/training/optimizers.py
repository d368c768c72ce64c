"""The optimizers that a run can take its steps with, and which weights decay under them."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from transformers.optimization import Adafactor

from prefgrid.training.options import TrainingOptions


def _adamw(groups: list[dict[str, Any]], options: TrainingOptions) -> torch.optim.Optimizer:
    return torch.optim.AdamW(groups, lr=options.learning_rate, betas=options.adam_betas, fused=True)


def _adafactor(groups: list[dict[str, Any]], options: TrainingOptions) -> torch.optim.Optimizer:
    """As transformers' Trainer makes it: the learning rate is the schedule's, not the step's own."""
    return Adafactor(groups, lr=options.learning_rate, scale_parameter=False, relative_step=False)


def _sgd(groups: list[dict[str, Any]], options: TrainingOptions) -> torch.optim.Optimizer:
    """Without momentum, where torch's coupled weight decay is the decoupled one."""
    return torch.optim.SGD(groups, lr=options.learning_rate, fused=True)


def _rmsprop(groups: list[dict[str, Any]], options: TrainingOptions) -> torch.optim.Optimizer:
    """torch's with its defaults (α .99, ε 1e-8, no momentum), as transformers' Trainer makes it.

    But for weight decay: torch's is coupled, which would divide it by the gradient's size.
    """
    coupled = [group | {"weight_decay": 0.0, "decay": group["weight_decay"]} for group in groups]
    made = torch.optim.RMSprop(coupled, lr=options.learning_rate)
    made.register_step_pre_hook(_decay)
    return made


@torch.no_grad()
def _decay(optimizer: torch.optim.Optimizer, *_: Any) -> None:
    """As AdamW before its step."""
    for group in optimizer.param_groups:
        for weight in group["params"]:
            if weight.grad is not None:
                weight.mul_(1 - group["lr"] * group["decay"])


OPTIMIZERS: dict[str, Callable[[list[dict[str, Any]], TrainingOptions], torch.optim.Optimizer]] = {
    "adamw": _adamw,
    "adafactor": _adafactor,
    "sgd": _sgd,
    "rmsprop": _rmsprop,
}


def make_optimizer(
    weights: Mapping[str, Tensor], options: TrainingOptions
) -> torch.optim.Optimizer:
    """Over the trainable `weights`, by name, at the peak learning rate.

    Weight decay is on matrices, embeddings among them. It spares vectors, which are norms' scales,
    biases and the constants of state spaces, and whatever is called a bias: transformers' Trainer
    does the same but for those constants. ValueError for an unknown optimizer.
    """
    if options.optimizer not in OPTIMIZERS:
        raise ValueError(
            f"training: optimizer {options.optimizer!r}; allowed: {', '.join(OPTIMIZERS)}"
        )
    decayed, spared = [], []
    for name, weight in weights.items():
        is_matrix = weight.dim() > 1 and not name.endswith("bias")
        decays = is_matrix or options.decay_norms_and_biases
        (decayed if decays else spared).append(weight)
    groups = [
        {"params": decayed, "weight_decay": options.weight_decay},
        {"params": spared, "weight_decay": 0.0},
    ]
    return OPTIMIZERS[options.optimizer]([one for one in groups if one["params"]], options)
