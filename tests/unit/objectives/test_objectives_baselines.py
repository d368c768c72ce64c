"""IPO, robust and conservative DPO, hinge, SimPO: closed forms, gradients, links, training."""

import math
from pathlib import Path

import pytest
import torch
import yaml
from objective_samples import batch_at, sample
from scipy.optimize import minimize_scalar
from tiny_policy import LORA, PAD, logps_of, random_groups, tiny_lora, tiny_model

from prefgrid.files import store
from prefgrid.objectives import base, cdpo, dpo, hinge, ipo, robust_dpo, simpo
from prefgrid.training.link_table import link_table
from prefgrid.training.loop import train
from prefgrid.training.options import TrainingOptions
from prefgrid.training.step import PolicyForward

SCHEDULE = base.Schedule(rows=100, steps=40, steps_per_epoch=10, seed=0)
CONFIG = Path(__file__).resolve().parents[3] / "config.yaml"
LABELS = ("ipo", "ipo_mean", "robust_dpo", "cdpo", "hinge", "simpo", "sppo_hard", "kto_pair")
METHODS = yaml.safe_load(CONFIG.read_text())["methods"]
WITHOUT_LINK = [(hinge, {}), (simpo, {}), (ipo, {"reduction": "token_mean"})]


def softplus(x):
    return math.log1p(math.exp(x))


def wide_batch(log_ratios, logp_sums, lengths, labels) -> base.Batch:
    """float64; lists [G][2] and labels [G]."""
    wide = [torch.as_tensor(value, dtype=torch.float64) for value in (log_ratios, logp_sums)]
    return base.Batch(
        torch.arange(len(labels)),
        *wide,
        torch.as_tensor(lengths),
        torch.as_tensor(labels, dtype=torch.float64),
    )


# Two pairs: t = 2 with z = 1, so s = 2, and t = 1 with z = 0, so s = −1.
PAIRS = batch_at([2.0, 1.0], [1, 0])


def test_ipo_closed_form():
    """β = .5 aims at 1: ((2 − 1)² + (−1 − 1)²)/2 = 2.5."""
    loss = ipo.Objective({"beta_train": 0.5}, SCHEDULE).loss(PAIRS)
    assert loss.item() == 2.5


def test_ipo_of_token_means():
    """a = (3, 8) and (−4, 6) of (3, 4) and (2, 5) tokens: means (1, 2) and (−2, 1.2).

    Differences 1 and 3.2, labels 1 and 0: s = 1, −3.2. β = .25 aims at 2: (1 + 5.2²)/2 = 14.02.
    """
    batch = wide_batch([[3, 8], [-4, 6]], [[0, 0], [0, 0]], [[3, 4], [2, 5]], [1, 0])
    options = {"beta_train": 0.25, "reduction": "token_mean"}
    assert ipo.Objective(options, SCHEDULE).loss(batch).item() == pytest.approx(14.02, rel=1e-12)


def test_ipo_of_one_token_is_the_same_by_sum_and_by_mean():
    index, labels = sample(20)
    ratios = torch.stack([torch.zeros(20), index], dim=1)
    batch = base.Batch(torch.arange(20), ratios, ratios, torch.ones(20, 2, dtype=int), labels)
    by_sum, by_mean = (
        ipo.Objective({"reduction": reduction}, SCHEDULE).loss(batch)
        for reduction in ("sum", "token_mean")
    )
    assert by_sum.item() == by_mean.item()


def test_robust_dpo_closed_form():
    """ε = .2, β = .5, βs = 1, −.5: mean of [.8·softplus(−βs) − .2·softplus(βs)]/.6."""
    loss = robust_dpo.Objective({"beta_train": 0.5, "flip_rate": 0.2}, SCHEDULE).loss(PAIRS)
    rows = [(0.8 * softplus(-x) - 0.2 * softplus(x)) / 0.6 for x in (1.0, -0.5)]
    assert loss.item() == pytest.approx(sum(rows) / 2, rel=1e-6)


def test_cdpo_closed_form():
    """ε = .2, β = .5, βs = 1, −.5: mean of .8·softplus(−βs) + .2·softplus(βs)."""
    loss = cdpo.Objective({"beta_train": 0.5, "flip_rate": 0.2}, SCHEDULE).loss(PAIRS)
    rows = [0.8 * softplus(-x) + 0.2 * softplus(x) for x in (1.0, -0.5)]
    assert loss.item() == pytest.approx(sum(rows) / 2, rel=1e-6)


def test_hinge_closed_form():
    """β = .25, βs = .5, −.25: (.5 + 1.25)/2 = .875; a pair beyond its margin 4 has no loss."""
    objective = hinge.Objective({"beta_train": 0.25}, SCHEDULE)
    assert objective.loss(PAIRS).item() == 0.875
    assert objective.loss(batch_at([4.5], [1])).item() == 0.0


def test_simpo_closed_form():
    """log π = (−6, −4) and (−9, −10) of (3, 4) and (3, 5) tokens: means (−2, −1) and (−3, −2).

    m = 1 in both, labels 1 and 0; β = 2, γ = .5: softplus(.5 − 2) and softplus(.5 + 2).
    """
    batch = wide_batch([[0, 0], [0, 0]], [[-6, -4], [-9, -10]], [[3, 4], [3, 5]], [1, 0])
    loss = simpo.Objective({"beta_train": 2.0, "gamma": 0.5}, SCHEDULE).loss(batch)
    assert loss.item() == pytest.approx((softplus(-1.5) + softplus(2.5)) / 2, rel=1e-12)


def test_simpo_sees_no_reference():
    """Other log-ratios, same loss; the gradient reaches log π and nothing else."""
    sums = torch.tensor([[-6.0, -4.0], [-9.0, -10.0]], requires_grad=True)
    lengths, labels = torch.tensor([[3, 4], [3, 5]]), torch.tensor([1.0, 0.0])
    losses = []
    for reference in (0.0, torch.tensor([[1.0, 5.0], [-2.0, 3.0]])):
        batch = base.Batch(torch.arange(2), sums.detach() - reference, sums, lengths, labels)
        losses.append(simpo.Objective({}, SCHEDULE).loss(batch))
    assert losses[0].item() == losses[1].item()
    assert torch.autograd.grad(losses[0], sums)[0].abs().min() > 0


@pytest.mark.parametrize("module", [robust_dpo, cdpo])
def test_no_flips_is_dpo(module):
    index, labels = sample(30)
    batch = batch_at(index, labels)
    loss = module.Objective({"beta_train": 0.6, "flip_rate": 0.0}, SCHEDULE).loss(batch)
    assert loss.item() == dpo.Objective({"beta_train": 0.6}, SCHEDULE).loss(batch).item()


@pytest.mark.parametrize(("module", "tilt"), [(robust_dpo, -0.3 / 0.4), (cdpo, 0.3)])
def test_distance_to_dpo_is_linear_in_the_margin(module, tilt):
    """softplus(x) = softplus(−x) + x, so L − L_DPO = tilt·β·mean s: tilt −ε/(1 − 2ε) or ε."""
    index, labels = sample(30)
    batch = batch_at(index, labels)
    margin = ((2 * labels - 1) * index).mean().item()
    loss = module.Objective({"beta_train": 0.6, "flip_rate": 0.3}, SCHEDULE).loss(batch)
    plain = dpo.Objective({"beta_train": 0.6}, SCHEDULE).loss(batch)
    assert (loss - plain).item() == pytest.approx(tilt * 0.6 * margin, abs=1e-6)


def test_robust_dpo_is_unbiased_under_its_flips():
    """E over a flip with probability ε of the robust loss = the DPO loss of the true label."""
    index, labels = sample(30)
    objective = robust_dpo.Objective({"flip_rate": 0.3}, SCHEDULE)
    kept = objective.loss(batch_at(index, labels))
    flipped = objective.loss(batch_at(index, 1 - labels))
    expected = dpo.Objective({}, SCHEDULE).loss(batch_at(index, labels))
    torch.testing.assert_close(0.7 * kept + 0.3 * flipped, expected)


@pytest.mark.parametrize(
    ("module", "options"),
    [
        (ipo, {"beta_train": 0.3}),
        (ipo, {"beta_train": 0.3, "reduction": "token_mean"}),
        (robust_dpo, {"flip_rate": 0.2}),
        (cdpo, {"flip_rate": 0.2}),
        (hinge, {"beta_train": 0.7}),
        (simpo, {}),
    ],
)
def test_gradients_equal_finite_differences_with_unequal_lengths(module, options):
    """In float64, for every response; no pair lies at the hinge's kink s = 1/β."""
    index, labels = sample(9, seed=3)
    sums = torch.stack([0.3 * index - 9, 1.3 * index - 8], dim=1).double().requires_grad_()
    lengths = torch.arange(18).reshape(9, 2) % 7 + 1
    objective = module.Objective(options, SCHEDULE)

    def loss(logp_sums):
        return objective.loss(
            base.Batch(torch.arange(9), logp_sums + 9, logp_sums, lengths, labels.double())
        )

    assert torch.autograd.gradcheck(loss, (sums,), eps=1e-6, atol=1e-8)
    (gradient,) = torch.autograd.grad(loss(sums), sums)
    assert gradient.abs().max() > 0.01


@pytest.mark.parametrize(
    ("label", "slope"),
    [
        ("ipo", -4.0),  # −2·(1/(2β)) = −1/β, β = .25
        ("ipo_mean", -0.2 / 5),  # −1/β a token mean, β = 5, 5 tokens
        ("robust_dpo", -(0.5 + 0.1 / 0.8)),  # −β·(σ(0) + ε/(1 − 2ε))
        ("cdpo", -(0.5 - 0.1)),  # −β·(σ(0) − ε)
        ("hinge", -1.0),  # −β
        ("simpo", -2 / (1 + math.exp(-1.0)) / 5),  # −β·σ(γ) a token mean, 5 tokens
        ("sppo_hard", -1 / 8),  # 2·(−η/2)·β², β = 1/η, η = 8
        ("kto_pair", -1 / 8),  # −β·σ(0)·σ(0)/2, the mean over two responses
    ],
)
def test_first_step_from_the_reference(label, slope):
    """dL/ds at t = 0 with the options of config.yaml: every label pulls the right way at once."""
    method = METHODS[label]
    sums = torch.zeros(1, 2, requires_grad=True)
    lengths = torch.full((1, 2), 5)
    objective = base.create(method["objective"], method["options"], SCHEDULE)
    batch = base.Batch(torch.zeros(1, dtype=int), sums, sums, lengths, torch.ones(1))
    (gradient,) = torch.autograd.grad(objective.loss(batch), sums)
    assert gradient[0].tolist() == pytest.approx([-slope, slope], rel=1e-6)


@pytest.mark.parametrize("label", LABELS)
def test_order_of_responses_and_rows_and_batching_change_nothing(label):
    """With unequal lengths: each third pair swapped with its label, and rows in another order.

    And 24 rows are (8·the first 8 + 16·the others)/24, unless coupled. Sums near 30 nats, in float64.
    """
    method = METHODS[label]
    objective = base.create(method["objective"], method["options"], SCHEDULE)
    index, labels = sample(24)
    ratios = torch.stack([-0.4 * index, 0.6 * index], dim=1)
    lengths = torch.arange(48).reshape(24, 2) % 9 + 1

    def loss(rows, swapped):
        parts = [
            torch.where(swapped[:, None], part.flip(1), part)[rows]
            for part in (ratios, ratios - 30, lengths)
        ]
        return objective.loss(wide_batch(*parts, torch.where(swapped, 1 - labels, labels)[rows]))

    rows, as_it_is = torch.arange(24), torch.zeros(24, dtype=bool)
    whole = loss(rows, as_it_is)
    torch.testing.assert_close(loss(rows, rows % 3 == 0), whole)
    order = torch.randperm(24, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(loss(order, as_it_is), whole)
    mean = (8 * loss(rows[:8], as_it_is) + 16 * loss(rows[8:], as_it_is)) / 24
    assert torch.allclose(mean, whole) != objective.needs["coupled"]


def expected_loss(objective, p):
    """t ↦ p·L(t, 1) + (1 − p)·L(t, 0), the loss of a pair whose label is 1 with probability p."""

    def value(t):
        pair = [[0.0, float(t)]]
        return sum(
            weight * objective.loss(wide_batch(pair, pair, [[1, 1]], [label])).item()
            for weight, label in ((p, 1), (1 - p, 0))
        )

    return value


@pytest.mark.parametrize("p", [0.15, 0.3, 0.5, 0.62, 0.85])
@pytest.mark.parametrize(
    ("module", "options"),
    [
        (dpo, {"beta_train": 0.8}),
        (ipo, {}),
        (ipo, {"beta_train": 0.8}),
        (robust_dpo, {"beta_train": 0.8, "flip_rate": 0.1}),
        (cdpo, {"beta_train": 0.8, "flip_rate": 0.1}),
        (cdpo, {"flip_rate": 0.4}),
    ],
)
def test_link_at_the_minimiser_of_the_expected_loss_is_the_true_probability(module, options, p):
    """`probability` inverts p ↦ argmin_t of the expected loss, found numerically."""
    objective = module.Objective(options, SCHEDULE)
    found = minimize_scalar(
        expected_loss(objective, p), bounds=(-9, 9), method="bounded", options={"xatol": 1e-9}
    )
    assert abs(found.x) < 8.9
    at = torch.tensor(found.x, dtype=torch.float64)
    assert objective.probability(at).item() == pytest.approx(p, abs=1e-5)


@pytest.mark.parametrize("p", [0.55, 0.8, 0.99])
def test_hinge_minimiser_says_which_and_not_how_likely(p):
    """t = 1/β = 1.25 for every p > ½."""
    objective = hinge.Objective({"beta_train": 0.8}, SCHEDULE)
    found = minimize_scalar(
        expected_loss(objective, p), bounds=(-9, 9), method="bounded", options={"xatol": 1e-9}
    )
    assert found.x == pytest.approx(1.25, abs=1e-6)


def test_robust_dpo_has_no_minimiser_for_surer_labels_than_its_flips_allow():
    """p = .95, ε = .1: the loss falls for ever, by (.95 − .9)/.8 = .0625 a nat."""
    value = expected_loss(robust_dpo.Objective({"flip_rate": 0.1}, SCHEDULE), 0.95)
    assert value(200) - value(100) == pytest.approx(-0.0625 * 100, rel=1e-9)


@pytest.mark.parametrize(
    ("module", "ends"), [(ipo, (0, 1)), (robust_dpo, (0.1, 0.9)), (cdpo, (0, 1))]
)
def test_links_are_symmetric_monotone_and_end_where_they_should(module, ends):
    grid = torch.linspace(-40, 40, 401)
    link = module.Objective({}, SCHEDULE).probability(grid)
    torch.testing.assert_close(link.flip(0), 1 - link, rtol=0, atol=1e-6)
    assert link.diff().min() >= 0
    assert (link[0].item(), link[-1].item()) == pytest.approx(ends, abs=1e-6)


def test_default_ipo_link_is_the_tangent_of_the_logistic_one():
    index = torch.tensor([-0.01, 0.0, 0.01])
    link = ipo.Objective({}, SCHEDULE).probability(index)
    torch.testing.assert_close(link, torch.sigmoid(index), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("module", "options"), WITHOUT_LINK)
def test_no_link_is_null_in_the_table(module, options, tmp_path):
    """NaN everywhere, of the index's shape and dtype; JSON has null for it, and the grid stays."""
    objective = module.Objective(options, SCHEDULE)
    link = objective.probability(torch.zeros(3, dtype=torch.float64))
    assert link.isnan().all() and link.shape == (3,) and link.dtype == torch.float64
    store.write_json(tmp_path / "link.json", link_table(objective, torch.tensor([-3.0, 1.0])))
    table = store.read_json(tmp_path / "link.json")
    assert table["probability"] is None and table["sign"] == 1
    assert table["index_nats"][0] == -table["index_nats"][-1] < 0


@pytest.mark.parametrize("label", LABELS)
def test_training_raises_the_oriented_margin(label, tmp_path):
    """10 steps on 8 pairs with the options of config.yaml: finite losses, larger margins."""
    method, groups = METHODS[label], random_groups(8)
    options = TrainingOptions(
        epochs=None,
        max_steps=10,
        batch_size=8,
        micro_batch_size=8,
        learning_rate=3e-3,
        warmup_steps=0,
        lora=LORA,
    )
    objective = base.create(
        method["objective"], method["options"], options.schedule(len(groups), 0)
    )
    result = train(
        PolicyForward(tiny_lora(), groups, options, PAD),
        objective,
        metrics_path=tmp_path / "metrics.jsonl",
        failure_path=tmp_path / "failure.json",
        reference_logps=logps_of(tiny_model(), groups),
    )
    losses = [row["loss"] for row in result.metrics]
    assert all(math.isfinite(loss) for loss in losses)
    assert losses[-1] < losses[0]
    assert abs(result.metrics[0]["margin"]) < 1e-3, "training starts at the reference"
    labels = torch.tensor([group.target for group in groups])
    # ipo_mean aims lowest: .1 nats a token, .4 for responses of about 4 tokens. Half of that.
    assert ((2 * labels - 1) * result.index).mean() > 0.2
