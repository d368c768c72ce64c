"""Many small networks of one shape, evaluated together: teacher and students of the experiment.

A stack of S networks is a dict of tensors whose first axis is the network.  Each is
linear → ReLU → linear → ReLU → linear → log-softmax (SPO's synthetic experiment, arXiv 2512.21917).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

Parameters = dict[str, Tensor]


def initial(widths: Sequence[int], generator: torch.Generator) -> Parameters:
    """One network, float32: `weight_k` [in, out] and `bias_k` [1, out] for each layer k.

    `widths`: inputs, hidden widths, outputs.  PyTorch's own default for linear layers: weight and
    bias uniform on ±1/√in, drawn in that order, layer by layer.
    """
    parameters = {}
    for layer, (inputs, outputs) in enumerate(zip(widths[:-1], widths[1:], strict=True)):
        # Drawn as [out, in] and through the library's function: its numbers, to the last bit.
        weight = torch.empty(outputs, inputs)
        torch.nn.init.kaiming_uniform_(weight, a=math.sqrt(5), generator=generator)
        bound = 1 / math.sqrt(inputs)
        bias = torch.empty(1, outputs).uniform_(-bound, bound, generator=generator)
        parameters |= {f"weight_{layer}": weight.T.contiguous(), f"bias_{layer}": bias}
    return parameters


def stack(networks: Sequence[Parameters]) -> Parameters:
    """S networks as one stack: every tensor gets a first axis of length S."""
    return {name: torch.stack([one[name] for one in networks]) for name in networks[0]}


def log_policy(parameters: Parameters, contexts: Tensor) -> Tensor:
    """log π(y|x), nats, Tensor[S, N, K], of a stack on its own contexts, Tensor[S, N, d]."""
    hidden = contexts
    layers = len(parameters) // 2
    for layer in range(layers):
        hidden = torch.baddbmm(parameters[f"bias_{layer}"], hidden, parameters[f"weight_{layer}"])
        if layer < layers - 1:
            hidden = hidden.relu()
    return hidden.log_softmax(dim=-1)


def reference_log_ratio(log_policy: Tensor) -> Tensor:
    """log π − log π_ref under the uniform reference over the last axis: log π + log K."""
    return log_policy + math.log(log_policy.shape[-1])
