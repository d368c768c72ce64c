"""Groups that are drawn while a run trains: from which policy, when, and against which reference."""

import copy

import pytest
import torch
from tiny_policy import LORA, PAD, logps_of, tiny_lora, tiny_model, trainable_of
from tiny_runs import FixedAnswer, drawn_source, score_of_tokens

from prefgrid.files import store
from prefgrid.models.loading import add_lora
from prefgrid.objectives import softpo
from prefgrid.training import loop
from prefgrid.training.batches import Group
from prefgrid.training.drawn import DrawnForward
from prefgrid.training.loop import train
from prefgrid.training.options import TrainingOptions
from prefgrid.training.processes import Processes
from prefgrid.training.reference import AdapterOffReference, TableReference
from prefgrid.training.sources import MixedSource
from prefgrid.training.step import PolicyForward

STEPS, BATCH, REFRESH = 8, 4, 3
PROMPTS = [[5, 6], [7], [8, 9, 10]]


def options(**changes) -> TrainingOptions:
    settings = {"epochs": None, "max_steps": STEPS, "batch_size": BATCH, "micro_batch_size": 3}
    return TrainingOptions(**{**settings, "learning_rate": 1e-2, "lora": LORA, **changes})


def forward_of(source, chosen, model=None, reference=None, refresh_steps=REFRESH) -> DrawnForward:
    return DrawnForward(
        model=tiny_lora() if model is None else model,
        options=chosen,
        pad_id=PAD,
        source=source,
        refresh_steps=refresh_steps,
        reference_model=reference,
    )


def run(folder, forward, rows=None, order=None, reference_logps=None, **objective):
    """SoftPO's squared loss, each group's value its own mean."""
    settings = {"beta": 0.5, "loss": "squared", **objective}
    rows = forward.held if rows is None else rows
    return train(
        forward,
        softpo.Objective(settings, forward.options.schedule(rows, 5)),
        metrics_path=None,
        failure_path=folder / "failure.json",
        reference_logps=reference_logps,
        order=order or forward,
    )


class Followed:
    """A source that keeps what it was asked, with which weights, and what it drew."""

    def __init__(self, source):
        self.source = source
        self.calls = []

    def draw(self, steps, groups_a_step, model, processes):
        groups = self.source.draw(steps, groups_a_step, model, processes)
        self.calls.append((steps, copy.deepcopy(model), groups))
        return groups

    def state_dict(self):
        return self.source.state_dict()


def test_groups_are_drawn_anew_at_multiples_and_from_the_policy_as_it_stands(tmp_path):
    """Each draw is that of a fresh source with the weights of then."""
    source = Followed(drawn_source(seed=5))
    run(tmp_path, forward_of(source, options()))
    assert [steps for steps, _, _ in source.calls] == [range(0, 3), range(3, 6), range(6, 9)]
    again, from_the_start = drawn_source(seed=5), drawn_source(seed=5)
    start = source.calls[0][1]
    for steps, model, groups in source.calls:
        assert again.draw(steps, BATCH, model, Processes()) == groups
        unmoved = from_the_start.draw(steps, BATCH, start, Processes())
        assert (unmoved == groups) == (steps.start == 0)


def test_steps_take_groups_in_the_order_in_which_they_are_drawn(tmp_path):
    source = Followed(drawn_source(seed=5))
    seen = []

    class Seeing(softpo.Objective):
        def observe(self, batch):
            seen.append((batch.rows.tolist(), batch.targets, batch.prompts.tolist()))
            super().observe(batch)

    forward = forward_of(source, options())
    train(
        forward,
        Seeing({"loss": "squared"}, forward.options.schedule(forward.held, 5)),
        metrics_path=None,
        failure_path=tmp_path / "failure.json",
        order=forward,
    )
    groups = [group for _, _, drawn in source.calls for group in drawn]
    for step, (_, targets, prompts) in enumerate(seen):
        own = groups[step * BATCH : (step + 1) * BATCH]
        assert prompts == [group.prompt for group in own]
        torch.testing.assert_close(targets, torch.tensor([group.target for group in own]))
    assert [rows for rows, _, _ in seen[:4]] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]] + [
        [0, 1, 2, 3]
    ]


@pytest.mark.parametrize("full", [False, True])
def test_reference_log_probabilities_are_those_of_the_reference(tmp_path, full):
    """Of a model of its own, or the policy with its adapter off, however far the policy has moved."""
    reference = tiny_model(seed=3 if full else 0)
    forward = forward_of(
        drawn_source(seed=5),
        options(lora=None if full else LORA),
        model=tiny_model() if full else tiny_lora(),
        reference=reference if full else None,
    )
    run(tmp_path, forward)
    assert forward.drawn_at == 6
    expected = logps_of(reference, forward.groups)
    torch.testing.assert_close(forward.reference_logps, expected, atol=1e-5, rtol=1e-5)
    others = [Group(one.prompt_tokens, one.responses[:2]) for one in forward.groups[5:8]]
    torch.testing.assert_close(
        forward.reference_of(others), expected[5:8, :2], atol=1e-5, rtol=1e-5
    )
    moved = (logps_of(forward.model, forward.groups) - expected).abs()
    assert moved.max() > 0.1


class Listed:
    """Rows in their own order."""

    def rows(self, step):
        return list(range(step * BATCH, (step + 1) * BATCH))


@pytest.mark.parametrize("full", [False, True])
def test_drawing_adds_nothing_but_groups(tmp_path, full):
    """A source that does not look at the policy: weights and losses are, bit for bit, those of a run
    on the same groups as a list, in their order."""
    chosen = options(lora=None if full else LORA)

    def source():
        return MixedSource(
            PROMPTS, {"fixed": (FixedAnswer(), 1.0)}, score_of_tokens, size=5, seed=5
        )

    model = tiny_model() if full else tiny_lora()
    drawn = forward_of(source(), chosen, model, tiny_model() if full else None, refresh_steps=1)
    found = run(tmp_path, drawn)

    groups = source().draw(range(STEPS), BATCH, None, Processes())
    # The model of the table is rounded as the policy is if it sees the same micro-batches.
    size = chosen.micro_batch_size
    steps = [groups[start : start + BATCH] for start in range(0, len(groups), BATCH)]
    parts = [step[start : start + size] for step in steps for start in range(0, BATCH, size)]
    table = torch.cat([in_order(part) for part in parts])
    plain = tiny_model() if full else tiny_lora()
    listed = PolicyForward(plain, groups, chosen, PAD)
    expected = run(tmp_path, listed, len(groups), Listed(), table)
    for name in ("loss", "grad_norm", "learning_rate"):
        assert [row[name] for row in found.metrics] == [row[name] for row in expected.metrics]
    for name, weight in trainable_of(plain).items():
        assert torch.equal(trainable_of(model)[name], weight), name


@torch.no_grad()
def in_order(groups) -> torch.Tensor:
    forward = PolicyForward(tiny_model(), groups, options(), PAD)
    return forward.micro_batch(range(len(groups)))


def test_without_an_adapter_a_reference_is_needed():
    with pytest.raises(ValueError, match="a full fine-tune has no adapter .* needs a reference"):
        forward_of(drawn_source(seed=5), options(lora=None))


def test_a_source_that_draws_too_few_is_named(tmp_path):
    class Short:
        def draw(self, steps, groups_a_step, model, processes):
            return drawn_source(seed=5).draw(steps, groups_a_step, model, processes)[:-1]

    with pytest.raises(ValueError, match="drew 11 groups for 3 steps of 4"):
        run(tmp_path, forward_of(Short(), options()))


def test_a_run_of_fewer_steps_than_are_drawn_at_once(tmp_path):
    source = Followed(drawn_source(seed=5))
    result = run(tmp_path, forward_of(source, options(max_steps=2)))
    assert [steps for steps, _, _ in source.calls] == [range(0, 3)] and len(result.metrics) == 2


def test_gradient_checkpointing_changes_neither_draws_nor_steps(tmp_path):
    """Sampling goes through the very layers whose backward is computed again."""
    runs = []
    for checkpointing in (False, True):
        source = Followed(drawn_source(seed=5))
        forward = forward_of(source, options(gradient_checkpointing=checkpointing))
        run(tmp_path, forward)
        runs.append((trainable_of(forward.model), [groups for _, _, groups in source.calls]))
    assert runs[0][1] == runs[1][1]
    assert all(torch.equal(weight, runs[1][0][name]) for name, weight in runs[0][0].items())


def bf16_run(folder, monkeypatch, table_too_rough):
    """(references by step, log-ratios of the first step, forward, lines)."""
    lines, references = [], []
    monkeypatch.setattr(store, "log", lines.append)
    step = loop.loss_and_gradient

    def followed(forward, objective, rows, reference, backward, share):
        if not isinstance(reference, TableReference):
            expected = AdapterOffReference(forward).micro_batch(rows)
            assert torch.equal(reference.micro_batch(rows), expected)
        loss, batch = step(forward, objective, rows, reference, backward, share)
        references.append((type(reference), batch.log_ratios))
        return loss, batch

    chosen = options(precision="bf16", micro_batch_size=BATCH)
    forward = forward_of(drawn_source(seed=5), chosen, tiny_lora_bf16())
    tables = DrawnForward._of_step

    def rough(self, reading, rows):
        table = tables(self, reading, rows)
        return table + torch.linspace(0, 9, table.numel()).view_as(table).sin()

    with monkeypatch.context() as patched:
        patched.setattr(loop, "loss_and_gradient", followed)
        if table_too_rough:
            patched.setattr(DrawnForward, "_of_step", rough)
        run(folder, forward)
    return references, forward, lines


def tiny_lora_bf16():
    return add_lora(tiny_model().bfloat16(), **LORA, seed=1)


def test_a_rough_table_is_not_used_after_any_refresh(tmp_path, monkeypatch):
    references, forward, lines = bf16_run(tmp_path, monkeypatch, True)
    assert any("each step computes the reference with the adapter off" in line for line in lines)
    assert [kind for kind, _ in references] == [AdapterOffReference] * STEPS
    assert forward.drawn_at == 6


def test_in_bfloat16_a_policy_starts_at_its_reference_exactly(tmp_path, monkeypatch):
    """Whichever reference the run takes: rounding is that of the policy, and cancels."""
    [(_, ratios), *others], _, _ = bf16_run(tmp_path, monkeypatch, False)
    assert ratios.abs().max() == 0
    assert all(later.abs().max() > 0 for _, later in others)
