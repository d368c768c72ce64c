"""Plain sampling that also keeps how likely each drawn token was."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from prefgrid.sampling.distribution import draw, sampled_log_probs
from prefgrid.sampling.request import DecodingOptions, Response


class Recording:
    """Chooses the tokens of one batch as plain sampling does, and keeps their log-probabilities.

    token_logps, sampling_token_logps: float32 [rows, max_new_tokens] in nats, as in `Response`;
    what stands behind a row's last token means nothing.
    """

    def __init__(self, rows: int, options: DecodingOptions, device: torch.device) -> None:
        self.options = options
        self.token_logps = torch.zeros(rows, options.max_new_tokens, device=device)
        self.sampling_token_logps = torch.zeros_like(self.token_logps)
        # Decoding asks once a step, and all rows that still draw have drawn as many tokens.
        self.step = 0

    def __call__(self, logits: Tensor, rows: Tensor, uniform: Tensor, live: Tensor) -> Tensor:
        temperature, top_p = self.options.temperature, self.options.top_p
        sampling = sampled_log_probs(logits[0], temperature, top_p)
        token = draw(sampling.exp(), uniform)
        own = sampling if temperature == top_p == 1 else sampled_log_probs(logits[0], 1.0, 1.0)
        self.token_logps[rows, self.step] = _of(token, own)
        self.sampling_token_logps[rows, self.step] = _of(token, sampling)
        self.step += 1
        return token

    def told(self, responses: Sequence[Response]) -> list[Response]:
        """The batch's decoded `responses`, one a row, each with its log-probabilities."""
        rows = zip(
            responses, self.token_logps.tolist(), self.sampling_token_logps.tolist(), strict=True
        )
        return [
            replace(
                response,
                token_logps=logps[: len(response.tokens)],
                sampling_token_logps=sampling[: len(response.tokens)],
            )
            for response, logps, sampling in rows
        ]


def _of(token: Tensor, log_probs: Tensor) -> Tensor:
    """[R] from [R] token ids and [R, V]."""
    return log_probs.gather(1, token[:, None])[:, 0]
