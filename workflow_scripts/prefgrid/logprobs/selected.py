"""log softmax(f(hidden · weightᵀ + bias))[target], with a backward of its own and no [P, V] tensor.

Forward walks through the vocabulary in chunks and keeps a running maximum and sum per position, as
attention kernels do (Milakov and Gimelshein 2018, "Online normalizer calculation for softmax").
The incoming gradient is one number g a position, and the rest of the chain rule does not depend
on it:

    d logp / d hidden = s [(1 − z_y²/c²) W_y − Σ_v p_v (1 − z_v²/c²) W_v],    p = softmax(z)

with scaled and softcapped logits z = c·tanh(s·u/c), and without the round brackets where there is no
cap c. So forward accumulates this direction [P, H] next to the sum, and backward is one product with g: two matrix
products over the vocabulary where the logits are recomputed (TRL's ChunkedLogProbFunction) or stored
take three or a [P, V] tensor. Only a trainable output layer needs its logits a second time. TRL's
function would also round logits to the dtype of bfloat16 weights, which this one never does, and
imports TRL's trainers in its backward.
"""

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# Logits that exist at a time: few megabytes stay near a core's caches; a GPU wants large products.
CPU_TILE = 2**21
GPU_TILE = 2**25
# Tokens of a chunk. Narrower ones would spend their time on the running sums; on a core, chunks of
# 2,000 to 4,000 were fastest for 64 to 768 positions, the whole vocabulary 1.3 times slower.
MIN_CHUNK = 256
MAX_CPU_CHUNK = 4096


def selected_logps(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    softcap: float | None = None,
    scale: float = 1.0,
) -> Tensor:
    """float32 [P]: log softmax of the output layer at `hidden` [P, H], taken at `targets` [P].

    `weight` [V, H], `bias` [V], of any dtype: logits and everything after them are float32 (float64
    for float64 hidden states). Gradients flow to `hidden`, and to `weight` and `bias` if they want
    one. Logits are first multiplied by `scale`, then bounded: softcap · tanh(logits / softcap), None
    for unbounded ones.
    """
    return _SelectedLogps.apply(hidden, weight, bias, targets, softcap, scale)


def _without_autocast(method: Callable) -> Callable:
    """`method(ctx, tensor, …)` at the dtypes that it is written for."""

    @wraps(method)
    def wrapped(ctx: Any, tensor: Tensor, *rest: Any) -> Any:
        with torch.autocast(tensor.device.type, enabled=False):
            return method(ctx, tensor, *rest)

    return wrapped


class _SelectedLogps(torch.autograd.Function):
    @staticmethod
    @_without_autocast
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        softcap: float | None,
        scale: float,
    ) -> Tensor:
        logits = _Logits(hidden, weight, bias, softcap, scale)
        positions = torch.arange(len(targets), device=hidden.device)
        maximum = hidden.new_full(targets.shape, -torch.inf, dtype=logits.dtype)
        total = torch.zeros_like(maximum)
        target_logit = torch.zeros_like(maximum)
        mean_weight = None
        if ctx.needs_input_grad[0]:
            mean_weight = hidden.new_zeros(hidden.shape, dtype=logits.dtype)
        for start, chunk_weight, tile in logits:
            column = (targets - start).clamp(0, tile.shape[1] - 1)
            inside = column == targets - start
            target_logit = torch.where(inside, tile[positions, column], target_logit)
            slopes = None
            if mean_weight is not None and softcap is not None:
                slopes = 1 - (tile / softcap).square()
            higher = torch.maximum(maximum, tile.amax(1))
            rescale = (maximum - higher).exp()
            tile.sub_(higher[:, None]).exp_()
            total = total * rescale + tile.sum(1)
            maximum = higher
            if mean_weight is not None:
                if slopes is not None:
                    tile.mul_(slopes)
                mean_weight.mul_(rescale[:, None])
                _add_product(mean_weight, tile, chunk_weight)
        log_normaliser = maximum + total.log()
        direction = None
        if mean_weight is not None:
            direction = weight[targets].to(logits.dtype)
            if softcap is not None:
                direction *= 1 - (target_logit / softcap).square()[:, None]
            direction -= mean_weight.div_(total[:, None])
            if scale != 1:
                direction *= scale
        ctx.softcap, ctx.scale = softcap, scale
        ctx.save_for_backward(hidden, weight, bias, targets, log_normaliser, direction)
        return target_logit - log_normaliser

    @staticmethod
    @once_differentiable
    @_without_autocast
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, bias, targets, log_normaliser, direction = ctx.saved_tensors
        grad_hidden = None
        if direction is not None:
            grad_hidden = (grad[:, None] * direction).to(hidden.dtype)
        _, wants_weight, wants_bias, *_ = ctx.needs_input_grad
        grad_weight = torch.empty_like(weight) if wants_weight else None
        grad_bias = torch.empty_like(bias) if wants_bias else None
        if wants_weight or wants_bias:
            logits = _Logits(hidden, weight, bias, ctx.softcap, ctx.scale)
            positions = torch.arange(len(targets), device=hidden.device)
            for start, chunk_weight, tile in logits:
                slopes = None
                if ctx.softcap is not None:
                    slopes = 1 - (tile / ctx.softcap).square()
                # dL/dz = g (1[v = y] − p), then dL/du.
                tile.sub_(log_normaliser[:, None]).exp_().neg_()
                column = (targets - start).clamp(0, tile.shape[1] - 1)
                tile[positions, column] += (column == targets - start).to(tile.dtype)
                tile.mul_(grad[:, None])
                if slopes is not None:
                    tile.mul_(slopes)
                if ctx.scale != 1:
                    tile.mul_(ctx.scale)
                stop = start + len(chunk_weight)
                if grad_weight is not None:
                    grad_weight[start:stop] = tile.T @ logits.hidden.to(tile.dtype)
                if grad_bias is not None:
                    grad_bias[start:stop] = tile.sum(0)
        return grad_hidden, grad_weight, grad_bias, None, None, None


class _Logits:
    """Iterates over (first token id, the chunk's weight [C, H], its logits [P, C]).

    The logits' memory is reused by the next chunk.
    """

    def __init__(
        self,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        softcap: float | None,
        scale: float,
    ) -> None:
        self.dtype = torch.promote_types(hidden.dtype, torch.float32)
        # Products of halves are exact in float32, so tensor cores lose nothing if they sum in it.
        self.halves = hidden.is_cuda and hidden.dtype == weight.dtype != self.dtype
        self.hidden = hidden if self.halves else hidden.to(self.dtype)
        self.weight, self.bias, self.softcap, self.scale = weight, bias, softcap, scale
        tile, widest = (GPU_TILE, len(weight)) if hidden.is_cuda else (CPU_TILE, MAX_CPU_CHUNK)
        self.chunk = min(len(weight), widest, max(MIN_CHUNK, tile // len(hidden)))

    def __iter__(self) -> Iterator[tuple[int, Tensor, Tensor]]:
        memory = self.hidden.new_empty(len(self.hidden) * self.chunk, dtype=self.dtype)
        for start in range(0, len(self.weight), self.chunk):
            weight = self.weight[start : start + self.chunk]
            tile = memory[: len(self.hidden) * len(weight)].view(len(self.hidden), len(weight))
            if self.halves:
                torch.mm(self.hidden, weight.T, out_dtype=self.dtype, out=tile)
            else:
                weight = weight.to(self.dtype)
                torch.mm(self.hidden, weight.T, out=tile)
            if self.bias is not None:
                tile.add_(self.bias[start : start + self.chunk])
            if self.scale != 1:
                tile.mul_(self.scale)
            if self.softcap is not None:
                tile.div_(self.softcap).tanh_().mul_(self.softcap)
            yield start, weight, tile


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """total += left · right; in `right`'s dtype, summed in that of `total`, where `right` is half."""
    if right.dtype == total.dtype:
        total.addmm_(left, right)
    else:
        torch.addmm(total, left.to(right.dtype), right, out_dtype=total.dtype, out=total)
