"""The loop on tiny models: results that must not depend on how they are computed."""

import math

import pytest
import torch
from tiny_policy import (
    LORA,
    PAD,
    logps_of,
    random_groups,
    tiny_lora,
    tiny_model,
    tiny_tokenizer,
    trainable_of,
)

from prefgrid.files import store
from prefgrid.models.loading import load_adapter, load_causal_lm, save_adapter, save_model
from prefgrid.objectives import base
from prefgrid.training.batches import Group
from prefgrid.training.loop import train
from prefgrid.training.options import TrainingOptions
from prefgrid.training.policy import load_policy
from prefgrid.training.reference import MAX_START_SD_NATS, TableReference
from prefgrid.training.step import PolicyForward, loss_and_gradient


def options(**changes) -> TrainingOptions:
    settings = {
        "epochs": None,
        "max_steps": 3,
        "batch_size": 8,
        "micro_batch_size": 8,
        "learning_rate": 1e-3,
        "lora": LORA,
    }
    return TrainingOptions(**{**settings, **changes})


def run(
    folder, model, groups, name="dpo", seed=0, reference=None, chosen=None, **objective_options
):
    chosen = chosen or options()
    objective = base.create(name, objective_options, chosen.schedule(len(groups), seed))
    return train(
        PolicyForward(model, groups, chosen, PAD),
        objective,
        metrics_path=folder / "metrics.jsonl",
        failure_path=folder / "failure.json",
        reference_logps=reference,
    )


@pytest.fixture(scope="module")
def groups():
    return random_groups(8)


@pytest.fixture(scope="module")
def reference(groups):
    return logps_of(tiny_model(), groups)


@pytest.mark.parametrize("name", ["dpo", "rspo", "simpo", "kto_pair"])
def test_accumulation_changes_nothing(tmp_path, groups, reference, name):
    """8 groups in one micro-batch = 8 micro-batches of 1 = 3 + 3 + 2."""
    weights, metrics = [], []
    for size in (8, 1, 3):
        model = tiny_lora()
        chosen = options(micro_batch_size=size)
        metrics.append(run(tmp_path, model, groups, name, 0, reference, chosen).metrics)
        weights.append(trainable_of(model))
    for other, rows in zip(weights[1:], metrics[1:], strict=True):
        for key, value in weights[0].items():
            torch.testing.assert_close(other[key], value, atol=1e-6, rtol=0)
        # Sums near 30 nats are spaced by 2e-6 in float32.
        losses = [[row["loss"] for row in run_rows] for run_rows in (metrics[0], rows)]
        assert losses[1] == pytest.approx(losses[0], abs=1e-5)


def test_accumulation_of_dropout_replays_each_micro_batch(groups, reference):
    """Two passes = one graph over all micro-batches, each with the dropout of its first pass."""

    def prepared():
        model = tiny_lora(dropout=0.4)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "lora_B" in name:
                    weight.fill_(0.05)
        return model.train()

    chosen = options(micro_batch_size=3)
    objective = base.create("rspo", {}, chosen.schedule(8, 0))
    labels = torch.tensor([group.target for group in groups])
    rows = [5, 1, 0, 7, 2, 3, 6, 4]

    model = prepared()
    torch.manual_seed(11)
    loss, _ = loss_and_gradient(
        PolicyForward(model, groups, chosen, PAD),
        objective,
        rows,
        TableReference(reference),
        torch.Tensor.backward,
        share=1.0,
    )
    after = torch.get_rng_state()

    one_graph = prepared()
    forward = PolicyForward(one_graph, groups, chosen, PAD)
    torch.manual_seed(11)
    parts = [forward.micro_batch(rows[start : start + 3]) for start in (0, 3, 6)]
    sums = torch.cat(parts)
    batch = base.Batch(
        torch.tensor(rows),
        sums - reference[rows],
        sums,
        forward.lengths[rows],
        labels[rows],
    )
    expected = objective.loss(batch)
    expected.backward()

    torch.testing.assert_close(loss, expected.detach())
    assert torch.equal(torch.get_rng_state(), after)
    compared = 0
    for (name, weight), (_, other) in zip(
        model.named_parameters(), one_graph.named_parameters(), strict=True
    ):
        if weight.requires_grad:
            torch.testing.assert_close(weight.grad, other.grad, atol=1e-5, rtol=1e-5, msg=name)
            compared += 1
    assert compared == 28  # 2 layers x 7 linear layers x (A, B)
    torch.manual_seed(12)
    other_dropout = forward.micro_batch(rows[:3])
    assert (other_dropout - parts[0]).abs().max() > 1e-3, "dropout does nothing here"


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_same_seed_same_bits_other_seed_other_weights(tmp_path, groups, reference, dropout):
    results = []
    for seed, noise in ((0, 1), (0, 2), (1, 1)):
        model = tiny_lora(dropout=dropout)
        torch.manual_seed(noise)  # what ran before must not matter
        chosen = options(batch_size=4)
        result = run(tmp_path, model, groups, seed=seed, reference=reference, chosen=chosen)
        results.append((trainable_of(model), result.metrics))
    same, again, other = results
    assert same[1] == again[1]
    assert all(torch.equal(same[0][name], again[0][name]) for name in same[0])
    assert not all(torch.equal(same[0][name], other[0][name]) for name in same[0])


def test_global_random_state_and_frozen_weights_stay(tmp_path, groups, reference):
    model = tiny_lora(dropout=0.1)
    frozen = {n: w.clone() for n, w in model.named_parameters() if not w.requires_grad}
    state = torch.get_rng_state()
    run(tmp_path, model, groups, reference=reference)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(model.get_parameter(name), value) for name, value in frozen.items())


def test_metrics_rows(tmp_path, reference):
    """10 groups in batches of 4: 4, 8, 10, 14 examples seen; the first DPO loss is log 2."""
    groups = random_groups(10)
    reference = logps_of(tiny_model(), groups)
    chosen = options(batch_size=4, micro_batch_size=2, max_steps=4, warmup_steps=1)
    result = run(tmp_path, tiny_lora(), groups, reference=reference, chosen=chosen)
    assert store.read_jsonl(tmp_path / "metrics.jsonl") == result.metrics
    assert list(result.metrics[0]) == [
        "step",
        "epoch",
        "loss",
        "margin",
        "index_sd",
        "chosen_log_ratio",
        "rejected_log_ratio",
        "pair_accuracy",
        "grad_norm",
        "learning_rate",
        "examples_seen",
    ]
    assert [row["examples_seen"] for row in result.metrics] == [4, 8, 10, 14]
    assert [row["step"] for row in result.metrics] == [1, 2, 3, 4]
    assert [row["epoch"] for row in result.metrics] == pytest.approx([1 / 3, 2 / 3, 1, 4 / 3])
    first = result.metrics[0]
    assert first["loss"] == pytest.approx(math.log(2), abs=1e-5)
    assert first["index_sd"] < 1e-4 and first["grad_norm"] > 0
    assert first["learning_rate"] == pytest.approx(0.5e-3)
    assert result.index.shape == (10,) and result.index.dtype == torch.float32


def test_learning_rate_of_the_step_is_the_one_used(tmp_path, groups, reference):
    """Adam moves a weight by lr·g/(|g| + 1e-8) while its gradient stays: here by 1e-5 · (1/2 + 1)."""
    model = tiny_lora()
    before = trainable_of(model)
    chosen = options(max_steps=2, warmup_steps=1, learning_rate=1e-5)
    run(tmp_path, model, groups, reference=reference, chosen=chosen)
    after = trainable_of(model)
    moved = max((after[name] - before[name]).abs().max().item() for name in before)
    assert moved == pytest.approx(1.5e-5, rel=1e-2)


def test_training_fits_the_labels_and_leaves_the_reference_table_alone(tmp_path, groups, reference):
    """Flipped labels move the policy the other way from the very same table."""
    table = reference.clone()
    chosen = options(max_steps=8, learning_rate=1e-2)
    labels = torch.tensor([group.target for group in groups])
    flipped = [Group(group.prompt_tokens, group.responses, 1 - group.target) for group in groups]
    for data, wanted in ((groups, labels), (flipped, 1 - labels)):
        result = run(tmp_path, tiny_lora(), data, reference=table, chosen=chosen)
        assert ((2 * wanted - 1) * result.index > 0).all()
        assert result.metrics[-1]["pair_accuracy"] == 1.0
    assert torch.equal(table, reference)


def test_sft_loss_is_the_mean_negative_log_likelihood_of_a_token(tmp_path):
    """Whatever the micro-batches: Σ log p over all tokens of the batch / their number."""
    groups = random_groups(6, responses=1, labels=False)
    model = tiny_model()
    with torch.no_grad():
        total, tokens = 0.0, 0
        for group in groups:
            (response,) = group.responses
            ids = torch.tensor([[*group.prompt_tokens, *response]])
            logps = model(input_ids=ids).logits[0].log_softmax(-1)
            start = len(group.prompt_tokens) - 1
            total += sum(logps[start + k, token].item() for k, token in enumerate(response))
            tokens += len(response)
    for size in (6, 4):
        policy = tiny_model()
        chosen = options(batch_size=6, micro_batch_size=size, lora=None)
        result = run(tmp_path, policy, groups, "sft", chosen=chosen)
        losses = [row["loss"] for row in result.metrics]
        assert losses[0] == pytest.approx(-total / tokens, abs=1e-5)
        assert losses[-1] < losses[0]
        assert result.index is None
        assert result.metrics[0]["margin"] is None
    # A full fine-tune moves every weight.
    for (name, weight), old in zip(policy.named_parameters(), model.parameters(), strict=True):
        assert not torch.equal(weight, old), name


def test_reloaded_adapter_is_trainable_and_its_weights_change(tmp_path, groups, reference):
    model = tiny_lora()
    run(tmp_path, model, groups, reference=reference)
    save_adapter(tmp_path / "adapter", model)
    again = load_adapter(tiny_model(), tmp_path / "adapter", trainable=True)
    start = trainable_of(again)
    result = run(tmp_path, again, groups, reference=reference)
    assert result.metrics[0]["index_sd"] > 1e-3, "it starts where the first run ended"
    end = trainable_of(again)
    assert start.keys() == end.keys() == trainable_of(model).keys()
    assert not any(torch.equal(start[name], end[name]) for name in start)


@pytest.mark.parametrize("lora", [LORA, None])
def test_bfloat16_trains_float32_weights(tmp_path, groups, lora):
    save_model(tmp_path / "base", tiny_model(), tiny_tokenizer())
    chosen = options(precision="bf16", lora=lora, micro_batch_size=4)
    policy = load_policy(tmp_path / "base", chosen, seed=0)
    trainable = {w.dtype for w in policy.parameters() if w.requires_grad}
    frozen = {w.dtype for w in policy.parameters() if not w.requires_grad}
    assert trainable == {torch.float32}
    assert frozen == ({torch.bfloat16} if lora else set())
    longer = [
        Group(group.prompt_tokens, [8 * response for response in group.responses], group.target)
        for group in groups
    ]
    # A float32 table, so its rounding is not at all that of a bfloat16 step.
    reference = logps_of(load_causal_lm(tmp_path / "base"), longer)
    result = run(tmp_path, policy, longer, reference=reference, chosen=chosen)
    assert all(math.isfinite(row["loss"]) for row in result.metrics)
    if lora:
        error = logps_of(load_causal_lm(tmp_path / "base", "bf16"), longer) - reference
        assert (error[:, 1] - error[:, 0]).std() > MAX_START_SD_NATS, "rounding does not show here"
        # So the adapter-off forward of the step itself was taken, with exactly its rounding.
        assert result.metrics[0]["index_sd"] == 0
