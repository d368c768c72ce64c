"""Hooks of an objective, the check of the reference at step 0, and every way a run stops."""

import pytest
import torch
from tiny_policy import LORA, PAD, logps_of, random_groups, tiny_lora, tiny_model, trainable_of

from prefgrid.files import store
from prefgrid.objectives import base
from prefgrid.training import checks
from prefgrid.training.batches import Group
from prefgrid.training.loop import train
from prefgrid.training.options import TrainingOptions
from prefgrid.training.reference import TableReference
from prefgrid.training.step import PolicyForward, loss_and_gradient

# This module is itself an objective's, as a user's own would be.
NEEDS = {"targets": "labels", "responses": 2, "reference_logps": True, "coupled": False}
OPTIONS = {"loss": ("mean_index", ["mean_index", "memory", "nan", "steep"])}


class Objective(base.Objective):
    """Records what the loop tells it; fails on request."""

    needs, declared = NEEDS, OPTIONS

    def __init__(self, options, schedule):
        super().__init__(options, schedule)
        self.calls = []

    def loss(self, batch):
        if self.options["loss"] == "memory":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        if self.options["loss"] == "nan":
            return batch.index.sum() * float("nan")
        if self.options["loss"] == "steep":  # 0 at t = 0, with an infinite slope
            return batch.log_ratios.sub(batch.log_ratios.detach()).abs().sum().sqrt()
        return batch.index.mean()

    def wanted_rows(self, step):
        if step == self.schedule.steps:
            return torch.arange(self.schedule.rows)
        return torch.tensor([4, 1, 3]) if step == 1 else None

    def update(self, step, log_ratios, targets):
        self.calls.append(("update", step, log_ratios, targets))

    def observe(self, batch):
        assert not batch.log_ratios.requires_grad and not batch.logp_sums.requires_grad
        self.calls.append(("observe", batch))

    def finish(self, log_ratios, targets):
        self.calls.append(("finish", log_ratios, targets))


@pytest.fixture(scope="module")
def groups():
    return random_groups(6)


@pytest.fixture(scope="module")
def reference(groups):
    return logps_of(tiny_model(), groups)


@pytest.fixture
def lines(monkeypatch):
    """What the run logs."""
    logged = []
    monkeypatch.setattr(store, "log", logged.append)
    return logged


def options(**changes) -> TrainingOptions:
    settings = {
        "epochs": None,
        "max_steps": 3,
        "batch_size": 4,
        "micro_batch_size": 2,
        "learning_rate": 1e-2,
        "lora": LORA,
    }
    return TrainingOptions(**{**settings, **changes})


def make(groups, chosen=None, **objective_options):
    return Objective(objective_options, (chosen or options()).schedule(len(groups), 0))


def run(folder, model, groups, objective, reference, chosen=None):
    return train(
        PolicyForward(model, groups, chosen or options(), PAD),
        objective,
        metrics_path=folder / "metrics.jsonl",
        failure_path=folder / "failure.json",
        reference_logps=reference,
    )


def test_objectives_see_every_step_and_all_rows(tmp_path, groups, reference):
    objective = make(groups)
    result = run(tmp_path, tiny_lora(), groups, objective, reference)
    assert [call[0] for call in objective.calls] == [
        "observe",
        "update",
        "observe",
        "observe",
        "finish",
    ]
    labels = torch.tensor([group.target for group in groups])
    _, step, ratios, seen_labels = objective.calls[1]
    assert step == 1 and ratios.shape == (6, 2) and not ratios.requires_grad
    index = base.pair_index(ratios)
    assert torch.equal(seen_labels, labels)
    # Known of the wanted rows alone; batch 2 is among them, and its index there is its own: the
    # weights are the same, the layout is not.
    assert index.isnan().tolist() == [True, False, True, False, False, True]
    second = objective.calls[2][1]
    torch.testing.assert_close(index[second.rows], second.index, atol=1e-4, rtol=1e-4)
    assert index[second.rows].abs().max() > 1e-3
    assert (
        torch.equal(base.pair_index(objective.calls[-1][1]), result.index)
        and result.index.isfinite().all()
    )
    # 6 rows in batches of 4: the second step ends the epoch with 2.
    assert [len(call[1].rows) for call in objective.calls if call[0] == "observe"] == [4, 2, 4]
    lengths = torch.tensor([[len(r) for r in groups[row].responses] for row in second.rows])
    assert torch.equal(second.lengths, lengths)
    assert torch.equal(second.targets, labels[second.rows])


def test_reference_table_that_fits_is_used_as_it_is(tmp_path, groups, reference, lines):
    run(tmp_path, tiny_lora(), groups, make(groups), reference)
    assert any("reference check: sd(t)" in line for line in lines)
    assert not any("adapter off" in line for line in lines)


def test_reference_table_with_errors_gives_way_to_the_adapter_off(
    tmp_path, groups, reference, lines
):
    """Errors of sd 0.1 on each of two responses: sd(t) about 0.14, above the limit of 0.02."""
    noise = 0.1 * torch.randn(reference.shape, generator=torch.Generator().manual_seed(0))
    rough, exact = tiny_lora(), tiny_lora()
    rows = run(tmp_path, rough, groups, make(groups), reference + noise).metrics
    assert any("each step computes the reference with the adapter off" in line for line in lines)
    # The same batch, forward and rounding on both sides, not about but exactly the same.
    assert rows[0]["index_sd"] == 0
    run(tmp_path, exact, groups, make(groups), reference)
    for name, weight in trainable_of(exact).items():
        torch.testing.assert_close(trainable_of(rough)[name], weight, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("micro_batch_size", [4, 3, 1])
def test_adapter_off_is_the_reference_while_training(
    tmp_path, groups, reference, lines, micro_batch_size
):
    """t of a trained policy, in steps and over the data set, is that of a good table."""
    chosen = options(micro_batch_size=micro_batch_size, max_steps=4)
    ends = []
    for table in (reference, reference + 5 * torch.arange(12.0).view(6, 2)):
        model, objective = tiny_lora(dropout=0.3), make(groups, chosen)
        ends.append(run(tmp_path, model, groups, objective, table, chosen).index)
        ends.append(objective.calls[-2][1].log_ratios)
        assert trainable_of(model), "the adapter was left switched off"
    assert any("with the adapter off" in line for line in lines)
    for expected, found in zip(ends[:2], ends[2:], strict=True):
        assert expected.abs().max() > 1e-2
        torch.testing.assert_close(found, expected, atol=2e-4, rtol=1e-3)


def test_forward_that_does_not_repeat_itself_is_an_error(tmp_path, groups, reference, monkeypatch):
    """Each forward of a step 3 nats higher than the one before, as noise of the model would be."""
    whole = PolicyForward.micro_batch
    calls = []

    def drifting(self, rows):
        calls.append(rows)
        return whole(self, rows) + 3.0 * len(calls) * torch.tensor([0.0, 1.0])

    monkeypatch.setattr(PolicyForward, "micro_batch", drifting)
    with pytest.raises(RuntimeError, match="sd.t. of the first batch is .* with it off; allowed"):
        run(tmp_path, tiny_lora(), groups, make(groups), reference + torch.tensor([0.0, 1.0]))


@pytest.mark.parametrize(
    ("name", "micro_batch_size", "forwards"),
    [("dpo", 4, 1), ("dpo", 1, 4), ("rspo", 4, 1), ("rspo", 1, 8)],
)
def test_only_coupled_losses_take_two_passes(
    groups, reference, monkeypatch, name, micro_batch_size, forwards
):
    """4 rows: a forward a micro-batch, and one more of each where the loss couples them."""
    chosen = options(micro_batch_size=micro_batch_size)
    forward = PolicyForward(tiny_lora(), groups, chosen, PAD)
    calls = []
    whole = forward.micro_batch
    monkeypatch.setattr(forward, "micro_batch", lambda rows: calls.append(rows) or whole(rows))
    objective = base.create(name, {}, chosen.schedule(len(groups), 0))
    loss_and_gradient(
        forward,
        objective,
        [3, 0, 5, 1],
        TableReference(reference),
        torch.Tensor.backward,
        share=1.0,
    )
    assert len(calls) == forwards


@pytest.mark.parametrize("kind", ["trained adapter", "full fine-tune"])
def test_policy_that_starts_elsewhere_keeps_its_reference(tmp_path, groups, reference, lines, kind):
    model = tiny_model(seed=3) if kind == "full fine-tune" else tiny_lora()
    chosen = options(lora=None) if kind == "full fine-tune" else options()
    if kind == "trained adapter":
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "lora_B" in name:
                    weight.fill_(0.05)
    start = logps_of(model, groups) - reference
    objective = make(groups, chosen)
    run(tmp_path, model, groups, objective, reference, chosen)
    said = {
        "full fine-tune": "a full fine-tune cannot tell whether",
        "trained adapter": "the policy does not start at its reference",
    }
    for starts, words in said.items():
        assert any(words in line for line in lines) == (starts == kind)
    first = objective.calls[0][1]
    torch.testing.assert_close(first.log_ratios, start[first.rows], atol=1e-4, rtol=1e-4)


def test_about_twenty_progress_lines(tmp_path, groups, reference, lines):
    chosen = options(max_steps=60, micro_batch_size=4)
    run(tmp_path, tiny_lora(), groups, make(groups, chosen), reference, chosen)
    progress = [line for line in lines if line.startswith("step ")]
    assert 18 <= len(progress) <= 22
    assert progress[-1].startswith("step 60/60  loss ") and "pair accuracy" in progress[-1]


@pytest.mark.parametrize(
    ("loss", "what"), [("nan", "the loss is not finite"), ("steep", "the gradient is not finite")]
)
@pytest.mark.parametrize("micro_batch_size", [2, 4])
def test_non_finite_stops_with_the_batch_on_disk(
    tmp_path, groups, reference, loss, what, micro_batch_size
):
    chosen = options(micro_batch_size=micro_batch_size)
    model, objective = tiny_lora(), make(groups, loss=loss)
    before = trainable_of(model)
    with pytest.raises(FloatingPointError, match=what) as caught:
        run(tmp_path, model, groups, objective, reference, chosen)
    path = tmp_path / "failure.json"
    assert str(path) in str(caught.value) and "step 1" in str(caught.value)
    report = store.read_json(path)
    assert report["step"] == 1 and len(report["groups"]) == 4
    for entry in report["groups"]:
        group = groups[entry["row"]]
        assert entry["prompt_tokens"] == group.prompt_tokens
        assert entry["responses"] == group.responses and entry["target"] == group.target
        assert len(entry["logp_sums"]) == len(entry["log_ratios"]) == 2
    assert all(torch.equal(trainable_of(model)[name], value) for name, value in before.items())


def test_a_last_step_that_leaves_the_floats_is_an_error(tmp_path, groups, reference):
    """No loss follows it. Weights near 1e20 are finite still, but their squares are not; the first
    step of Adam is the learning rate over 1 − 0.9, which float32 cannot hold for 1e38.
    """
    for learning_rate, what in (
        (1e20, "the log-ratios of 6 of 6 training rows are not finite after 1 steps"),
        (1e38, "a trained weight is not finite at step 1"),
    ):
        chosen = options(max_steps=1, learning_rate=learning_rate)
        objective = make(groups, chosen)
        with pytest.raises(FloatingPointError, match=what):
            run(tmp_path, tiny_lora(), groups, objective, reference, chosen)
        assert [call[0] for call in objective.calls] == ["observe"]
        assert store.read_json(tmp_path / "failure.json")["step"] == 1


def test_objectives_are_updated_with_finite_indices_only(tmp_path, groups, reference):
    chosen = options(max_steps=2, learning_rate=1e20)
    objective = make(groups, chosen)
    with pytest.raises(FloatingPointError, match="not finite after 1 steps"):
        run(tmp_path, tiny_lora(), groups, objective, reference, chosen)
    assert [call[0] for call in objective.calls] == ["observe"]
    entry = store.read_json(tmp_path / "failure.json")["groups"][0]
    assert {"nan", "inf", "-inf"} & set(entry["log_ratios"])
    assert entry["prompt_tokens"] == groups[entry["row"]].prompt_tokens


def test_broken_weights_are_reported_as_text(tmp_path, groups, reference):
    model = tiny_lora()
    with torch.no_grad():
        model.get_parameter("base_model.model.model.norm.weight").fill_(float("nan"))
    with pytest.raises(FloatingPointError):
        run(tmp_path, model, groups, make(groups), reference)
    assert store.read_json(tmp_path / "failure.json")["groups"][0]["logp_sums"] == ["nan", "nan"]


@pytest.mark.parametrize("message", ["CUDA", "DefaultCPUAllocator: can't allocate memory"])
def test_out_of_memory_says_what_to_lower(tmp_path, groups, reference, monkeypatch, message):
    objective = make(groups, loss="memory")
    if message != "CUDA":

        def allocate(batch):
            raise RuntimeError(f"{message}: you tried to allocate 17179869184 bytes.")

        monkeypatch.setattr(objective, "loss", allocate)
    with pytest.raises(
        RuntimeError, match="lower training.micro_batch_size .now 2; .*max_prompt_tokens"
    ):
        run(tmp_path, tiny_lora(), groups, objective, reference)


def test_other_runtime_errors_are_left_alone(tmp_path, groups, reference, monkeypatch):
    objective = make(groups)

    def broken(batch):
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(objective, "loss", broken)
    with pytest.raises(RuntimeError, match="^shapes differ$"):
        run(tmp_path, tiny_lora(), groups, objective, reference)


def test_refuses_a_model_without_trainable_tensors(tmp_path, groups, reference):
    model = tiny_lora().requires_grad_(False)
    with pytest.raises(ValueError, match="no trainable tensors"):
        run(tmp_path, model, groups, make(groups), reference)
    with pytest.raises(ValueError, match="must be float32"):
        run(tmp_path, tiny_model().bfloat16(), groups, make(groups), reference)


def test_unchanged_weights_are_an_error(tmp_path, groups, reference):
    chosen = options(learning_rate=0.0)
    with pytest.raises(RuntimeError, match="weights are unchanged after 3 steps"):
        run(tmp_path, tiny_lora(), groups, make(groups, chosen), reference, chosen)


def test_arguments_that_do_not_fit_each_other(tmp_path, groups, reference, monkeypatch):
    model = tiny_lora()
    unlabelled = [Group(group.prompt_tokens, group.responses) for group in groups]
    single = [Group(group.prompt_tokens, group.responses[:1], 1.0) for group in groups]
    for data, table, message in (
        (groups, None, "needs reference log-probabilities"),
        (groups, reference[:3], "3 rows of reference log-probabilities for 6 groups"),
        (unlabelled, reference, "row 0: target None"),
        (single, reference, "row 0 has 1 responses"),
        (groups[:4], reference[:4], "is not that of 4 groups"),
    ):
        with pytest.raises(ValueError, match=message):
            run(tmp_path, model, data, make(groups), table)
    chosen = options(precision="fp16")
    monkeypatch.setattr(checks.devices, "device", lambda: torch.device("cpu"))
    with pytest.raises(ValueError, match="fp16 needs a GPU"):
        run(tmp_path, model, groups, make(groups, chosen), reference, chosen)
