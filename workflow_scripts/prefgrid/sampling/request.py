"""What a decoding run is given and what it gives back, whatever backend runs it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from prefgrid import chat
from prefgrid.data import groups


@dataclass(frozen=True)
class DecodingOptions:
    """How responses are drawn; nothing is inherited from a model's own generation defaults.

    temperature 0 is greedy decoding. `batch_rows` is the number of responses decoded at once: it
    fixes the composition of batches, hence the rounding, and belongs to the configuration.
    log_probs: whether each `Response` says how likely its tokens were; what is drawn stays the same.
    """

    eos_ids: tuple[int, ...]
    pad_id: int
    max_new_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    batch_rows: int = 256
    log_probs: bool = False

    def __post_init__(self) -> None:
        if not self.eos_ids:
            raise ValueError("eos_ids is empty: nothing could end a response")
        if self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens {self.max_new_tokens}: must be >= 1")
        if self.temperature < 0:
            raise ValueError(f"temperature {self.temperature}: must be >= 0 (0 is greedy)")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p {self.top_p}: must be in (0, 1]")
        if self.batch_rows < 1:
            raise ValueError(f"batch_rows {self.batch_rows}: must be >= 1")


@dataclass(frozen=True)
class Response:
    """One decoded response: token ids, ending with EOS iff `finish` is "stop", else "length".

    Log-probabilities are nats, float32, one a token (EOS included), or None unless asked for:
    token_logps: under the model at temperature 1 over its whole vocabulary; they sum to the
        response's `logprobs.sequence.response_logps`.
    sampling_token_logps: under the distribution that the token was drawn from, temperature and top-p
        included; 0 in greedy decoding, and `token_logps` where temperature and top-p are 1.
    """

    tokens: list[int]
    finish: str
    token_logps: list[float] | None = None
    sampling_token_logps: list[float] | None = None

    @property
    def said(self) -> list[int]:
        """The tokens without the one that ends them."""
        return groups.said(self.tokens, self.finish)


def stop_ids(tokenizer: Any, model: Any, prompt_format: str) -> tuple[int, ...]:
    """Ids that end a response: the format's end, the tokenizer's, those the model itself stops at.

    Chat models often have more than one: Qwen3's generation config names <|im_end|> and
    <|endoftext|>, its tokenizer the first alone; a base model's tokenizer may have <|endoftext|>
    where its template ends a turn with <|im_end|>. The format's comes first, the rest by id.
    """
    first = chat.end_id(tokenizer, prompt_format)
    configured = getattr(model.generation_config, "eos_token_id", None)
    if configured is None:
        configured = []
    elif isinstance(configured, int):
        configured = [configured]
    others = {tokenizer.eos_token_id, *configured} - {first, None}
    return (first, *sorted(others))


def prompt_batches(
    prompts: Sequence[Sequence[int]], responses_per_prompt: int, batch_rows: int
) -> list[list[int]]:
    """Split prompts into batches of at most `batch_rows` responses, at least one prompt each.

    Returns positions in `prompts`, longest prompts first, so that a batch needs little padding and
    memory runs out in the first batch or never. Depends on the prompts' lengths alone.
    """
    for position, prompt in enumerate(prompts):
        if not len(prompt):
            raise ValueError(f"prompt {position} has no tokens")
    size = max(1, batch_rows // responses_per_prompt)
    order = sorted(range(len(prompts)), key=lambda position: -len(prompts[position]))
    return [order[start : start + size] for start in range(0, len(order), size)]


def uniforms_per_prompt(uniforms: np.ndarray, prompts: int, max_new_tokens: int) -> np.ndarray:
    """View rows [prompts·samples, ≥ max_new_tokens] as [prompts, samples, max_new_tokens]."""
    rows, width = uniforms.shape
    if rows == 0 or rows % prompts or width < max_new_tokens:
        raise ValueError(
            f"uniforms [{rows}, {width}]: rows must be a positive multiple of the {prompts} prompts "
            f"and columns at least max_new_tokens = {max_new_tokens}"
        )
    return uniforms[:, :max_new_tokens].reshape(prompts, rows // prompts, max_new_tokens)
