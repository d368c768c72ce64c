"""SoftPO: hand-worked numbers, and policies of a few answers whose optimum can be enumerated.

The kind of bug: a β, a sign or a value Q̂0 in the wrong place, which still trains towards something.
"""

import math
from itertools import product

import pytest
import torch

from prefgrid.objectives import base, softpo
from prefgrid.objectives.soft_losses import LOSSES, log_complement

SCHEDULE = base.Schedule(rows=8, steps=40, steps_per_epoch=8, seed=0)
# Uniform reference over 1 … 100, scores −(n − 1)/99, β = .01: −.0415233.
Q0 = 0.01 * math.log(sum(math.exp(-n / 0.99) for n in range(100)) / 100)
SQUARED = ("squared", "squared_clip", "huber")
GIVEN = {"value": "given"}


def made(schedule: base.Schedule = SCHEDULE, **options) -> softpo.Objective:
    return softpo.Objective(options, schedule)


def scored(log_ratios, scores, values=None, *, logps=None, sampling=None, lengths=None, **fields):
    """A float64 batch of [G][K] numbers; the reference gives every response −4 nats."""
    log_ratios = torch.as_tensor(log_ratios, dtype=torch.float64)
    wide = {"scores": scores, "values": values, "sampling": sampling}
    wide = {
        k: None if v is None else torch.as_tensor(v, dtype=torch.float64) for k, v in wide.items()
    }
    return base.Batch(
        rows=fields.pop("rows", torch.arange(len(log_ratios))),
        log_ratios=log_ratios,
        logp_sums=log_ratios - 4.0 if logps is None else logps,
        lengths=torch.full(log_ratios.shape, 3) if lengths is None else lengths,
        targets=wide["scores"],
        sampling_logps=wide["sampling"],
        prompt_values=wide["values"],
        **fields,
    )


# --- numbers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("published_squared", 0.2194704),
        ("squared", 2194.704),
        ("cross_entropy", 0.0436933),
        ("published_cross_entropy", 1.3855402),
    ],
)
def test_the_published_example(loss, expected):
    """Δ = 1 and r = −.5: Q = −.0315233, z = −3.15233."""
    batch = scored([[1.0]], [[-0.5]], [Q0])
    digits = 5e-4 if expected > 1 and loss == "squared" else 5e-8
    assert made(loss=loss, **GIVEN).loss(batch).item() == pytest.approx(expected, abs=digits)


def test_the_slope_of_the_cross_entropy():
    """(p − τ)/(1 − p), with τ = e^−50."""
    batch = scored([[1.0]], [[-0.5]], [Q0])
    batch.log_ratios.requires_grad_()
    (slope,) = torch.autograd.grad(made(**GIVEN).loss(batch), batch.log_ratios)
    p = math.exp(100 * Q0 + 1)
    assert slope.item() == pytest.approx((p - math.exp(-50)) / (1 - p), rel=1e-9)
    # Published as .0446620.
    assert slope.item() == pytest.approx(0.0446619, abs=5e-8)


def test_squared_losses_by_hand():
    """β = .5, Q̂0 = −1: scores −2, 3, −12 want y = −2, 8, −22; Δ = −1, 2, −30.

    squared: 1, 36, 64. With C = 10 the last pair is −10, −10. With h = 4: 1, 4·(12 − 4), 4·(16 − 4).
    """
    batch = scored([[-1.0, 2.0, -30.0]], [[-2.0, 3.0, -12.0]], [-1.0])
    for loss, expected in (("squared", 101), ("squared_clip", 37), ("huber", 81)):
        objective = made(loss=loss, beta=0.5, huber_nats=4, **GIVEN)
        assert objective.loss(batch).item() == pytest.approx(expected / 3, rel=1e-12)


def test_cross_entropy_by_hand():
    """β = 1, Q̂0 = −1, score −2, so τ = e^−2; z = −2, and 2 which is capped, with a hinge of 3·2²."""
    objective = made(beta=1, hinge=3, **GIVEN)
    t = math.exp(-2)
    below = -(t * -2 + (1 - t) * math.log(1 - t))
    above = -(t * -1e-4 + (1 - t) * math.log(1 - math.exp(-1e-4))) + 12
    loss = objective.loss(scored([[-1.0, 3.0]], [[-2.0, -2.0]], [-1.0]))
    assert loss.item() == pytest.approx((below + above) / 2, rel=1e-12)


def test_only_the_hinge_pulls_down_a_soft_value_above_zero():
    """z = 2: the slope is 2·hinge·z, as it is nothing without the hinge."""
    for hinge in (0.0, 1.0, 3.0):
        batch = scored([[3.0]], [[-0.5]], [-0.01])
        batch.log_ratios.requires_grad_()
        loss = made(hinge=hinge, **GIVEN).loss(batch)
        (slope,) = torch.autograd.grad(loss, batch.log_ratios)
        assert slope.item() == pytest.approx(4 * hinge)


def test_wmle_by_hand():
    """β = .5, Q̂0 = −1, log π_ref = −4: y = −2 and 8, so π_ref·e^y = e^−6, and e^4, cut to 1.

    log μ = −3 and −2, log π = −3 and −6.
    """
    batch = scored([[1.0, -2.0]], [[-2.0, 3.0]], [-1.0], sampling=[[-3.0, -2.0]])
    loss = made(loss="wmle", beta=0.5, **GIVEN).loss(batch)
    expected = (math.exp(-3) * 3 + math.exp(2) * 6) / 2
    assert loss.item() == pytest.approx(expected, rel=1e-12)


def test_the_weights_of_wmle_have_no_gradient():
    """The slope by log π is minus the weight, π_ref being a number: here as above, e^−3 and e^2."""
    batch = scored([[1.0, -2.0]], [[-2.0, 3.0]], [-1.0], sampling=[[-3.0, -2.0]])
    batch.logp_sums.requires_grad_()
    loss = made(loss="wmle", beta=0.5, **GIVEN).loss(batch)
    (slopes,) = torch.autograd.grad(loss, batch.logp_sums)
    assert slopes[0].tolist() == pytest.approx([-math.exp(-3) / 2, -math.exp(2) / 2])


def test_published_losses_as_found():
    """Values at the clamps: no gradient where β·Δ or Q̂0 is beyond ±10, or Q above 0."""
    batch = scored([[1100.0, -1500.0]], [[-0.5, -1.0]], [-12.0])
    batch.log_ratios.requires_grad_()
    loss = made(loss="published_squared", **GIVEN).loss(batch)
    assert loss.item() == pytest.approx(((-10 + 10 + 0.5) ** 2 + (-20 + 1) ** 2) / 2)
    (slopes,) = torch.autograd.grad(loss, batch.log_ratios)
    assert slopes.tolist() == [[0.0, 0.0]]
    batch = scored([[50.0]], [[-0.5]], [-0.1])
    batch.log_ratios.requires_grad_()
    loss = made(loss="published_cross_entropy", **GIVEN).loss(batch)
    assert loss.item() == pytest.approx(-(1 - math.exp(-0.5)) * math.log(1e-8))
    assert torch.autograd.grad(loss, batch.log_ratios)[0].item() == 0.0


def test_the_log_of_the_complement_in_float32():
    """log(1 − e^x) and its slope −1/(e^−x − 1), from the cap's lower end to where e^x underflows."""
    logs = -torch.cat([torch.logspace(-6, 2.5, 200), torch.tensor([math.log(2), 1e4])])
    logs.requires_grad_()
    found = log_complement(logs)
    (slopes,) = torch.autograd.grad(found.sum(), logs)
    for x, one, slope in zip(*(t.tolist() for t in (logs, found, slopes)), strict=True):
        exact = math.log(-math.expm1(x)) if x > -1 else math.log1p(-math.exp(x))
        assert one == pytest.approx(exact, rel=1e-6, abs=1e-38)
        expected = -1 / math.expm1(-x) if x > -700 else 0.0
        assert slope == pytest.approx(expected, rel=1e-5, abs=1e-38)


@pytest.mark.parametrize("beta", [1e-6, 1e-3, 1e6])
@pytest.mark.parametrize("value", ["given", "group", "learned"])
@pytest.mark.parametrize("loss", LOSSES)
def test_losses_and_slopes_are_numbers_in_float32_for_any_beta(loss, value, beta):
    """At Δ up to ±300 nats, where exp overflows or underflows."""
    ratios = torch.tensor([[300.0, -300.0, 0.0, 4.0]], requires_grad=True)
    scores = torch.tensor([[-1.0, 0.0, -1e-7, -0.3]])
    drawn = torch.full((1, 4), -30.0)
    batch = base.Batch(
        *(torch.zeros(1, dtype=int), ratios, ratios - 30, torch.ones(1, 4), scores),
        sampling_logps=drawn,
        prompt_values=torch.tensor([-0.2]),
    )
    loss = made(loss=loss, value=value, beta=beta).loss(batch)
    (slopes,) = torch.autograd.grad(loss, ratios)
    assert loss.isfinite() and slopes.isfinite().all()


@pytest.mark.parametrize("value", ["given", "group", "learned"])
@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_equal_finite_differences(loss, value):
    """Of groups of 3, 2 and 4 responses, with V of two prompts known and of one not.

    The value is held where it is as responses move: it has no gradient.
    """
    generator = torch.Generator().manual_seed(1)
    counts = torch.tensor([[3], [2], [4]])
    present = torch.arange(4) < counts
    draw = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    ratios = torch.where(present, draw, 0.0).requires_grad_()
    scores = torch.where(present, -draw.abs().flip(0) - 0.1, 0.0)
    objective = made(loss=loss, beta=0.7, value=value)
    objective.values = {0: -1.3, 2: -0.9}
    values = torch.tensor([-1.2, -1.5, -0.8], dtype=torch.float64)
    fields = {"sampling": torch.where(present, draw - 4.2, 0.0), "lengths": 5 * present}
    held = objective.prompt_values(scored(ratios.detach(), scores, values, **fields))
    constant = made(loss=loss, beta=0.7, **GIVEN)

    def batch_of(log_ratios, prompt_values):
        return scored(log_ratios, scores, prompt_values, **fields)

    assert torch.autograd.gradcheck(lambda x: constant.loss(batch_of(x, held)), (ratios,))
    slopes = [
        torch.autograd.grad(one.loss(batch_of(ratios, given)), ratios)[0]
        for one, given in ((objective, values), (constant, held))
    ]
    torch.testing.assert_close(*slopes, rtol=0, atol=0)
    assert (slopes[0][~present] == 0).all() and (slopes[0][present] != 0).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_unequal_groups_count_alike(loss):
    """Groups of 3 and 2 in one batch: the mean of the two losses, each of a batch of its own."""
    objective = made(loss=loss, beta=0.5)
    long = ([0.4, -1.0, 0.3], [-0.2, -0.7, -0.5], [-3.0, -2.0, -1.0])
    short = ([-0.6, 0.9], [-0.1, -0.9], [-2.5, -4.0])
    alone = [
        objective.loss(scored([one], [two], sampling=[three])) for one, two, three in (long, short)
    ]
    padded = [torch.tensor([a, [*b, 0.0]]) for a, b in zip(long, short, strict=True)]
    both = scored(
        padded[0], padded[1], sampling=padded[2], lengths=torch.tensor([[4, 2, 1], [3, 3, 0]])
    )
    torch.testing.assert_close(objective.loss(both), (alone[0] + alone[1]) / 2)


# --- invariances ------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["given", "group"])
@pytest.mark.parametrize("loss", SQUARED)
def test_a_constant_added_to_all_scores_changes_nothing(loss, value):
    ratios, scores = [[0.2, -1.0], [0.7, -0.4]], torch.tensor([[-0.2, -0.9], [-0.4, -0.6]])
    values = torch.tensor([-0.3, -0.5])
    objective = made(loss=loss, beta=0.1, value=value)
    one = objective.loss(scored(ratios, scores, values))
    two = objective.loss(scored(ratios, scores + 7.0, values + 7.0))
    torch.testing.assert_close(one, two, rtol=1e-5, atol=0)


@pytest.mark.parametrize("value", ["given", "group", "learned"])
@pytest.mark.parametrize("loss", [*SQUARED, "cross_entropy", "wmle"])
def test_scores_values_and_beta_have_one_unit(loss, value):
    """All of them times 20: the losses in nats stay."""
    ratios, scores = [[0.2, -1.0], [0.7, -0.4]], torch.tensor([[-0.2, -0.9], [-0.4, -0.6]])
    values, sampling = torch.tensor([-0.3, -0.5]), [[-3.0, -2.0], [-1.0, -4.0]]
    losses = []
    for unit in (1.0, 20.0):
        objective = made(loss=loss, beta=0.1 * unit, value=value)
        for _ in range(2):
            batch = scored(ratios, unit * scores, unit * values, sampling=sampling)
            losses.append(objective.loss(batch))
            objective.observe(scored([[0.0, 0.0]] * 2, unit * scores))
    torch.testing.assert_close(losses[:2], losses[2:], rtol=1e-5, atol=0)


# --- policies that can be enumerated ------------------------------------------------------------

BETA, ANSWERS = 0.3, 6
REFERENCE = torch.linspace(-1, 1, ANSWERS, dtype=torch.float64).log_softmax(0)
SCORES = torch.tensor([-0.9, -0.1, -0.4, -0.05, -0.6, -0.3], dtype=torch.float64)
VALUE = BETA * (REFERENCE + SCORES / BETA).logsumexp(0)
OPTIMUM = REFERENCE + (SCORES - VALUE) / BETA
ELSEWHERE = torch.tensor([0.5, -1.0, 0.2, 1.0, -0.3, 0.0], dtype=torch.float64)


def losses_at(logits, objective, value, sampling=None):
    """Tensor[A]: the loss of each answer as a batch of its own."""
    logps = logits.log_softmax(0)
    return torch.stack(
        [
            objective.loss(
                scored(
                    (logps - REFERENCE)[a].reshape(1, 1),
                    SCORES[a].reshape(1, 1),
                    value.reshape(1),
                    logps=logps[a].reshape(1, 1),
                    sampling=None if sampling is None else sampling[a].reshape(1, 1),
                )
            )
            for a in range(ANSWERS)
        ]
    )


def slope(loss, logits):
    return torch.autograd.grad(loss, logits)[0]


@pytest.mark.parametrize("off", [0.0, -0.4, 2.0])
def test_on_the_policy_half_squared_is_the_gradient_of_the_kl_to_the_optimum(off):
    """E_π of the slope of ½(Δ − y)², beside that of KL(π‖π*) by enumeration; any Q̂0 will do."""
    logits = ELSEWHERE.clone().requires_grad_()
    losses = losses_at(logits, made(loss="squared", beta=BETA, **GIVEN), VALUE + off)
    ours = slope((logits.detach().softmax(0) * 0.5 * losses).sum(), logits)
    logps = logits.log_softmax(0)
    exact = slope((logps.exp() * (logps - OPTIMUM)).sum(), logits)
    assert exact.abs().max() > 0.1
    torch.testing.assert_close(ours, exact, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("loss", [*SQUARED, "cross_entropy"])
def test_the_optimum_is_stationary_on_any_answer(loss):
    """At π* with the right Q̂0 no single answer has a slope; with a wrong one each has."""
    logits = OPTIMUM.clone().requires_grad_()
    for off, still in ((0.0, True), (-0.02, False)):
        losses = losses_at(logits, made(loss=loss, beta=BETA, **GIVEN), VALUE + off)
        slopes = torch.stack(
            [torch.autograd.grad(one, logits, retain_graph=True)[0] for one in losses]
        )
        assert (slopes.abs().amax(1) < 1e-12).all() == still
        assert (slopes.abs().amax(1) > 1e-3).all() != still


def test_wmle_is_stationary_at_the_optimum_in_expectation():
    """E_μ of its slope, by enumeration, is −Σ_a (π* − π)(a)·∇logit_a: 0 at π*, for any μ."""
    sampling = torch.tensor([0.3, 0.1, 0.2, 0.1, 0.1, 0.2], dtype=torch.float64).log()
    objective = made(loss="wmle", beta=BETA, **GIVEN)
    for start in (OPTIMUM, ELSEWHERE):
        logits = start.clone().requires_grad_()
        losses = losses_at(logits, objective, VALUE, sampling)
        ours = slope((sampling.exp() * losses).sum(), logits)
        exact = start.softmax(0) - OPTIMUM.exp()
        torch.testing.assert_close(ours, exact, rtol=1e-10, atol=1e-14)


def whole_group(logits, **fields):
    """All answers as one group, whatever the policy would draw."""
    logps = logits.log_softmax(0)
    return scored((logps - REFERENCE)[None], SCORES[None], logps=logps[None], **fields)


@pytest.mark.parametrize("loss", [*SQUARED, "cross_entropy"])
def test_the_group_s_value_is_exact_at_the_optimum(loss):
    """Off the policy: answers alike often, and the loss has no slope at π*."""
    logits = OPTIMUM.clone().requires_grad_()
    objective = made(loss=loss, beta=BETA, value="group")
    batch = whole_group(logits)
    assert objective.prompt_values(batch).item() == pytest.approx(VALUE.item(), rel=1e-12)
    assert slope(objective.loss(batch), logits).abs().max() < 1e-12


@pytest.mark.parametrize(
    ("loss", "value"), list(product(["squared", "huber"], ["group", "learned"]))
)
def test_descent_off_the_policy_ends_at_the_optimum(loss, value):
    """From π_ref, all answers alike often and no value given; V ends at Q0."""
    logits = REFERENCE.clone().requires_grad_()
    objective = made(loss=loss, beta=BETA, value=value, value_rate=0.5)
    optimizer = torch.optim.Adam([logits], lr=0.1)
    for step in range(600):
        optimizer.param_groups[0]["lr"] = 0.1 * 0.99**step
        batch = whole_group(logits)
        optimizer.zero_grad()
        objective.loss(batch).backward()
        optimizer.step()
        objective.observe(batch)
    assert (logits.softmax(0) - OPTIMUM.exp()).abs().sum() < 1e-3
    if value == "learned":
        assert objective.values[0] == pytest.approx(VALUE.item(), abs=1e-3)


# --- learned values ----------------------------------------------------------------------------


def test_learned_values_by_hand():
    """β = 1: means of r − Δ are −1 (prompt 5), then −3 and −2 (its two groups) and −4 (prompt 9).

    V(5): −1 at its first visit, then −1 + .1·(−2.5 + 1) = −1.15. V(9) = −4.
    """
    objective = made(loss="squared", beta=1, value="learned")
    first = scored([[0.5, 0.5]], [[-0.5, -0.5]], prompts=torch.tensor([5]))
    objective.observe(first)
    assert objective.values == {5: -1.0}
    second = scored(
        [[0.0, 2.0], [1.0, 0.0], [1.0, 1.0]],
        [[-1.0, -3.0], [-1.0, -2.0], [-3.0, -3.0]],
        prompts=torch.tensor([5, 5, 9]),
    )
    assert objective.prompt_values(second).tolist() == [-1.0, -1.0, -4.0]
    objective.observe(second)
    assert objective.values == pytest.approx({5: -1.15, 9: -4.0})
    # Without ids of prompts, rows stand for them.
    assert objective.prompt_values(scored([[0.0]], [[-7.0]], rows=torch.tensor([9]))).item() == -4


def test_a_learned_value_stays_at_q0_at_the_optimum():
    """And is drawn there by value_rate a visit: of an error of 1 after 20 visits .9^20 is left."""
    objective = made(loss="squared", beta=BETA, value="learned")
    objective.observe(whole_group(OPTIMUM))
    assert objective.values[0] == pytest.approx(VALUE.item(), rel=1e-12)
    objective.values[0] += 1.0
    for _ in range(20):
        objective.observe(whole_group(OPTIMUM))
    assert objective.values[0] - VALUE.item() == pytest.approx(0.9**20, rel=1e-9)


@pytest.mark.parametrize("value", ["group", "learned"])
def test_a_run_that_is_resumed_goes_on_bit_for_bit(value):
    options = {"beta_start": 0.5, "beta": 0.02, "value": value, "loss": "squared"}
    generator = torch.Generator().manual_seed(0)
    batches = [
        scored(
            torch.randn(3, 2, generator=generator),
            torch.rand(3, 2, generator=generator),
            prompts=torch.randint(4, (3,), generator=generator),
        )
        for _ in range(12)
    ]
    whole, before = made(**options), made(**options)
    losses = []
    for batch in batches:
        losses.append(whole.loss(batch))
        whole.observe(batch)
    for batch in batches[:5]:
        before.observe(batch)
    after = made(**options)
    after.load_state_dict(before.state_dict())
    for batch, loss in zip(batches[5:], losses[5:], strict=True):
        assert torch.equal(after.loss(batch), loss)
        after.observe(batch)
    one, two = whole.state_dict(), after.state_dict()
    assert one.keys() == two.keys()
    assert all(torch.equal(torch.as_tensor(one[k]), torch.as_tensor(two[k])) for k in one)


# --- annealing ---------------------------------------------------------------------------------


def test_beta_falls_geometrically_and_stays():
    """From 1 to .01 over half of 40 steps: .1 at the tenth, .01 from the twentieth on."""
    options = {"beta": 0.01, "beta_start": 1.0}
    betas = [softpo.beta_at(step, 40, options) for step in range(41)]
    assert betas[0] == 1.0 and betas[10] == pytest.approx(0.1)
    assert betas[20:] == [0.01] * 21
    ratios = {round(b / a, 12) for a, b in zip(betas[:20], betas[1:21], strict=True)}
    assert ratios == {round(0.01 ** (1 / 20), 12)}
    assert softpo.beta_at(0, 40, {}) == softpo.beta_at(39, 40, {"beta_start": None}) == 0.01
    assert softpo.beta_at(39, 40, {**options, "anneal_share": 1.0}) > 0.01


def test_the_objective_s_beta_is_that_of_its_steps():
    """At Δ = 0 and Q̂0 = 0 the squared loss is (r/β)²."""
    objective = made(loss="squared", beta=0.01, beta_start=1.0, **GIVEN)
    batch = scored([[0.0]], [[-0.5]], [0.0])
    for step in range(25):
        beta = softpo.beta_at(step, 40, objective.options)
        assert objective.loss(batch).item() == pytest.approx((0.5 / beta) ** 2, rel=1e-12)
        objective.observe(batch)


# --- what is refused ---------------------------------------------------------------------------

ROWS = torch.tensor([7, 8])


@pytest.mark.parametrize(
    ("options", "fields", "words"),
    [
        (GIVEN, {}, "value = 'given' needs prompt_values, .*allowed: .*'group' or 'learned'"),
        ({"loss": "wmle"}, {}, "loss = 'wmle' needs sampling_logps, .*; allowed: .*another loss"),
        (
            {"loss": "cross_entropy"},
            {"scores": [[-1.0, 0.0], [0.25, -1.0]]},
            r"row 8 has the score 0\.25, and loss = 'cross_entropy'.*allowed: scores up to 0",
        ),
        (
            {"loss": "published_cross_entropy"},
            {"scores": [[-1.0, 0.5], [0.0, -1.0]]},
            r"row 7 has the score 0\.5",
        ),
        (
            {"loss": "squared"},
            {"lengths": torch.tensor([[2, 2], [2, 0]])},
            "row 8 has one response.*'group'.*allowed: two or more responses a group",
        ),
    ],
)
def test_a_batch_that_lacks_something_is_refused_by_name(options, fields, words):
    batch = scored(
        **{"log_ratios": [[0.0, 0.0]] * 2, "scores": [[-1.0, 0.0]] * 2, "rows": ROWS, **fields}
    )
    with pytest.raises(ValueError, match=words):
        made(**options).loss(batch)


@pytest.mark.parametrize("loss", SQUARED)
def test_other_losses_take_scores_above_zero(loss):
    assert made(loss=loss).loss(scored([[0.1, 0.0]], [[4.0, 2.0]])).isfinite()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"beta": 0}, "beta = 0; allowed"),
        ({"beta_start": 0.001}, "beta_start = 0.001, below beta = 0.01, .*allowed"),
        ({"anneal_share": 0}, "anneal_share = 0; allowed"),
        ({"loss": "ce"}, "loss = 'ce'; allowed: cross_entropy, squared"),
        ({"value": "exact"}, "value = 'exact'; allowed: given, group, learned"),
        ({"value_rate": 1.5}, "value_rate = 1.5; allowed"),
    ],
)
def test_bad_options_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        made(**options)


def test_the_losses_are_those_of_the_options():
    assert list(LOSSES) == softpo.OPTIONS["loss"][1]


def test_it_has_no_link():
    assert made().probability(torch.zeros(3)).isnan().all() and made().sign() == 1
