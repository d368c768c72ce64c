"""The number task for a tiny model that was taught it in memory, for the tests beside it."""

from functools import cache

import torch
from tiny_policy import tiny_model, tiny_tokenizer

from prefgrid.models.loading import add_lora
from prefgrid.objectives import base
from prefgrid.sampling.request import DecodingOptions
from prefgrid.studies.soft_policy.numbers import Numbers
from prefgrid.studies.soft_policy.task import NumberTask
from prefgrid.training.batches import Group
from prefgrid.training.loop import train
from prefgrid.training.options import TrainingOptions
from prefgrid.training.step import PolicyForward

TOKENIZER = tiny_tokenizer()
END, PAD = TOKENIZER.eos_token_id, TOKENIZER.pad_token_id
LORA = {"rank": 4, "alpha": 8, "dropout": 0.0, "targets": "all-linear"}


def numbers(
    *targets: int, lo: int = 1, hi: int = 9, r_invalid: float = -1.0, named: bool = False
) -> Numbers:
    tasks = [NumberTask(target, lo=lo, hi=hi, r_invalid=r_invalid) for target in targets or (lo,)]
    return Numbers(tasks, TOKENIZER, "raw", named)


def untaught(seed: int = 0, **changes):
    settings = {"vocab_size": len(TOKENIZER), "num_hidden_layers": 1, "factor": 2.0}
    return tiny_model(seed, **{**settings, "eos_token_id": END, "pad_token_id": PAD, **changes})


@cache
def _taught() -> dict[str, torch.Tensor]:
    """Weights after 40 steps on the numbers from 1 to 9, larger ones more often."""
    asked, model = numbers(), untaught()
    answers = [answer for k, answer in enumerate(asked.answers[0]) for _ in range(k // 2 + 1)]
    options = TrainingOptions(
        epochs=None, max_steps=40, batch_size=1, micro_batch_size=1, learning_rate=1e-2
    )
    train(
        PolicyForward(model, [Group(asked.prompts[0], answers)], options, PAD),
        base.create("sft", {}, options.schedule(1, 0)),
        metrics_path=None,
        failure_path="failed_batch.json",
    )
    return model.state_dict()


def taught():
    """A model that mostly answers `numbers()`, and sometimes does not."""
    model = untaught()
    model.load_state_dict(_taught())
    return model.eval()


def policy(seed: int = 1):
    """It with a new adapter."""
    return add_lora(taught(), **LORA, seed=seed)


def decoding(**changes) -> DecodingOptions:
    settings = {"eos_ids": (END,), "pad_id": PAD, "max_new_tokens": 4}
    return DecodingOptions(**{**settings, **changes})


@torch.no_grad()
def logp_by_hand(model, prompt, tokens) -> float:
    """Of one response, by the library's own forward on it alone, nats."""
    logits = model(input_ids=torch.tensor([[*prompt, *tokens]])).logits[0, len(prompt) - 1 : -1]
    logps = logits.double().log_softmax(-1)
    return logps[range(len(tokens)), tokens].sum().item()
