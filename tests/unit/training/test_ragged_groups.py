"""Groups of any and of unequal numbers of responses, against one plain forward for each response."""

from dataclasses import replace

import pytest
import torch
from tiny_policy import LORA, PAD, logps_of, random_groups, tiny_lora, tiny_model
from tiny_scores import Objective, scored_groups

from prefgrid.files import store
from prefgrid.objectives import base, dpo
from prefgrid.training.batches import Group
from prefgrid.training.loop import train
from prefgrid.training.metrics import NAMES
from prefgrid.training.options import TrainingOptions
from prefgrid.training.reference import TableReference
from prefgrid.training.step import PolicyForward, loss_and_gradient

COUNTS = (3, 1, 2, 1, 3, 2)


def options(**changes) -> TrainingOptions:
    settings = {"epochs": None, "max_steps": 4, "batch_size": 4, "micro_batch_size": 2}
    return TrainingOptions(**{**settings, "learning_rate": 1e-2, "lora": LORA, **changes})


def run(folder, model, groups, objective, reference, chosen):
    return train(
        PolicyForward(model, groups, chosen, PAD),
        objective,
        metrics_path=folder / "metrics.jsonl",
        failure_path=folder / "failure.json",
        reference_logps=reference,
    )


def moved_lora():
    """An adapter that is not new, so that log-ratios are not 0."""
    model = tiny_lora()
    random = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.copy_(0.05 * torch.randn(weight.shape, generator=random))
    return model


def logp_by_hand(model, prompt, response) -> torch.Tensor:
    logits = model(input_ids=torch.tensor([[*prompt, *response]])).logits[0]
    logps = logits.log_softmax(-1)
    return sum(logps[len(prompt) + k - 1, token] for k, token in enumerate(response))


@pytest.fixture(scope="module")
def groups():
    return scored_groups(tiny_model(), COUNTS)


@pytest.fixture(scope="module")
def reference(groups):
    return logps_of(tiny_model(), groups)


@pytest.mark.parametrize("micro_batch_size", [6, 4, 1])
def test_a_step_on_unequal_groups_is_the_sum_of_its_responses(groups, reference, micro_batch_size):
    """Loss and gradient of (1/G) Σ_i (1/K_i) Σ_k min(e^(l−μ), 1.5)·(.5·(l − r) − score)², with l of
    each response from a forward of its own, the library's."""
    chosen = options(micro_batch_size=micro_batch_size)
    rows = [4, 1, 0, 5, 3, 2]
    model = moved_lora()
    loss, batch = loss_and_gradient(
        PolicyForward(model, groups, chosen, PAD),
        Objective({}, chosen.schedule(len(groups), 0)),
        rows,
        TableReference(reference),
        torch.Tensor.backward,
        share=1.0,
    )
    plain, expected = moved_lora(), 0.0
    for place, row in enumerate(rows):
        group = groups[row]
        for k, response in enumerate(group.responses):
            logp = logp_by_hand(plain, group.prompt_tokens, response)
            assert batch.logp_sums[place, k].item() == pytest.approx(logp.item(), abs=1e-4)
            ratio = logp - logp_by_hand(tiny_model(), group.prompt_tokens, response).detach()
            assert batch.log_ratios[place, k].item() == pytest.approx(ratio.item(), abs=1e-4)
            weight = (logp - group.sampling_logps[k]).exp().clamp(max=1.5)
            term = weight * (0.5 * ratio - group.target[k]) ** 2
            expected = expected + term / len(group.responses) / len(groups)
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)
    compared = 0
    for (name, weight), other in zip(model.named_parameters(), plain.parameters(), strict=True):
        if weight.requires_grad:
            torch.testing.assert_close(weight.grad, other.grad, atol=2e-4, rtol=1e-3, msg=name)
            compared += weight.grad.abs().max() > 1e-3
    assert compared > 20, "the gradient is too small for this test to see anything"


def test_places_without_a_response_hold_nothing(groups, reference):
    forward = PolicyForward(moved_lora(), groups, options(), PAD)
    _, batch = loss_and_gradient(
        forward,
        Objective({}, options().schedule(len(groups), 0)),
        range(6),
        TableReference(reference),
        torch.Tensor.backward,
        share=1.0,
    )
    assert batch.present.sum(1).tolist() == list(COUNTS)
    for name in ("lengths", "logp_sums", "log_ratios", "targets", "sampling_logps"):
        values = getattr(batch, name)
        assert values.shape == (6, 3) and (values != 0).equal(batch.present), name
    assert batch.targets[4].tolist() == pytest.approx(groups[4].target)
    assert batch.sampling_logps[2, :2].tolist() == pytest.approx(groups[2].sampling_logps)
    assert forward.dataset([3, 0]).ne(0).sum(1).tolist() == [1, 3]


class FixedMean(Objective):
    """m = 0."""

    def wanted_rows(self, step):
        return None


@pytest.mark.parametrize("counts", [(1,) * 6, (3,) * 6, COUNTS])
def test_scores_are_learned_whatever_the_number_of_responses(tmp_path, counts):
    groups = scored_groups(tiny_model(), counts)
    chosen = options(max_steps=12, batch_size=6)
    objective = FixedMean({}, chosen.schedule(6, 0))
    table = logps_of(tiny_model(), groups)
    result = run(tmp_path, tiny_lora(), groups, objective, table, chosen)
    losses = [row["loss"] for row in result.metrics]
    assert losses[-1] < 0.6 * losses[0]
    assert all(row[name] is None for row in result.metrics for name in NAMES)
    assert result.log_ratios.shape == (6, max(counts)) and result.log_ratios.isfinite().all()


def test_hooks_get_log_ratios_of_the_wanted_rows_and_all_targets(tmp_path, groups, reference):
    """6 rows in batches of 4: the second epoch begins at step 2, after the first two."""
    chosen = options(max_steps=3)
    objective = Objective({}, chosen.schedule(6, 0))
    result = run(tmp_path, tiny_lora(), groups, objective, reference, chosen)
    (during, targets), (final, _) = objective.seen
    present = torch.arange(3) < torch.tensor(COUNTS)[:, None]
    assert during.shape == final.shape == targets.shape == (6, 3)
    assert during[:5].isfinite().all() and during[5].isnan().all()
    assert (during[:5] != 0).equal(present[:5]) and (targets != 0).equal(present)
    # With targets the first rows are described at the end in any case; these are all six.
    assert final.equal(result.log_ratios) and (final != 0).equal(present)


@pytest.mark.parametrize("counts", [(1,) * 6, (3,) * 6, COUNTS])
def test_the_reference_is_checked_whatever_the_number_of_responses(tmp_path, monkeypatch, counts):
    """Errors of sd 0.1 are above the limit of 0.02 for t, and for a log-ratio that is alone."""
    lines = []
    monkeypatch.setattr(store, "log", lines.append)
    groups, chosen = scored_groups(tiny_model(), counts), options()
    exact = logps_of(tiny_model(), groups)
    noise = 0.1 * torch.randn(exact.shape, generator=torch.Generator().manual_seed(0))
    for table, rough in ((exact, False), (exact + noise * (exact != 0), True)):
        del lines[:]
        objective = Objective({}, chosen.schedule(6, 0))
        run(tmp_path, tiny_lora(), groups, objective, table, chosen)
        assert any("with the adapter off" in line for line in lines) == rough


def test_a_constant_of_the_prompt_is_seen_in_groups_of_one_alone(tmp_path, monkeypatch):
    lines = []
    monkeypatch.setattr(store, "log", lines.append)
    for counts, rough in (((1,) * 6, True), ((2,) * 6, False), ((2,) * 5 + (1,), True)):
        del lines[:]
        groups, chosen = scored_groups(tiny_model(), counts), options()
        table = logps_of(tiny_model(), groups)
        objective = Objective({}, chosen.schedule(6, 0))
        run(tmp_path, tiny_lora(), groups, objective, table + (table != 0), chosen)
        assert any("with the adapter off" in line for line in lines) == rough


def test_scores_of_two_responses_are_no_labels(tmp_path):
    groups, chosen = scored_groups(tiny_model(), (2,) * 6), options(max_steps=1)
    objective = Objective({}, chosen.schedule(6, 0))
    table = logps_of(tiny_model(), groups)
    result = run(tmp_path, tiny_lora(), groups, objective, table, chosen)
    assert result.metrics[0]["margin"] is None


def test_groups_that_do_not_fit(tmp_path, groups, reference):
    chosen = options()
    objective = Objective({}, chosen.schedule(6, 0))
    unsampled = [replace(group, sampling_logps=None) for group in groups]
    labelled = [replace(group, target=1.0) for group in groups]
    for data, table, message in (
        (unsampled, reference, "tiny_scores needs sampling_logps"),
        (labelled, reference, "row 0: target 1.0, tiny_scores needs targets 'scores'"),
        (groups, reference[:, :2], "of 2 responses a row for groups of up to 3"),
        ([*groups[:5], labelled[5]], reference, "row 5: target 1.0, but row 0 has"),
        ([*groups[:5], unsampled[5]], reference, "row 5: sampling_logps None, but row 0 has"),
        ([*groups[:5], replace(groups[5], target=[1.0])], reference, "row 5 has 2 responses, but"),
        ([*groups[:5], Group([5], [], [])], reference, "row 5 has no response"),
    ):
        with pytest.raises(ValueError, match=message):
            run(tmp_path, tiny_lora(), data, objective, table, chosen)
    three = random_groups(6, responses=3)
    with pytest.raises(ValueError, match="row 0 has 3 responses, prefgrid.objectives.dpo needs 2"):
        pairs = dpo.Objective({}, chosen.schedule(6, 0))
        run(tmp_path, tiny_lora(), three, pairs, logps_of(tiny_model(), three), chosen)


def test_any_objective_is_told_sampling_log_probabilities(tmp_path):
    seen = []

    class Watching(dpo.Objective):
        def observe(self, batch: base.Batch) -> None:
            seen.append(batch.sampling_logps)

    for sampling in ([-3.0, -4.0], None):
        pairs = [replace(group, sampling_logps=sampling) for group in random_groups(4)]
        chosen = options(max_steps=1)
        objective = Watching({}, chosen.schedule(4, 0))
        run(tmp_path, tiny_lora(), pairs, objective, logps_of(tiny_model(), pairs), chosen)
    assert seen[0].tolist() == [[-3.0, -4.0]] * 4 and seen[1] is None
