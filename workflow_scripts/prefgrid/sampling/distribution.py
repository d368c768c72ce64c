"""From logits to the distribution that is sampled, and from a uniform to a token."""

import torch
from torch import Tensor


def sampled_log_probs(logits: Tensor, temperature: float, top_p: float) -> Tensor:
    """Log-probabilities of the distribution that is really sampled, [..., V], float32.

    The order is the usual one: temperature, then top-p, renormalised. Temperature 0 is the limit,
    all mass on the first largest logit. Tokens outside the nucleus get −inf.
    """
    logits = logits.float()
    if temperature == 0:
        best = logits.argmax(dim=-1, keepdim=True)
        return torch.full_like(logits, -torch.inf).scatter_(-1, best, 0.0)
    if temperature != 1:
        logits = logits / temperature
    if top_p < 1:
        logits = logits.masked_fill(outside_nucleus(logits, top_p), -torch.inf)
    return logits.log_softmax(dim=-1)


def outside_nucleus(logits: Tensor, top_p: float) -> Tensor:
    """True for tokens that top-p drops; the token that crosses `top_p` stays (Holtzman 2020).

    Counted from the unlikely end, as transformers does: a token goes when it and all less likely
    ones together hold at most 1 − top_p. Probabilities .5, .3, .2 at .75 keep two tokens.
    """
    ascending, order = logits.sort(dim=-1, stable=True)
    dropped = ascending.softmax(dim=-1).cumsum(dim=-1) <= 1 - top_p
    dropped[..., -1] = False
    return torch.empty_like(dropped).scatter_(-1, order, dropped)


def kl_nats(log_probs: Tensor, reference_log_probs: Tensor) -> Tensor:
    """Σ_v π(v) [log π(v) − log π_ref(v)] of one step, ≥ 0, from [..., V] each; the Rao–Blackwellised step of
    a sequence's KL (arXiv 2504.10637). Infinite where π draws what the reference never does."""
    probs = log_probs.exp()
    # A token of probability 0 adds 0 · (−inf), which is 0 in the limit.
    log_ratio = (log_probs - reference_log_probs).masked_fill(probs == 0, 0.0)
    return (probs * log_ratio).sum(dim=-1).clamp(min=0)


def entropy_nats(log_probs: Tensor) -> Tensor:
    """−Σ_v π(v) log π(v) of one step, ≥ 0, from [..., V]."""
    probs = log_probs.exp()
    return (probs * -log_probs.masked_fill(probs == 0, 0.0)).sum(dim=-1)


def draw(probabilities: Tensor, uniform: Tensor) -> Tensor:
    """Inverse-CDF draw in token order: the first k with Σ_{j≤k} p_j > u. [R, V], [R] → [R].

    The sum runs in float64, so 150,000 tokens do not blur the steps of a float64 uniform. A token
    of probability 0 is never drawn, even when rounding puts u on top of the total. Raises
    ValueError where the logits behind the probabilities were not finite.
    """
    cumulative = probabilities.cumsum(dim=-1, dtype=torch.float64)
    total = cumulative[:, -1]
    if not torch.isfinite(total).all():
        raise ValueError(
            f"the logits of {int((~torch.isfinite(total)).sum())} of {len(total)} rows are not "
            "finite: the model is broken, or a mixing weight (1/beta) is far too large"
        )
    target = torch.minimum(uniform * total, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(cumulative, target[:, None], right=True)[:, 0]
