"""The optimizers, which weights decay, and the schedules, against torch's and transformers' own.

The kind: an optimizer that is called by a name and takes another's steps; a norm or a bias that decays.
"""

from typing import get_args

import pytest
import tiny_families
import torch
from tiny_policy import PAD, logps_of, random_groups, tiny_model
from transformers import (
    Trainer,
    TrainingArguments,
    get_linear_schedule_with_warmup,
    get_scheduler,
)
from transformers.optimization import Adafactor

from prefgrid.config.training import Training
from prefgrid.limits import lengths
from prefgrid.objectives import base
from prefgrid.training.batches import DataOrder
from prefgrid.training.loop import train
from prefgrid.training.optimizers import OPTIMIZERS, make_optimizer
from prefgrid.training.options import SCHEDULES, TrainingOptions
from prefgrid.training.step import PolicyForward

DECAY, RATE, STEPS = 0.1, 1e-2, 4
# Rmsprop's average of squares starts at 0, which makes its first step ten times the rate.
LOW_RATE = RATE / 100
# What transformers' rule, which goes by names, takes for a matrix: constants of state spaces, of a
# number a channel.
CHANNELS = ("A_log", "D", "recurrent_param")


def options(**changes) -> TrainingOptions:
    settings = {
        "epochs": None,
        "max_steps": STEPS,
        "batch_size": 4,
        "micro_batch_size": 4,
        "learning_rate": RATE,
        "weight_decay": DECAY,
    }
    return TrainingOptions(**{**settings, **changes})


def decayed_names(model) -> set[str]:
    weights = dict(model.named_parameters())
    groups = make_optimizer(weights, options()).param_groups
    assert {group["weight_decay"] for group in groups} <= {DECAY, 0.0}
    assert sum(len(group["params"]) for group in groups) == len(weights)
    decayed = {id(one) for group in groups if group["weight_decay"] for one in group["params"]}
    return {name for name, weight in weights.items() if id(weight) in decayed}


@pytest.mark.parametrize("family", tiny_families.FAMILIES)
def test_the_weights_that_decay_are_those_of_transformers_trainer(family):
    model = tiny_families.tiny_decoder(family)
    # A tied weight has two names there and one here.
    theirs = (
        set(Trainer.get_decay_parameter_names(None, model)) & dict(model.named_parameters()).keys()
    )
    ours = decayed_names(model)
    assert ours <= theirs
    assert all(name.endswith(CHANNELS) for name in theirs - ours)
    assert any("embed" in name or "wte" in name for name in ours)


def test_an_adapter_decays_wholly_and_the_tiny_worlds_models_too():
    model = tiny_model()
    (group,) = make_optimizer(
        dict(model.named_parameters()), options(decay_norms_and_biases=True)
    ).param_groups
    assert group["weight_decay"] == DECAY
    (group,) = make_optimizer(
        {"lora_A": torch.nn.Parameter(torch.ones(4, 8))}, options()
    ).param_groups
    assert group["weight_decay"] == DECAY


def plain(name: str, groups: list[dict]) -> torch.optim.Optimizer:
    if name == "adamw":
        return torch.optim.AdamW(groups, lr=RATE, betas=(0.8, 0.95))
    if name == "sgd":
        return torch.optim.SGD(groups, lr=RATE)
    if name == "rmsprop":  # as transformers' Trainer calls it, with the defaults written out
        return torch.optim.RMSprop(groups, lr=LOW_RATE, alpha=0.99, eps=1e-8, momentum=0)
    return Adafactor(groups, lr=RATE, scale_parameter=False, relative_step=False)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_run_takes_the_steps_of_a_plain_loop(tmp_path, name, schedule):
    """DPO on all weights = plain torch: the model's own logits, −log σ(t), clipping, transformers'
    scheduler, and decay by transformers' own list of names."""
    groups = random_groups(8)
    reference = logps_of(tiny_model(), groups)
    # That of torch's RMSprop is coupled, so there it is done by hand.
    by_hand = name == "rmsprop"
    decay, rate = (10.0, LOW_RATE) if by_hand else (DECAY, RATE)
    chosen = options(
        optimizer=name,
        weight_decay=decay,
        learning_rate=rate,
        learning_rate_schedule=schedule,
        final_learning_rate_share=0.2,
        warmup_steps=1,
        adam_betas=(0.8, 0.95),
    )
    model = tiny_model()
    length = chosen.schedule(8, 3)
    train(
        PolicyForward(model, groups, chosen, PAD),
        base.create("dpo", {"beta_train": 0.5}, length),
        metrics_path=None,
        failure_path=tmp_path / "failure.json",
        reference_logps=reference,
    )

    other = tiny_model()
    decays = set(Trainer.get_decay_parameter_names(None, other))
    named = list(other.named_parameters())
    optimizer = plain(
        name,
        [
            {
                "params": [p for n, p in named if n in decays],
                "weight_decay": 0.0 if by_hand else decay,
            },
            {"params": [p for n, p in named if n not in decays], "weight_decay": 0.0},
        ],
    )
    theirs = {
        "cosine": ("cosine_with_min_lr", {"min_lr_rate": 0.2}),
        "linear": ("polynomial", {"lr_end": 0.2 * rate, "power": 1.0}),
        "constant": ("constant_with_warmup", {}),
    }[schedule]
    # Their warm-up begins at rate 0, ours a step later.
    scheduler = get_scheduler(
        theirs[0], optimizer, 2, STEPS + 1, scheduler_specific_kwargs=theirs[1]
    )
    order = DataOrder(length, 4)
    for step in range(STEPS):
        optimizer.step()  # without gradients, so that torch sees the order that it asks for
        scheduler.step()
        losses = []
        for row in order.rows(step):
            group = groups[row]
            sums = []
            for response in group.responses:
                ids = torch.tensor([[*group.prompt_tokens, *response]])
                logps = other(input_ids=ids).logits[0].log_softmax(-1)
                start = len(group.prompt_tokens) - 1
                sums.append(sum(logps[start + k, token] for k, token in enumerate(response)))
            index = torch.stack(sums) - reference[row]
            oriented = (2 * group.target - 1) * (index[1] - index[0])
            losses.append(-torch.nn.functional.logsigmoid(0.5 * oriented))
        torch.stack(losses).mean().backward()
        torch.nn.utils.clip_grad_norm_(other.parameters(), 1.0)
        if by_hand:
            for weight in optimizer.param_groups[0]["params"]:
                weight.data *= 1 - scheduler.get_last_lr()[0] * decay
        optimizer.step()
        optimizer.zero_grad()
    start = dict(tiny_model().named_parameters())
    moved = 0.0
    for key, weight in other.named_parameters():
        torch.testing.assert_close(model.get_parameter(key), weight, atol=2e-6, rtol=1e-4, msg=key)
        moved = max(moved, (weight - start[key]).abs().max().item())
    assert moved > 1e-4


@pytest.mark.parametrize(
    ("name", "theirs", "specific"),
    [
        ("linear", "linear", {}),
        ("cosine", "cosine", {}),
        ("constant", "constant_with_warmup", {}),
        ("cosine", "cosine_with_min_lr", {"min_lr_rate": 0.3}),
        ("linear", "polynomial", {"lr_end": 0.3 * RATE, "power": 1.0}),
    ],
)
@pytest.mark.parametrize("warmup", [0, 3])
def test_schedules_are_transformers_a_step_ahead(name, theirs, specific, warmup):
    """Theirs warms up from 0, which would be a step without effect: ours leaves it out."""
    steps = 11
    chosen = options(
        learning_rate_schedule=name,
        warmup_steps=warmup,
        final_learning_rate_share=0.3 if specific else 0.0,
    )
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=RATE)
    scheduler = get_scheduler(
        theirs, optimizer, warmup + 1, steps + 1, scheduler_specific_kwargs=specific
    )
    rates = []
    for _ in range(steps):
        optimizer.step()
        scheduler.step()
        rates.append(scheduler.get_last_lr()[0])
    assert [chosen.learning_rate_at(step, steps) for step in range(steps)] == pytest.approx(rates)


# Of 312 steps an epoch, peak 5e-7, a tenth of all steps as warm-up: what SPPO's papers and code schedule.
PUBLISHED = [
    # scheduled epochs, all steps, warm-up, rate at the end of epoch 1, mean rate in it
    (1, 312, 32, "0", "2.5e-07"),
    (6, 1872, 188, "4.6e-07", "3.4e-07"),
    (18, 5616, 562, "2.8e-07", "1.4e-07"),
]


@pytest.mark.parametrize(("epochs", "total", "warmup", "at_end", "mean"), PUBLISHED)
def test_the_published_schedules_are_transformers(epochs, total, warmup, at_end, mean):
    """Theirs by `TrainingArguments`, in whose step k the warm-up's rate is k/w; ours is
    (k + 1)/(w + 1), a step's rise above it at most, and behind the warm-up they are the same."""
    peak, run = 5e-7, 312
    ours = options(
        epochs=1,
        max_steps=None,
        batch_size=64,
        learning_rate=peak,
        learning_rate_schedule="linear",
        warmup_share=0.1,
        schedule_epochs=None if epochs == 1 else epochs,
    )
    steps = ours.schedule(64 * run, seed=0).steps
    assert steps == run
    assert (lengths.horizon(ours, run), lengths.warm_up_steps(ours, run)) == (total, warmup)
    settings = TrainingArguments(warmup_steps=0.1, output_dir="unused", use_cpu=True)
    assert settings.get_warmup_steps(total) == warmup

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=peak)
    scheduler = get_linear_schedule_with_warmup(optimizer, warmup, total)
    theirs = []
    for _ in range(run + 1):
        theirs.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    rates = [ours.learning_rate_at(step, run) for step in range(run + 1)]
    for step, (rate, other) in enumerate(zip(rates, theirs, strict=True)):
        rise = 1 / (warmup + 1) if step < warmup else 0.0
        assert -1e-12 <= (rate - other) / peak <= rise + 1e-12
    assert rates[0] > 0 == theirs[0]
    for rate in (rates, theirs):
        assert f"{rate[run]:.1e}" == at_end or rate[run] == float(at_end)
        assert f"{sum(rate[:run]) / run:.1e}" == mean


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"warmup_share": 0.1, "warmup_steps": 2}, "set one of them: allowed: warmup_steps 0, or"),
        ({"schedule_epochs": 3.0}, "the training is as long as max_steps; allowed: epochs in"),
        (
            {"schedule_epochs": 3.0, "schedule_steps": 9, "epochs": 1, "max_steps": None},
            "set at most one of them, the other to null",
        ),
    ],
)
def test_a_pace_that_contradicts_itself_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        options(**changes)


def test_a_warm_up_longer_than_the_run_needs_a_schedule_of_more_epochs():
    """A tenth of 18 epochs: 9 of 5 steps. By steps of the same number it is a mistake."""
    left_early = {"epochs": 1, "max_steps": None, "schedule_epochs": 18, "warmup_share": 0.1}
    assert options(**left_early).schedule(20, seed=0).steps == 5
    with pytest.raises(ValueError, match="over 20 groups warmup_steps is 9 of 5 optimizer steps"):
        options(epochs=1, max_steps=None, warmup_steps=9, schedule_steps=90).schedule(20, seed=0)
    with pytest.raises(ValueError, match=r"\(warmup_share 0.99\) takes 5 of 5 optimizer steps"):
        options(epochs=1, max_steps=None, warmup_share=0.99).schedule(20, seed=0)


def test_names_are_those_of_the_config_and_others_are_refused():
    fields = Training.model_fields
    assert get_args(fields["optimizer"].annotation) == tuple(OPTIMIZERS)
    assert get_args(fields["learning_rate_schedule"].annotation) == tuple(SCHEDULES)
    with pytest.raises(ValueError, match="'lion'; allowed: adamw, adafactor, sgd, rmsprop"):
        make_optimizer({"w": torch.nn.Parameter(torch.ones(2, 2))}, options(optimizer="lion"))
    with pytest.raises(ValueError, match="'wsd'; allowed: cosine, linear, constant"):
        options(learning_rate_schedule="wsd")
