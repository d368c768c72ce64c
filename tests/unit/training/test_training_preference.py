"""Comparisons as rows of the training loop: values, gradients, data, orders and whole runs."""

import math
import re
from dataclasses import replace

import pytest
import torch
from tiny_policy import LORA, PAD, tiny_lora, tiny_model, trainable_of
from tiny_preferences import chat_tokenizer, compared, preference_model, shape

from prefgrid.logprobs.sequence import sequence_logps
from prefgrid.models.preference import PreferenceModel
from prefgrid.objectives.base import Schedule
from prefgrid.objectives.preference_losses import PreferenceLoss
from prefgrid.training.batches import DataOrder
from prefgrid.training.loop import train
from prefgrid.training.options import TrainingOptions
from prefgrid.training.preference import Annealing, PreferenceForward
from prefgrid.training.preference_rows import Comparison, compared_groups

OPTIONS = TrainingOptions(
    epochs=None, max_steps=6, batch_size=4, micro_batch_size=2, learning_rate=1e-2
)
TOLD = {"prompt_format": "chat", "max_prompt_tokens": 40, "max_tokens": 60}


def forward(groups, model=None, options=OPTIONS, **named) -> PreferenceForward:
    return PreferenceForward(
        model or preference_model(gate="softmax"), groups, options, PAD, **named
    )


def alone(model, group) -> torch.Tensor:
    """[E] of logits, each dialogue by a forward of the whole model of its own."""
    found = []
    for one in group.comparisons:
        v = []
        for number in (one.better, one.worse):
            ids = torch.tensor([[*group.prompt_tokens, *group.responses[number]]])
            states = model.backbone.get_decoder()(input_ids=ids).last_hidden_state[0]
            v.append(model.embeddings(states[-1]))
            scales = model.scales(states[len(group.prompt_tokens) - 1])
        s = sum(
            scales[m] * (v[0][2 * m] * v[1][2 * m + 1] - v[0][2 * m + 1] * v[1][2 * m])
            for m in range(len(scales))
        )
        found.append((s - one.margin) / model.temperature)
    return torch.stack(found)


@torch.no_grad()
def test_values_are_those_of_each_dialogue_alone():
    groups = compared(6, margin=0.3)
    one = forward(groups)
    values = one.micro_batch([3, 0, 5])
    for row, group in zip(values, [groups[3], groups[0], groups[5]], strict=True):
        count = len(group.comparisons)
        torch.testing.assert_close(row[:count], alone(one.model, group), atol=1e-5, rtol=0)
        assert not row[count:].any()
    assert one.lengths.tolist() == [[1, 1, int(number % 3 != 2)] for number in range(6)]


@torch.no_grad()
@pytest.mark.parametrize("ptx_loss", ["token_nll", "sequence", "dpo"])
def test_language_model_values_are_sequence_log_probabilities(ptx_loss):
    """Of the better and for DPO also of the worse, from the very forward of the embeddings."""
    groups = compared(5)
    one = forward(groups, ptx_loss=ptx_loss)
    values = one.micro_batch(range(5)).chunk(3 if ptx_loss == "dpo" else 2, 1)
    tables = one.lengths.chunk(len(values), 1)
    logps, lengths = sequence_logps(
        one.model.backbone,
        [group.prompt_tokens for group in groups],
        [group.responses for group in groups],
        pad_id=PAD,
    )
    assert torch.equal(values[0], forward(groups, one.model).micro_batch(range(5)))
    for side, found, table in zip(("better", "worse"), values[1:], tables[1:], strict=False):
        for row, group in enumerate(groups):
            for column, pair in enumerate(group.comparisons):
                number = getattr(pair, side)
                expected = logps[row, number].item()
                assert found[row, column].item() == pytest.approx(expected, abs=1e-4)
                assert table[row, column] == lengths[row, number]


def test_one_step_is_that_of_the_loss_written_out():
    """The gradient of every weight, against autograd through each dialogue alone."""
    groups = compared(4, margin=0.1)
    model = preference_model(gate="softplus", learn_temperature=True)
    one = forward(groups, model)
    objective = PreferenceLoss({}, OPTIONS.schedule(4, 0))
    from prefgrid.training.reference import TableReference
    from prefgrid.training.step import loss_and_gradient

    table = TableReference(torch.zeros(one.lengths.shape))
    loss, _ = loss_and_gradient(one, objective, [0, 1, 2, 3], table, torch.Tensor.backward, 1.0)
    found = {
        name: weight.grad.clone()
        for name, weight in model.named_parameters()
        if weight.grad is not None
    }
    model.zero_grad()
    losses = [torch.nn.functional.softplus(-alone(model, group)).mean() for group in groups]
    expected = torch.stack(losses).mean()
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), abs=1e-6)
    assert {"value_head.weight", "prompt_head.weight", "raw_temperature"} <= found.keys()
    for name, weight in model.named_parameters():
        if weight.grad is not None:
            torch.testing.assert_close(found[name], weight.grad, atol=1e-5, rtol=1e-4)


ROW = {
    "prompt": "q",
    "responses": [{"text": "yes"}, {"text": "no"}, {"text": ""}],
}


def groups_of(comparisons, loss="ce", margin=False, **changes):
    rows = [{**ROW, "comparisons": comparisons, **changes}]
    return compared_groups(rows, chat_tokenizer(), **TOLD, loss=loss, margin=margin)


def edge(first, second, probability=1.0, **more):
    return {"first": first, "second": second, "probability": probability, **more}


@pytest.mark.parametrize(
    ("loss", "margin", "expected"),
    [
        ("ce", False, [Comparison(0, 1, 1.0), Comparison(0, 2, 1.0)]),
        ("ce", True, [Comparison(0, 1, 1.0, 2.0), Comparison(0, 2, 1.0, 0.5)]),
        ("soft_ce", False, [Comparison(0, 1, 1.0), Comparison(0, 2, 0.75), Comparison(1, 2, 0.5)]),
        ("mse", False, [Comparison(0, 1, 10.0), Comparison(0, 2, 10.0)]),
        (
            "mse",
            True,
            [
                Comparison(0, 1, 5 / (1 + math.exp(-2.0))),
                Comparison(0, 2, 5 / (1 + math.exp(-0.5))),
            ],
        ),
    ],
)
def test_the_likelier_response_is_the_better_one(loss, margin, expected):
    """A label for ce and mse, where a tie says nothing; a margin is how far apart they are."""
    edges = [
        edge(0, 1, 1.0, margin=2.0),
        edge(2, 0, 0.25, margin=-0.5),
        edge(1, 2, 0.5, margin=0.0),
    ]
    [group], _ = groups_of(edges, loss, margin)
    assert [(one.better, one.worse) for one in group.comparisons] == [
        (one.better, one.worse) for one in expected
    ]
    for found, one in zip(group.comparisons, expected, strict=True):
        assert (found.target, found.margin) == pytest.approx((one.target, one.margin))


def test_rows_are_left_out_and_counted():
    rows = [
        {**ROW, "comparisons": [edge(0, 1)]},
        {**ROW, "comparisons": [edge(0, 1, 0.5)]},
        {**ROW, "responses": [{"text": "x" * 99}, {"text": "y"}], "comparisons": [edge(0, 1)]},
        {**ROW, "prompt": "p" * 80, "comparisons": [edge(0, 1)]},
    ]
    groups, counts = compared_groups(rows, chat_tokenizer(), **TOLD, loss="ce", margin=False)
    assert len(groups) == 2
    assert counts == {"prompts_cut": 1, "too_long": 1, "undecided": 1}
    assert len(groups[1].prompt_tokens) == TOLD["max_prompt_tokens"]


def test_margins_that_are_not_there_are_refused():
    with pytest.raises(
        ValueError, match="row 0: margin is true, but the comparison of 0 with 1 has"
    ):
        groups_of([edge(0, 1)], margin=True)


def test_a_prompt_of_no_tokens_is_refused():
    rows = [{**ROW, "prompt": "", "comparisons": [edge(0, 1)]}]
    with pytest.raises(ValueError, match="row 0: the prompt has no token to read"):
        compared_groups(
            rows, chat_tokenizer(), **TOLD | {"prompt_format": "raw"}, loss="ce", margin=False
        )


@pytest.mark.parametrize("rows", [24, 26])
def test_blocks_of_rows_stay_together_and_all_rows_are_seen(rows):
    order = DataOrder(Schedule(rows, 14, 7, seed=3), batch_size=4, block=4)
    epochs = [[order.rows(7 * epoch + step) for step in range(7)] for epoch in range(2)]
    for batches in epochs:
        assert sorted(row for batch in batches for row in batch) == list(range(rows))
        for batch in batches[: rows // 4]:
            assert batch == list(range(batch[0], batch[0] + 4)) and batch[0] % 4 == 0
    assert epochs[0] != epochs[1]


def test_blocks_of_one_row_are_the_order_of_any_run():
    import numpy as np

    from prefgrid import seeding

    schedule = Schedule(10, 5, 5, seed=7)
    order = DataOrder(schedule, batch_size=2)
    expected = seeding.stream(7, "data_order", 0).permutation(10)
    assert np.array_equal(sum((order.rows(step) for step in range(5)), []), expected)


def test_the_temperature_falls_as_told():
    annealing = Annealing(factor=16.0, steps=4)
    heats = [annealing.heat(step) for step in range(6)]
    assert heats == pytest.approx([16, 8, 4, 2, 1, 1])
    groups = compared(3)
    hot = forward(groups, annealing=annealing)
    cold = forward(groups, hot.model)
    with torch.no_grad():
        assert not hot.refresh(1)
        torch.testing.assert_close(8 * hot.micro_batch([0, 1]), cold.micro_batch([0, 1]))
        hot.refresh(5)
        assert torch.equal(hot.micro_batch([0, 1]), cold.micro_batch([0, 1]))


def trained(tmp_path, groups, model, options=OPTIONS, **named):
    one = forward(groups, model, options, **named)
    result = train(
        one,
        PreferenceLoss({"ptx_loss": one.ptx_loss}, options.schedule(len(groups), 0)),
        metrics_path=tmp_path / "metrics.jsonl",
        failure_path=tmp_path / "failure.json",
    )
    return [row["loss"] for row in result.metrics]


def test_a_model_that_is_read_wrongly_is_not_trained(tmp_path, monkeypatch):
    from prefgrid.training import preference

    model, read, groups = preference_model(), preference.check_log_probs, compared(4)
    tokens = [*groups[0].prompt_tokens, *groups[0].responses[0]]
    asked = []
    monkeypatch.setattr(preference, "check_log_probs", lambda *one: asked.append(one) or read(*one))
    trained(tmp_path, groups, model)
    assert asked == [(model.backbone, tokens, PAD)]


def test_accumulation_changes_nothing(tmp_path):
    """A group's comparisons are its own loss, so micro-batches need one pass."""
    groups = compared(9)
    runs = [
        trained(
            tmp_path,
            groups,
            preference_model(gate="softmax"),
            replace(OPTIONS, micro_batch_size=size),
            ptx_loss="dpo",
        )
        for size in (1, 4)
    ]
    assert runs[0] == pytest.approx(runs[1], abs=2e-5)
    assert runs[0][0] != runs[0][-1]


@pytest.mark.parametrize("lora", [None, LORA])
def test_heads_are_always_trained_and_frozen_weights_never(tmp_path, lora):
    backbone = tiny_model() if lora is None else tiny_lora()
    model = PreferenceModel(backbone, shape(gate="softmax", learn_temperature=True))
    before = trainable_of(model)
    frozen = {n: w.clone() for n, w in model.named_parameters() if not w.requires_grad}
    trained(tmp_path, compared(8), model, replace(OPTIONS, lora=lora, gradient_checkpointing=True))
    after = trainable_of(model)
    for name in ("value_head.weight", "prompt_head.weight", "raw_temperature"):
        assert not torch.equal(before[name], after[name]), name
    assert all(torch.equal(w, frozen[n]) for n, w in model.named_parameters() if n in frozen)
    assert bool(frozen) == (lora is not None)


def test_autocast_is_another_rounding_alone(tmp_path):
    groups = compared(8)
    plain = trained(tmp_path, groups, preference_model(), OPTIONS)
    half = trained(tmp_path, groups, preference_model(), replace(OPTIONS, precision="bf16"))
    assert half != plain and half[0] == pytest.approx(plain[0], abs=0.05)


def test_a_batch_that_is_not_finite_is_described(tmp_path):
    from prefgrid.files import store

    with pytest.raises(FloatingPointError, match="is not finite"):
        trained(tmp_path, compared(8), preference_model(), replace(OPTIONS, learning_rate=1e38))
    [*_, row] = store.read_json(tmp_path / "failure.json")["groups"]
    assert re.fullmatch(r"\[\[0, 1, 1\.0\].*", str(row["comparisons"]))


def test_a_circle_is_learned_by_pairs_of_numbers_and_by_no_scalar(tmp_path):
    """Three responses, the same in all rows: a score ends with equal rewards."""
    groups = [compared(1, responses=3)[0]] * 4
    options = replace(OPTIONS, max_steps=60, learning_rate=1e-3)
    gpm = preference_model(temperature=1.0, normalize=False)
    bt = preference_model(dimension=1, temperature=1.0, normalize=False)
    assert trained(tmp_path, groups, gpm, options)[-1] < 0.1
    assert trained(tmp_path, groups, bt, options)[-1] == pytest.approx(math.log(2), abs=0.02)
