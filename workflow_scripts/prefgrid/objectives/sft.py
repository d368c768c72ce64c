"""SFT: supervised fine-tuning by maximum likelihood of the response tokens.

    L = −Σ_i log π(y_i | x_i) / Σ_i |y_i|

the mean negative log-likelihood of a token (EOS included), over all tokens of the batch.  It is a
ratio of two sums over the batch, not a mean over responses, hence `coupled`; a prompt may have several
responses.
"""

from __future__ import annotations

from torch import Tensor

from prefgrid.objectives import base

NEEDS = {"targets": "none", "responses": None, "reference_logps": False, "coupled": True}
OPTIONS = {}


class Objective(base.Objective):
    """Stateless; the gradient flows through `logp_sums`."""

    needs, declared = NEEDS, OPTIONS

    def loss(self, batch: base.Batch) -> Tensor:
        """Nats a token."""
        return -batch.logp_sums.sum() / batch.lengths.sum()
