"""What a preference model is trained on: losses of the logits of comparisons (arXiv 2410.02197, appendix A).

Not a method's objective: its values are no log-probabilities of groups, but those of
`training.preference.PreferenceForward`, a row's E comparisons each as [the logit of the preferred response
against the other | with a language-model term log π of the preferred | for its reference-free DPO log π of
the other].
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from prefgrid.objectives.base import Batch, Objective

# Of logits l and targets, which are 1 (ce), a probability (soft_ce) or the wanted logit (mse).
LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "ce": lambda logits, _: -F.logsigmoid(logits),
    "soft_ce": lambda logits, p: -p * F.logsigmoid(logits) - (1 - p) * F.logsigmoid(-logits),
    "mse": lambda logits, wanted: (logits - wanted).square() / 2,
}
# Wanted logits of mse: of any comparison, and the largest where margins are given.
WANTED_LOGIT, LARGEST_WANTED_LOGIT = 10.0, 5.0
# Of log π of the preferred response and of the other, sums and means over tokens (the other's 0 where they
# are not asked for), and b: the published choices.
PTX_LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor, float], Tensor]] = {
    "token_nll": lambda total, mean, other, b: -mean,
    "token_mean": lambda total, mean, other, b: -F.logsigmoid(b * mean),
    "sequence": lambda total, mean, other, b: -F.logsigmoid(b * total),
    "dpo": lambda total, mean, other, b: -F.logsigmoid(b * (mean - other) - 1),
}


def columns(ptx_loss: str | None) -> int:
    """Values a comparison; `ptx_loss` is one of PTX_LOSSES, None without such a term."""
    return 1 if ptx_loss is None else 3 if ptx_loss == "dpo" else 2


class PreferenceLoss(Objective):
    """(1 − c) · the mean over groups of their comparisons' mean loss + c · that of the language-model term."""

    needs = {"targets": "scores", "responses": None, "reference_logps": False, "coupled": False}
    declared = {
        "loss": ("ce", list(LOSSES)),
        # c, its loss (None: no such term) and the published b
        "ptx_share": (0.1, "[0, 1)"),
        "ptx_loss": (None, [None, *PTX_LOSSES]),
        "ptx_scale": (2.0, "> 0"),
    }

    def loss(self, batch: Batch) -> Tensor:
        """Scalar, in nats but for mse."""
        language = self.options["ptx_loss"]
        parts = columns(language)
        logits, *logp_sums = batch.logp_sums.chunk(parts, 1)
        lengths = batch.lengths.chunk(parts, 1)
        present = lengths[0] > 0
        found = LOSSES[self.options["loss"]](logits, batch.targets.chunk(parts, 1)[0])
        loss = _mean(found, present)
        if language is None:
            return loss
        means = [
            total / count.clamp(min=1) for total, count in zip(logp_sums, lengths[1:], strict=True)
        ]
        other = means[1] if len(means) > 1 else torch.zeros_like(means[0])
        scale, share = self.options["ptx_scale"], self.options["ptx_share"]
        term = PTX_LOSSES[language](logp_sums[0], means[0], other, scale)
        return (1 - share) * loss + share * _mean(term, present)


def _mean(values: Tensor, present: Tensor) -> Tensor:
    """Over groups, of the mean over what is `present` of each; values and present are [G, E]."""
    return (values.where(present, 0).sum(1) / present.sum(1)).mean()
