"""SPPO, its kin and GPO against the published loss written plainly, exact policies and each other.

The kind of bug: a scale, a baseline or a place of a group that trains towards another policy.
"""

import math

import pytest
import torch
from torch.nn.functional import logsigmoid

from prefgrid.config import objectives
from prefgrid.objectives import base, dpo, gpo, kto_pair, sppo, sppo_hard, sppo_single
from prefgrid.objectives.groups import group_variance

SCHEDULE = base.Schedule(rows=8, steps=40, steps_per_epoch=8, seed=0)
NATIVE = {"scale": "native"}
# Groups of 3, 2 and 4 responses.
COUNTS = (3, 2, 4)
BASELINES = ("log_z", "mean", "difference")
ON_NUMBERS = (sppo, gpo)


def made(module, **options) -> base.Objective:
    return module.Objective(options, SCHEDULE)


def batch_of(log_ratios, targets, lengths=None) -> base.Batch:
    """float64 [G][K]."""
    log_ratios, targets = (
        torch.as_tensor(one, dtype=torch.float64) for one in (log_ratios, targets)
    )
    return base.Batch(
        rows=torch.arange(7, 7 + len(targets)),
        log_ratios=log_ratios,
        logp_sums=log_ratios - 30,
        lengths=torch.full(log_ratios.shape, 3) if lengths is None else torch.as_tensor(lengths),
        targets=targets,
    )


def ragged(fill: float = 0.0) -> base.Batch:
    """Numbers of any size at the places of the responses; `fill` where there is none."""
    draw = torch.Generator().manual_seed(0)
    width = max(COUNTS)
    present = torch.arange(width) < torch.tensor(COUNTS)[:, None]
    ratios = torch.randn(len(COUNTS), width, generator=draw, dtype=torch.float64)
    targets = torch.rand(len(COUNTS), width, generator=draw, dtype=torch.float64)
    lengths = torch.randint(1, 9, (len(COUNTS), width), generator=draw)
    return batch_of(
        torch.where(present, ratios, fill),
        torch.where(present, targets, fill),
        torch.where(present, lengths, 0),
    )


def alone(batch: base.Batch, row: int) -> base.Batch:
    count = int(batch.present[row].sum())
    parts = (batch.log_ratios, batch.targets, batch.lengths)
    return batch_of(*(part[row : row + 1, :count] for part in parts))


def slopes(objective, batch) -> torch.Tensor:
    batch.log_ratios.requires_grad_()
    return torch.autograd.grad(objective.loss(batch), batch.log_ratios)[0]


def published(a_w, a_l, p_w, p_l, beta) -> float:
    """SPPO's code, a pair."""
    return 0.5 * ((a_w - (p_w - 0.5) / beta) ** 2 + (a_l - (p_l - 0.5) / beta) ** 2)


def test_the_published_value():
    """β = .001, a = (1, −2), P̂ = (.9, .1): ½·(399² + 398²)."""
    loss = made(sppo, eta=1000.0, **NATIVE).loss(batch_of([[1, -2]], [[0.9, 0.1]]))
    assert loss.item() == pytest.approx(158802.5, rel=1e-12)
    assert published(1, -2, 0.9, 0.1, 0.001) == pytest.approx(158802.5, rel=1e-12)


def test_of_pairs_it_is_the_mean_of_the_published_loss():
    draw = torch.Generator().manual_seed(1)
    ratios, chances = torch.randn(6, 2, generator=draw), torch.rand(6, 2, generator=draw)
    ratios, chances = ratios.double(), chances.double()
    rows = zip(ratios.tolist(), chances.tolist(), strict=True)
    expected = sum(published(*a, *p, beta=0.2) for a, p in rows) / 6
    loss = made(sppo, eta=5.0, **NATIVE).loss(batch_of(ratios, chances))
    assert loss.item() == pytest.approx(expected, rel=1e-12)


def test_at_the_first_step_the_loss_is_known():
    """½·[(p_w − ½)² + (p_l − ½)²]/β², the mean over pairs."""
    chances = torch.tensor([[0.9, 0.1], [0.6, 0.3]])
    loss = made(sppo, eta=1000.0, **NATIVE).loss(batch_of(torch.zeros(2, 2), chances))
    expected = 0.5 * (chances.double() - 0.5).square().sum(1).mean() / 0.001**2
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)


@pytest.mark.parametrize("count", [2, 5])
def test_the_gradient_at_the_reference_is_the_advantage(count):
    """−(P̂ − ½)/β for each response of a pair, and 2/K times it of K."""
    chances = torch.linspace(0.1, 0.8, count).double()[None]
    found = slopes(made(sppo, eta=50.0, **NATIVE), batch_of(torch.zeros(1, count), chances))
    torch.testing.assert_close(found, -(chances - 0.5) * 50 * 2 / count)


@pytest.mark.parametrize("module", [sppo, gpo])
@pytest.mark.parametrize("baseline", [None, *BASELINES])
def test_scaled_by_beta2_it_is_the_same_loss_times_beta2(module, baseline):
    named = {} if baseline is None else {"baseline": baseline}
    one = made(module, eta=20.0, **named, **NATIVE).loss(ragged())
    two = made(module, eta=20.0, **named).loss(ragged())
    assert two.item() == pytest.approx(one.item() / 400, rel=1e-12)


def test_single_is_sppo_where_both_win_by_their_pair_alone():
    pairs = torch.tensor([[0.3, 0.7], [0.9, 0.1]])
    batch = batch_of([[0.4, -1.0], [2.0, 0.3]], pairs)
    one, two = (made(module, eta=6.0) for module in (sppo_single, sppo))
    assert one.loss(batch).item() == two.loss(batch).item()
    (a_w, a_l), p = (2.0, 0.3), 0.9
    plain = 0.5 * ((a_w - (p - 0.5) * 6) ** 2 + (a_l + (p - 0.5) * 6) ** 2)
    single = made(sppo_single, eta=6.0, **NATIVE).loss(alone(batch, 1))
    assert single.item() == pytest.approx(plain, rel=1e-6)


def test_hard_is_twice_sppo_at_certainty():
    labels = torch.tensor([1.0, 0.0, 1.0])
    ratios = [[0.4, -1.0], [2.0, 0.3], [0.0, 5.0]]
    certain = torch.stack([1 - labels, labels], dim=1)
    one = made(sppo_hard, eta=6.0).loss(batch_of(ratios, labels))
    two = made(sppo, eta=6.0).loss(batch_of(ratios, certain))
    assert one.item() == pytest.approx(2 * two.item(), rel=1e-12)
    # a_w = −1 and a_l = .4 of the first: (−1 − 3)² + (.4 + 3)².
    plain = made(sppo_hard, eta=6.0, **NATIVE).loss(batch_of(ratios[:1], labels[:1]))
    assert plain.item() == pytest.approx(16 + 3.4**2, rel=1e-12)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_the_link_of_hard_labels_is_that_of_its_minimiser(p):
    """Weighted by how likely its label is, each loss as a function of both log-ratios: Newton's step from
    anywhere, as they are quadratic."""
    objective = made(sppo_hard, eta=6.0)

    def expected(ratios):
        batches = [batch_of(ratios[None], [float(label)]) for label in (1, 0)]
        return sum(w * objective.loss(one) for w, one in zip((p, 1 - p), batches, strict=True))

    start = torch.tensor([0.7, -0.2], dtype=torch.float64)
    slope = torch.autograd.functional.jacobian(expected, start)
    curvature = torch.autograd.functional.hessian(expected, start)
    found = start - torch.linalg.solve(curvature, slope)
    index = found[1] - found[0]
    assert index.item() == pytest.approx(6 * (2 * p - 1), abs=1e-9)
    assert objective.probability(index).item() == pytest.approx(p, abs=1e-9)
    assert made(sppo_hard, length_power=0.5).probability(index).isnan()
    assert objective.probability(torch.tensor([-99.0, 99.0])).tolist() == [0, 1]


@pytest.mark.parametrize(("eta", "expected"), [(1, 0.54), (10, 0.75), (100, 0.88), (1000, 0.90)])
def test_log_z_of_the_specification(eta, expected):
    """Win rates .1 to .9: where a response has the log-ratio η·P̂ − log Z, and log Z/η is what was
    worked out, nothing is left of the loss; and a baseline of another size shows."""
    rates = torch.tensor([[0.1, 0.3, 0.5, 0.7, 0.9]], dtype=torch.float64)
    objective = made(sppo, eta=float(eta), baseline="log_z", **NATIVE)
    at_zero = slopes(objective, batch_of(torch.zeros(1, 5), rates))
    # −(2/K)·(η·P̂ − b) each, so that b follows from any.
    log_z = eta * rates + at_zero * 5 / 2
    assert log_z.std() < 1e-9 * eta
    assert round(log_z.mean().item() / eta, 2) == expected
    if eta < 200:  # else e^(η·P̂) is beyond any float
        exact = math.log(sum(math.exp(eta * rate) for rate in rates[0].tolist()) / 5)
        assert log_z.mean().item() == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("module", ON_NUMBERS)
def test_with_log_z_the_soft_policy_is_the_fixed_point(module):
    """On answers that the reference draws alike: π ∝ exp(η·v) has no loss, and another policy has."""
    worths = torch.tensor([[0.2, -1.3, 0.9, 0.4]], dtype=torch.float64)
    objective = made(module, eta=3.0, baseline="log_z")
    best = (3 * worths).log_softmax(1) - math.log(1 / 4)
    assert objective.loss(batch_of(best, worths)).item() < 1e-28
    assert objective.loss(batch_of(0.9 * best, worths)).item() > 1e-3


@pytest.mark.parametrize("module", ON_NUMBERS)
@pytest.mark.parametrize("baseline", ["log_z", "mean", "difference"])
def test_a_baseline_of_the_group_sees_differences_of_worths_alone(module, baseline):
    """A number added to every target of a prompt moves neither loss nor gradient."""
    objective = made(module, baseline=baseline, eta=4.0)
    batch, moved = ragged(), ragged()
    moved.targets[moved.present] += 0.37
    assert objective.loss(moved).item() == pytest.approx(objective.loss(batch).item(), rel=1e-9)
    torch.testing.assert_close(slopes(objective, moved), slopes(objective, batch))
    constant = made(module, eta=4.0)
    assert constant.loss(moved).item() != pytest.approx(constant.loss(batch).item(), rel=1e-3)


@pytest.mark.parametrize("module", ON_NUMBERS)
def test_difference_cancels_what_all_log_ratios_of_a_group_share(module):
    objective = made(module, baseline="difference", eta=4.0)
    batch, moved = ragged(), ragged()
    moved.log_ratios[moved.present] += 5.0
    assert objective.loss(moved).item() == pytest.approx(objective.loss(batch).item(), rel=1e-9)
    torch.testing.assert_close(slopes(objective, batch).sum(1), torch.zeros(3).double())


def test_difference_is_the_mean_over_pairs_of_half_a_square():
    """Written plainly; of two responses half of REBEL's (Δa − η·Δr)²."""
    batch, eta = ragged(), 4.0
    total = 0.0
    for row, count in enumerate(COUNTS):
        a, v = batch.log_ratios[row].tolist(), batch.targets[row].tolist()
        pairs = [(i, j) for i in range(count) for j in range(i)]
        terms = [0.5 * ((a[i] - a[j]) - eta * (v[i] - v[j])) ** 2 for i, j in pairs]
        total += sum(terms) / len(pairs) / len(COUNTS)
    objective = made(gpo, baseline="difference", eta=eta, **NATIVE)
    assert objective.loss(batch).item() == pytest.approx(total, rel=1e-12)
    pair = alone(batch, 1)
    (a0, a1), (r0, r1) = pair.log_ratios[0].tolist(), pair.targets[0].tolist()
    rebel = ((a1 - a0) - eta * (r1 - r0)) ** 2
    assert objective.loss(pair).item() == pytest.approx(rebel / 2, rel=1e-12)


def test_the_variance_of_a_group_is_torchs():
    batch = ragged(99.0)
    found = group_variance(batch.log_ratios, batch.present)
    expected = [batch.log_ratios[row, :count].var() for row, count in enumerate(COUNTS)]
    torch.testing.assert_close(found, torch.stack(expected))


def test_difference_needs_two_responses():
    batch = batch_of([[0.1, 0.2], [0.3, 0.0]], [[0.5, 0.5], [0.5, 0.0]], [[3, 3], [3, 0]])
    words = "sppo: row 8 has one response, .*allowed: two or more responses a group, or another"
    with pytest.raises(ValueError, match=words):
        made(sppo, baseline="difference").loss(batch)
    # With log_z and mean it is its own baseline, and is kept where it is.
    for baseline in ("log_z", "mean"):
        one = batch_of([[0.25]], [[0.8]])
        loss = made(sppo, baseline=baseline, **NATIVE).loss(one)
        assert loss.item() == pytest.approx(0.25**2, rel=1e-12)


CASES = [
    (module, {"length_power": power, **named})
    for module in ON_NUMBERS
    for power in (0.0, 0.5, 1.0)
    for named in ({}, *({"baseline": name} for name in BASELINES))
]


@pytest.mark.parametrize(("module", "options"), CASES)
def test_groups_count_alike_and_what_is_not_there_counts_nothing(module, options):
    """A batch is the mean of its groups, each without padding; and no gradient reaches the padding, which
    may hold anything."""
    objective = made(module, **options)
    batch = ragged()
    mean = sum(objective.loss(alone(batch, row)) for row in range(3)) / 3
    assert objective.loss(batch).item() == pytest.approx(mean.item(), rel=1e-12)
    found = slopes(objective, batch)
    assert (found[~batch.present] == 0).all() and (found[batch.present] != 0).all()
    torch.testing.assert_close(slopes(objective, ragged(7.7)), found)


@pytest.mark.parametrize(("module", "options"), CASES)
def test_the_order_of_responses_and_groups_is_nothing(module, options):
    objective, batch = made(module, **options), ragged()
    order, rows = torch.tensor([2, 0, 3, 1]), torch.tensor([1, 2, 0])
    parts = (batch.log_ratios, batch.targets, batch.lengths)
    other = batch_of(*(part[rows][:, order] for part in parts))
    assert objective.loss(other).item() == pytest.approx(objective.loss(batch).item(), rel=1e-12)
    expected = slopes(objective, batch)[rows][:, order]
    torch.testing.assert_close(slopes(objective, other), expected)


@pytest.mark.parametrize(("module", "options"), CASES)
def test_gradients_are_those_of_finite_differences(module, options):
    objective, batch = made(module, eta=2.0, **options), ragged()
    shape = (batch.lengths, batch.targets)

    def loss(ratios):
        return objective.loss(batch_of(ratios, shape[1], shape[0]))

    assert torch.autograd.gradcheck(loss, (batch.log_ratios.requires_grad_(),), atol=1e-8)


def test_length_normalisation_divides_the_log_ratio():
    """γ = ½ and 1 of 4 and 9 tokens: a = 4 and 9 are 2 and 3, or 1 and 1."""
    scores, eta = [[0.5, 2.0]], 3.0
    for power, ratios in ((0.5, (2, 3)), (1.0, (1, 1)), (0.0, (4, 9))):
        batch = batch_of([[4, 9]], scores, [[4, 9]])
        expected = sum((a - eta * s) ** 2 for a, s in zip(ratios, scores[0], strict=True)) / 2
        loss = made(gpo, eta=eta, length_power=power, **NATIVE).loss(batch)
        assert loss.item() == pytest.approx(expected, rel=1e-12)


def test_scores_are_clipped_in_nats():
    """β = .001 and C = 1000: scores beyond ±1 are ±1, as the spec reads the released launcher."""
    scores = [[2.6, -6.5, 0.4]]
    clipped = made(gpo, eta=1000.0, clip_nats=1000.0, **NATIVE)
    batch, cut = batch_of([[1, -2, 0]], scores), batch_of([[1, -2, 0]], [[1, -1, 0.4]])
    expected = made(gpo, eta=1000.0, **NATIVE).loss(cut)
    assert clipped.loss(batch).item() == pytest.approx(expected.item(), rel=1e-12)
    pair = ((1 - 1000) ** 2 + (-2 + 1000) ** 2 + 400**2) / 3
    assert clipped.loss(batch).item() == pytest.approx(pair, rel=1e-12)
    # log Z is that of the clipped: the policy that it makes is a fixed point, too.
    best = torch.tensor([[1.0, -1.0, 0.4]], dtype=torch.float64).log_softmax(1) + math.log(3)
    one = made(gpo, eta=1.0, clip_nats=1.0, baseline="log_z").loss(batch_of(best, scores))
    assert one.item() < 1e-28


def kto_by_hand(pairs, beta) -> list[float]:
    """The published code's numbers: pairs of (a_w, a_l)."""
    k_w = max(0.0, sum(a for a, _ in pairs) / len(pairs))
    k_l = max(0.0, sum(a for _, a in pairs) / len(pairs))
    chosen = [1 - 1 / (1 + math.exp(-beta * (a - k_l))) for a, _ in pairs]
    return chosen + [1 - 1 / (1 + math.exp(-beta * (k_w - a))) for _, a in pairs]


@pytest.mark.parametrize(
    "pairs", [[(1.0, -0.5), (2.0, 0.7)], [(-1.0, -0.5), (0.3, -2.0)], [(1.5, 0.5)]]
)
def test_kto_is_the_published_formula(pairs):
    """K_w and K_l above and at 0; labels in either place."""
    labels = torch.arange(len(pairs)) % 2
    ratios = [(a, b) if label == 0 else (b, a) for (a, b), label in zip(pairs, labels, strict=True)]
    losses = kto_by_hand(pairs, 0.7)
    for stop in (True, False):
        found = made(kto_pair, beta_train=0.7, stop_gradient=stop).loss(batch_of(ratios, labels))
        assert found.item() == pytest.approx(sum(losses) / len(losses), rel=1e-12)


def test_ktos_gradient_flows_through_k_only_if_asked():
    """Finite differences of the formula: with K held at its value, and with it moving."""
    pairs, labels, step = [(1.0, -0.5), (2.0, 0.7)], torch.zeros(2), 1e-6

    def held(moved) -> float:
        k_w, k_l = 1.5, 0.1
        terms = [logsigmoid(torch.tensor(-(a - k_l), dtype=torch.float64)).exp() for a, _ in moved]
        terms += [logsigmoid(torch.tensor(-(k_w - a), dtype=torch.float64)).exp() for _, a in moved]
        return float(sum(terms)) / 4

    def moving(moved) -> float:
        return sum(kto_by_hand(moved, 1.0)) / 4

    found = {}
    for stop, plain in ((True, held), (False, moving)):
        found[stop] = slopes(made(kto_pair, stop_gradient=stop), batch_of(pairs, labels))
        for row in range(2):
            for place in range(2):
                up, down = ([list(pair) for pair in pairs] for _ in range(2))
                up[row][place] += step
                down[row][place] -= step
                slope = (plain(up) - plain(down)) / (2 * step)
                assert found[stop][row, place].item() == pytest.approx(slope, abs=1e-8)
    assert (found[True] - found[False]).abs().max() > 0.01


# What a K that moves with its batch does: pushing both responses of all pairs up or down by one number
# leaves the published loss where it is, once both means are above 0.
def test_without_the_stop_a_shift_of_all_log_ratios_is_no_gradient():
    batch = batch_of([(1.0, 0.5), (6.0, 0.7)], torch.zeros(2))
    flowing = slopes(made(kto_pair, stop_gradient=False), batch)
    assert flowing.sum().item() == pytest.approx(0, abs=1e-12)
    assert abs(slopes(made(kto_pair), batch).sum().item()) > 0.01


def test_labels_train_the_same_way_as_dpo():
    """From the reference all push the preferred response up and the other down."""
    for module in (sppo_hard, kto_pair, dpo):
        found = slopes(made(module), batch_of(torch.zeros(2, 2), torch.tensor([1.0, 0.0])))
        assert found[0, 1] < 0 < found[0, 0] and found[1, 0] < 0 < found[1, 1]


@pytest.mark.parametrize("module", [sppo, sppo_single, gpo, kto_pair])
def test_without_a_link(module):
    assert made(module).probability(torch.zeros(3)).isnan().all() and made(module).sign() == 1


@pytest.mark.parametrize(
    ("module", "options", "words"),
    [
        (sppo, {"eta": 0}, "eta = 0; allowed"),
        (sppo, {"baseline": "zero"}, "allowed: half, log_z, mean, difference"),
        (gpo, {"baseline": "half"}, "allowed: zero, log_z, mean, difference"),
        (gpo, {"clip_nats": 0}, "clip_nats = 0; allowed"),
        (sppo_single, {"scale": "beta"}, "allowed: beta2, native"),
        (sppo_hard, {"length_power": -1}, "length_power = -1; allowed"),
        (kto_pair, {"stop_gradient": 1}, "allowed: true, false"),
    ],
)
def test_options_out_of_their_range_are_named(module, options, words):
    with pytest.raises(ValueError, match=words):
        made(module, **options)


def test_what_takes_log_z_from_a_group_is_known_without_torch():
    for name in ("sppo", "gpo"):
        assert not objectives.estimates_log_z(objectives.constants(name).defaults)
    assert objectives.estimates_log_z({"baseline": "log_z"})
