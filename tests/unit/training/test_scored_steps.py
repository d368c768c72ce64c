"""SoftPO's steps on groups of unequal size, against a forward a response and the formula."""

import json
import math

import pytest
import torch
from test_ragged_groups import logp_by_hand, moved_lora, options
from tiny_policy import LORA, PAD, logps_of, random_groups, tiny_lora, tiny_model, trainable_of
from tiny_runs import drawn_source
from tiny_scores import scored_groups

from prefgrid.objectives import gpo, softpo
from prefgrid.training.batches import Group
from prefgrid.training.drawn import DrawnForward
from prefgrid.training.loop import train
from prefgrid.training.reference import TableReference
from prefgrid.training.step import PolicyForward, loss_and_gradient

COUNTS, BETA = (3, 1, 2, 4, 3, 2), 0.4
# Rows 0, 3 and 5 are to one prompt.
IDS = (4, 9, 2, 4, 7, 4)


@pytest.fixture(scope="module")
def groups() -> list[Group]:
    return [
        Group(
            group.prompt_tokens,
            group.responses,
            target=[-abs(score) for score in group.target],
            sampling_logps=group.sampling_logps,
            prompt=prompt,
            prompt_value=-0.1 * prompt,
        )
        for prompt, group in zip(IDS, scored_groups(tiny_model(), COUNTS), strict=True)
    ]


def loss_by_hand(chosen, model, reference, groups, values) -> torch.Tensor:
    """Mean over groups of the mean over their responses; `values`: of each group."""
    total = 0.0
    for group, value in zip(groups, values, strict=True):
        for response, score in zip(group.responses, group.target, strict=True):
            ratio = logp_by_hand(model, group.prompt_tokens, response)
            ratio = ratio - logp_by_hand(reference, group.prompt_tokens, response).detach()
            if chosen == "squared":
                term = (ratio - (score - value) / BETA) ** 2
            else:
                z = value / BETA + ratio
                success, capped = torch.tensor(score / BETA).exp(), z.clamp(max=-1e-4)
                term = -(success * capped + (1 - success) * (1 - capped.exp()).log())
                term = term + z.clamp(min=0) ** 2
            total = total + term / len(group.responses) / len(groups)
    return total


def implied_by_hand(model, reference, group) -> float:
    found = [
        score
        - BETA
        * (
            logp_by_hand(model, group.prompt_tokens, response)
            - logp_by_hand(reference, group.prompt_tokens, response)
        ).item()
        for response, score in zip(group.responses, group.target, strict=True)
    ]
    return sum(found) / len(found)


def a_step(model, groups, settings, objective, rows, reference):
    """Loss and batch of one step; gradients are left on the model."""
    return loss_and_gradient(
        PolicyForward(model, groups, settings, PAD),
        objective,
        rows,
        TableReference(logps_of(reference, groups)),
        torch.Tensor.backward,
        share=1.0,
    )


def assert_gradients(model, plain):
    """Those of `plain`, which are not small."""
    scale = max(w.grad.abs().max() for w in plain.parameters() if w.grad is not None)
    assert scale > 1e-2
    for (name, weight), other in zip(model.named_parameters(), plain.parameters(), strict=True):
        if weight.requires_grad:
            torch.testing.assert_close(
                weight.grad, other.grad, atol=2e-4 * scale.item(), rtol=1e-3, msg=name
            )


@pytest.mark.parametrize("micro_batch_size", [1, 2, 4, 6])
@pytest.mark.parametrize("value", ["given", "learned"])
@pytest.mark.parametrize("chosen", ["squared", "cross_entropy"])
def test_a_step_is_the_sum_of_its_responses(groups, chosen, value, micro_batch_size):
    """Loss and gradient; learned values: of prompt 4 from a state that is given, of the others, which
    nothing is known of, the mean of the group."""
    settings = options(micro_batch_size=micro_batch_size)
    objective = softpo.Objective(
        {"beta": BETA, "loss": chosen, "value": value}, settings.schedule(len(groups), 0)
    )
    objective.values = {4: -0.3}
    rows, model, reference = [4, 1, 0, 5, 3, 2], moved_lora(), tiny_model()
    loss, batch = a_step(model, groups, settings, objective, rows, reference)
    assert batch.prompts.tolist() == [IDS[row] for row in rows]
    plain, own = moved_lora(), [groups[row] for row in rows]
    values = [group.prompt_value for group in own]
    if value == "learned":
        values = [
            -0.3 if group.prompt == 4 else implied_by_hand(plain, reference, group) for group in own
        ]
    expected = loss_by_hand(chosen, plain, reference, own, values)
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)
    assert_gradients(model, plain)


@pytest.mark.parametrize("micro_batch_size", [2, 6])
def test_a_step_of_self_play_is_the_formula(groups, micro_batch_size):
    """GPO of the length-normalised sort with log Z of each group, at unequal K: a response at a time."""
    settings, eta = options(micro_batch_size=micro_batch_size), 2.5
    chosen = {"eta": eta, "baseline": "log_z", "length_power": 1.0, "scale": "native"}
    objective = gpo.Objective(chosen, settings.schedule(len(groups), 0))
    rows, model, reference = [4, 1, 0, 5, 3, 2], moved_lora(), tiny_model()
    loss, _ = a_step(model, groups, settings, objective, rows, reference)
    plain, expected = moved_lora(), 0.0
    for group in groups:
        log_z = math.log(sum(math.exp(eta * score) for score in group.target) / len(group.target))
        for response, score in zip(group.responses, group.target, strict=True):
            ratio = logp_by_hand(plain, group.prompt_tokens, response)
            ratio = ratio - logp_by_hand(reference, group.prompt_tokens, response).detach()
            term = (ratio / len(response) - eta * score + log_z) ** 2
            expected = expected + term / len(group.responses) / len(groups)
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)
    assert_gradients(model, plain)


@pytest.mark.parametrize("value", ["given", "learned", "group"])
def test_accumulation_changes_nothing(groups, value):
    """Gradients of micro-batches of 1, 2 and 4 groups against those of all in one."""
    found = []
    for size in (6, 4, 2, 1):
        settings, model = options(micro_batch_size=size), moved_lora()
        own = [group for group in groups if len(group.responses) > 1]
        objective = softpo.Objective(
            {"beta": BETA, "loss": "squared", "value": value}, settings.schedule(len(own), 0)
        )
        loss, _ = loss_and_gradient(
            PolicyForward(model, own, settings, PAD),
            objective,
            range(len(own)),
            TableReference(logps_of(tiny_model(), own)),
            torch.Tensor.backward,
            share=1.0,
        )
        grads = [w.grad.flatten() for w in model.parameters() if w.grad is not None]
        found.append((loss.item(), torch.cat(grads)))
    for loss, gradient in found[1:]:
        assert loss == pytest.approx(found[0][0], abs=1e-5, rel=1e-6)
        worst = (gradient - found[0][1]).abs().max() / found[0][1].abs().max()
        assert worst < 1e-5


class Told:
    """Sees each step's batch, its learned values before and after."""

    def __init__(self, objective):
        self.seen, self.objective = [], objective
        original = objective.observe

        def observe(batch):
            before = dict(objective.values)
            original(batch)
            self.seen.append((batch, before, dict(objective.values)))

        objective.observe = observe


def learned_run(folder, steps=7):
    settings = options(max_steps=steps, batch_size=4, micro_batch_size=2, lora=LORA)
    forward = DrawnForward(
        model=tiny_lora(),
        options=settings,
        pad_id=PAD,
        source=drawn_source(seed=5, size=3),
        refresh_steps=3,
    )
    objective = softpo.Objective(
        {"beta": BETA, "loss": "squared", "value": "learned", "value_rate": 0.25},
        settings.schedule(forward.held, 5),
    )
    told = Told(objective)
    train(
        forward,
        objective,
        metrics_path=None,
        failure_path=folder / "failure.json",
        order=forward,
    )
    return told


def test_learned_values_belong_to_prompts_whatever_row_they_are_in(tmp_path):
    """The recursion V ← V + (m − V)/4, with m the mean over a step's groups of the prompt of the mean of
    r − β·a, through three draws in which rows are to other prompts."""
    told, values, rows_of = learned_run(tmp_path), {}, {}
    for batch, before, after in told.seen:
        assert before == pytest.approx(values, abs=1e-6)
        implied = (batch.targets - BETA * batch.log_ratios).double().mean(1).tolist()
        means = {}
        for row, prompt, mean in zip(
            batch.rows.tolist(), batch.prompts.tolist(), implied, strict=True
        ):
            means.setdefault(prompt, []).append(mean)
            rows_of.setdefault(row, set()).add(prompt)
        for prompt, found in means.items():
            mean = sum(found) / len(found)
            values[prompt] = values.get(prompt, mean) + 0.25 * (mean - values.get(prompt, mean))
        assert after == pytest.approx(values, abs=1e-6)
    assert len(values) == 6 and any(len(prompts) > 1 for prompts in rows_of.values())


def test_prompt_values_and_ids_go_through_a_checkpoint(groups):
    """As JSON, in the very float32 that the step is told."""
    forward = DrawnForward(
        model=tiny_lora(),
        groups=groups,
        options=options(batch_size=2),
        pad_id=PAD,
        source=drawn_source(seed=5),
        refresh_steps=3,
    )
    forward.drawn_at = 3
    state = json.loads(json.dumps(forward.state_dict()))
    other = DrawnForward(
        model=tiny_lora(),
        groups=random_groups(6, labels=False),
        options=options(batch_size=2),
        pad_id=PAD,
        source=drawn_source(seed=5),
        refresh_steps=3,
    )
    other.load_state_dict(state)
    assert other.drawn_at == 3 and not other.refresh(3)
    for name in ("lengths", "targets", "sampling_logps", "prompt_values", "prompts"):
        assert torch.equal(getattr(other, name), getattr(forward, name)), name
    assert other.groups == groups
    assert trainable_of(other.model).keys() == trainable_of(forward.model).keys()
