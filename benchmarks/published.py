"""The straightforward procedure, as the published code has it: what `naive` measures ours against.

Padded rows of one response, logits of every position, the reference computed whenever it is needed,
small fixed batches. Key-value caches and the optimizer are the libraries' own.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from prefgrid.objectives.base import Batch, Objective
from prefgrid.training.batches import Group

MICRO_BATCH = 4  # pairs of a forward in training
GENERATED = 4  # prompts of a call of `generate`
DECODED = 2  # prompts decoded at once in a β scan
SCORED = 4  # dialogues of a forward of the reward model
REFITS = 10  # isotonic fits of a PSPO run, each with the indices of all pairs


def logps(model: Any, rows: Sequence[tuple[Sequence[int], Sequence[int]]], pad_id: int) -> Tensor:
    """log p(response | prompt) in nats, float32 [rows]: one padded forward, logits everywhere."""
    width = max(len(prompt) + len(response) for prompt, response in rows)
    ids = torch.full((len(rows), width), pad_id)
    scored = torch.zeros(len(rows), width, dtype=torch.bool)
    for row, (prompt, response) in enumerate(rows):
        end = len(prompt) + len(response)
        ids[row, :end] = torch.tensor([*prompt, *response])
        scored[row, len(prompt) : end] = True
    ids, scored = ids.to(model.device), scored.to(model.device)
    columns = torch.arange(width, device=model.device)
    seen = columns < torch.tensor([[len(p) + len(r)] for p, r in rows], device=model.device)
    logits = model(input_ids=ids, attention_mask=seen.long(), use_cache=False).logits
    token_logps = logits[:, :-1].float().log_softmax(-1).gather(2, ids[:, 1:, None])[..., 0]
    return (token_logps * scored[:, 1:]).sum(1)


def log_ratios(policy: Any, reference: Any, groups: Sequence[Group], pad_id: int) -> Tensor:
    """log π − log π_ref, [pairs, 2] nats, from four separate forwards."""
    sides = []
    for side in (0, 1):
        rows = [(group.prompt_tokens, group.responses[side]) for group in groups]
        with torch.no_grad():
            reference_logps = logps(reference, rows, pad_id)
        sides.append(logps(policy, rows, pad_id) - reference_logps)
    return torch.stack(sides, dim=1)


def training_step(
    policy: Any,
    reference: Any,
    optimizer: torch.optim.Optimizer,
    objective: Objective,
    groups: Sequence[Group],
    rows: Sequence[int],
    pad_id: int,
) -> None:
    """One optimizer step over the pairs `rows`, gradients accumulated over micro-batches."""
    for start in range(0, len(rows), MICRO_BATCH):
        part = rows[start : start + MICRO_BATCH]
        members = [groups[row] for row in part]
        ratios = log_ratios(policy, reference, members, pad_id)
        lengths = torch.tensor([[len(tokens) for tokens in group.responses] for group in members])
        batch = Batch(
            rows=torch.tensor(part, device=ratios.device),
            log_ratios=ratios,
            logp_sums=ratios,
            lengths=lengths.to(ratios.device),
            targets=torch.tensor([group.target for group in members], device=ratios.device),
        )
        (objective.loss(batch) * len(part) / len(rows)).backward()
    weights = [weight for weight in policy.parameters() if weight.requires_grad]
    torch.nn.utils.clip_grad_norm_(weights, 1.0)
    optimizer.step()
    optimizer.zero_grad()


@torch.no_grad()
def indices_one_by_one(policy: Any, reference: Any, groups: Sequence[Group], pad_id: int) -> Tensor:
    """t of every pair, as before each isotonic fit: four forwards of one row for each."""
    ratios = [log_ratios(policy, reference, [group], pad_id) for group in groups]
    return torch.cat([ratio[:, 1] - ratio[:, 0] for ratio in ratios])


@torch.no_grad()
def sample_pairs(model: Any, prompts: Sequence[Sequence[int]], limit: int, pad_id: int) -> None:
    """Two responses to every prompt by the library's `generate`, a few prompts at a time."""
    for start in range(0, len(prompts), GENERATED):
        ids, mask = left_padded(prompts[start : start + GENERATED], pad_id, model.device)
        model.generate(
            input_ids=ids,
            attention_mask=mask,
            do_sample=True,
            top_k=0,
            num_return_sequences=2,
            max_new_tokens=limit,
            pad_token_id=pad_id,
        )


@torch.no_grad()
def decode_at_beta(
    policy: Any,
    reference: Any,
    prompts: Sequence[Sequence[int]],
    weight: float,
    limit: int,
    eos_ids: Sequence[int],
    pad_id: int,
) -> list[list[int]]:
    """One response to every prompt from ℓ_ref + w(ℓ_θ − ℓ_ref), with its KL: two forwards a token.

    The published code stops at no token, which is `eos_ids` of ().
    """
    responses = []
    for start in range(0, len(prompts), DECODED):
        ids, mask = left_padded(prompts[start : start + DECODED], pad_id, policy.device)
        caches = DynamicCache(), DynamicCache()
        finished = torch.zeros(len(ids), dtype=torch.bool, device=ids.device)
        kl = torch.zeros(len(ids), device=ids.device)
        tokens = ids[:, :0]
        for _ in range(limit):
            positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -ids.shape[1] :]
            policy_logits, reference_logits = (
                model(
                    input_ids=ids,
                    attention_mask=mask,
                    position_ids=positions,
                    past_key_values=cache,
                    use_cache=True,
                ).logits[:, -1]
                for model, cache in zip((policy, reference), caches, strict=True)
            )
            mixed = torch.lerp(reference_logits, policy_logits, weight).float().log_softmax(-1)
            ratio = mixed - reference_logits.float().log_softmax(-1)
            kl += (mixed.exp() * ratio).sum(-1) * ~finished
            drawn = torch.multinomial(mixed.exp(), 1).masked_fill(finished[:, None], pad_id)
            tokens = torch.cat([tokens, drawn], dim=1)
            finished |= torch.isin(
                drawn[:, 0], torch.tensor(eos_ids, dtype=torch.long, device=ids.device)
            )
            if finished.all():
                break
            ids, mask = drawn, torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        responses += [[token for token in row if token != pad_id] for row in tokens.tolist()]
    return responses


def left_padded(
    prompts: Sequence[Sequence[int]], pad_id: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    width = max(map(len, prompts))
    ids = [[pad_id] * (width - len(prompt)) + list(prompt) for prompt in prompts]
    mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)
