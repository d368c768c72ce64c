"""Statistics against scipy, statsmodels and scikit-learn."""

import numpy as np
import pytest
from scipy import integrate, optimize, special, stats
from sklearn.calibration import calibration_curve
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

from prefgrid import links, seeding
from prefgrid.statistics.area import mean_height
from prefgrid.statistics.bisection import reward_at_kl as bisected
from prefgrid.statistics.bootstrap import percentile_interval, replicates, resample_weights
from prefgrid.statistics.calibration import calibration_error
from prefgrid.statistics.frontier import reward_at_kl
from prefgrid.statistics.identifiability import (
    bayes_accuracy,
    best_logistic,
    likelihood_ratio_power,
)
from prefgrid.statistics.intervals import holm, t_interval, t_test_p, wilson_interval
from prefgrid.statistics.oracle import estimate
from prefgrid.statistics.power import paired_power, seeds_needed


@pytest.mark.parametrize("count", [2, 3, 10, 200])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_t_interval_against_statsmodels_and_scipy(count, level):
    values = np.random.default_rng(count).normal(0.3, 2, count)
    ours = t_interval(values, level)
    theirs = DescrStatsW(values).tconfint_mean(alpha=1 - level)
    assert (ours.low, ours.high) == pytest.approx(theirs)
    scipy = stats.ttest_1samp(values, 0)
    assert (ours.low, ours.high) == pytest.approx(tuple(scipy.confidence_interval(level)))
    assert t_test_p(values) == pytest.approx(scipy.pvalue)


def test_t_interval_covers_as_often_as_it_says():
    """4 seeds, nominal 90 %: 10,000 repetitions have a standard error of 0.3 %."""
    draws = np.random.default_rng(0).normal(size=(10_000, 4))
    covered = np.mean([not t_interval(row, 0.9).excludes(0) for row in draws])
    assert 0.88 < covered < 0.92
    # The normal multiplier 1.64 in its place: P(|t₃| < 1.645) = 80.1 %.
    errors = draws.std(axis=1, ddof=1) / 2
    assert np.mean(np.abs(draws.mean(axis=1)) < 1.645 * errors) == pytest.approx(0.801, abs=0.012)


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (3, 10), (10, 10), (4127, 5000)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_wilson_against_statsmodels(successes, trials, level):
    ours = wilson_interval(successes, trials, level)
    theirs = proportion_confint(successes, trials, alpha=1 - level, method="wilson")
    assert (ours.low, ours.high) == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("effect", [0.1, 0.3, 0.8, 1.5, 3.0])
def test_seeds_needed_against_statsmodels(effect):
    planned = TTestPower().solve_power(effect_size=effect, alpha=0.05, power=0.8)
    assert seeds_needed(effect, 1.0) == max(2, np.ceil(planned))
    expected = TTestPower().power(effect_size=effect, nobs=7, alpha=0.05)
    assert paired_power(effect, 7) == pytest.approx(expected)


def test_the_planned_seeds_have_the_planned_power():
    """Effect 0.8 → 15 seeds; simulated power 80.5 % ± 0.4 %."""
    seeds = int(seeds_needed(0.8, 1.0))
    draws = np.random.default_rng(0).normal(0.8, 1.0, (10_000, seeds))
    seen = stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05
    assert seen.mean() == pytest.approx(paired_power(0.8, seeds), abs=0.012)


def test_bisection_against_brentq():
    """Exponential tilts of six random reward vectors over ten actions, at one κ."""
    scores = np.random.default_rng(0).normal(size=(6, 10))

    def curve(beta):
        logits = scores / beta[:, None]
        policy = special.softmax(logits, axis=1)
        kl_nats = (policy * (special.log_softmax(logits, axis=1) + np.log(10))).sum(axis=1)
        return kl_nats, (policy * scores).sum(axis=1)

    reward, beta = bisected(curve, 6, 0.2, 1e-2, 1e3)
    for run in range(6):

        def gap(log_beta, run=run):
            return curve(np.full(6, np.exp(log_beta)))[0][run] - 0.2

        root = np.exp(optimize.brentq(gap, np.log(1e-2), np.log(1e3), xtol=1e-14))
        assert beta[run] == pytest.approx(root, rel=1e-9)
        assert reward[run] == pytest.approx(curve(np.full(6, root))[1][run], rel=1e-9)


def test_mean_height_against_quadrature():
    """A concave frontier in x = √KL, scanned densely: its mean over x by scipy's quadrature."""
    root = np.linspace(0.05, 1.5, 2001)
    area = integrate.quad(lambda x: x * (1 - np.log(x)), 0.3, 1.2)[0]
    height = mean_height(root**2, root * (1 - np.log(root)), 0.09, 1.44)
    assert height == pytest.approx(area / 0.9, rel=1e-6)


def test_holm_against_statsmodels():
    p_values = np.random.default_rng(0).uniform(0, 0.2, 12)
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


def test_interpolation_against_numpy():
    rng = np.random.default_rng(0)
    kl_nats, reward = np.sort(rng.gamma(2, 1, 9)), rng.normal(size=9)
    for kappa in np.linspace(kl_nats[0], kl_nats[-1], 23):
        expected = np.interp(np.sqrt(kappa), np.sqrt(kl_nats), reward)
        assert reward_at_kl(kl_nats[::-1], reward[::-1], kappa) == pytest.approx(expected)


def test_prompt_bootstrap_of_a_mean_against_scipy():
    """Every prompt has the KLs (0.25, 1): the reward at κ = 0.5625, half way in √KL, is a mean over
    prompts of (r₀ + r₁)/2."""
    reward = np.random.default_rng(0).gamma(2, 1, (2, 80))
    kl_nats = np.repeat([[0.25], [1.0]], 80, axis=1)
    weights = resample_weights(80, seeding.stream(0, "test"), draws=20_000)
    ours = percentile_interval(replicates(kl_nats, reward, weights, 0.5625), 0.9)
    theirs = stats.bootstrap(
        (reward.mean(axis=0),),
        np.mean,
        n_resamples=20_000,
        confidence_level=0.9,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    # Quantiles of 20,000 replicates have a standard error of about 1.5 % of the half width.
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs), abs=0.01)
    assert ours.missed == 0


def test_prompt_bootstrap_against_the_delta_method():
    """Between two points, x = √KL: R = Ra + (Rb − Ra)·w, w = (√κ − xa)/(xb − xa). A prompt's effect is
    (1 − w)·ra + w·rb − slope·[(1 − w)·ka/(2xa) + w·kb/(2xb)], with slope = (Rb − Ra)/(xb − xa)."""
    rng = np.random.default_rng(0)
    common = rng.normal(size=300)
    kl_nats = rng.gamma(6, [[0.05], [0.25]], (2, 300))
    reward = [[0.0], [1.2]] + 0.6 * common + rng.normal(0, 0.5, (2, 300))
    weights = resample_weights(300, seeding.stream(0, "test"), draws=4000)
    spread = np.nanstd(replicates(kl_nats, reward, weights, 0.8))
    root = np.sqrt(kl_nats.mean(axis=1))
    share = (np.sqrt(0.8) - root[0]) / (root[1] - root[0])
    slope = np.diff(reward.mean(axis=1))[0] / np.diff(root)[0]
    shares = np.array([[1 - share], [share]])
    effects = (shares * (reward - slope * kl_nats / (2 * root[:, None]))).sum(axis=0)
    assert effects.std(ddof=1) / np.sqrt(300) == pytest.approx(spread, rel=0.04)


@pytest.mark.parametrize(
    ("temperature", "shift", "excess", "accuracy"),
    [
        (1.0, 0.0, 0.0, 0.675),
        (1.0, 0.5, 0.0, 0.667),
        (1.0, 1.0, 0.00003, 0.647),
        (1.0, 2.0, 0.00023, 0.590),
        (0.25, 0.0, 0.0, 0.873),
        (0.25, 2.0, 0.0027, 0.801),
        (0.25, 4.0, 0.0141, 0.677),
        (0.25, 6.0, 0.0168, 0.584),
    ],
)
def test_identifiability_against_quadrature(temperature, shift, excess, accuracy):
    """u ~ N(0, 1): scipy's quadrature and a plain minimiser, and known figures to about 2 %."""
    utility = stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    fit = best_logistic(utility, shift, temperature)
    assert fit.excess_kl_nats == pytest.approx(excess, rel=0.03, abs=6e-6)
    ours = bayes_accuracy(utility, shift, temperature)
    assert ours == pytest.approx(accuracy, abs=0.002)

    def mean(of):
        inside = integrate.quad(lambda u: of(u) * stats.norm.pdf(u), 0, 9, limit=200, epsabs=1e-11)
        return 2 * inside[0]  # all integrands are even

    def true(u):
        return 0.5 * special.expit(u / temperature - shift) + 0.5 * special.expit(
            u / temperature + shift
        )

    def divergence(u, scale):
        p, q = true(u), special.expit(scale * u)
        return special.rel_entr(p, q) + special.rel_entr(1 - p, special.expit(-scale * u))

    best = optimize.minimize_scalar(
        lambda scale: mean(lambda u: divergence(u, scale)), bounds=(0.1, 1 / temperature + 0.1)
    )
    assert fit.excess_kl_nats == pytest.approx(best.fun, rel=2e-3, abs=1e-9)
    assert ours == pytest.approx(mean(true), abs=1e-4)


@pytest.mark.parametrize(
    # The formula is exact for small divergences a label: .0014 nats, then .014 nats.
    ("temperature", "shift", "n", "error"),
    [(0.5, 2.0, 2000, 0.03), (0.25, 4.0, 300, 0.06)],
)
def test_likelihood_ratio_power_by_simulation(temperature, shift, n, error):
    """logit p = c·a·u + δ·g(u) with g = logit Ψ(u) − a·u holds the best logistic link (c = 1, δ = 0)
    and the truth (c = δ = 1). Labels from the truth: how often is δ = 0 rejected? Both logistic
    regressions by Newton's method. Standard error of the share about 1.2 %."""
    rng, repetitions = np.random.default_rng(0), 1000
    utility = stats.norm.ppf((np.arange(n) + 0.5) / n)
    fit = best_logistic(utility, shift, temperature)
    logit = special.logit(links.mixture(utility, shift, temperature))
    features = np.stack([fit.scale * utility, logit - fit.scale * utility], axis=1)
    labels = (rng.uniform(size=(repetitions, n)) < special.expit(logit)).astype(float)

    def log_likelihood(x):
        weights = np.tile([1.0, 0.0][: x.shape[1]], (repetitions, 1))
        for _ in range(7):
            p = special.expit(weights @ x.T)
            products = (x[:, :, None] * x[:, None, :]).reshape(n, -1)
            hessian = ((p * (1 - p)) @ products).reshape(-1, x.shape[1], x.shape[1])
            weights += np.linalg.solve(hessian, ((labels - p) @ x)[..., None])[..., 0]
        z = weights @ x.T
        return (labels * z - np.logaddexp(0, z)).sum(axis=1)

    ratio = 2 * (log_likelihood(features) - log_likelihood(features[:, :1]))
    rejected = np.mean(ratio > stats.chi2.ppf(0.95, 1))
    assert rejected == pytest.approx(likelihood_ratio_power(n * fit.excess_kl_nats), abs=error)


def test_calibration_error_against_scikit_learn():
    rng = np.random.default_rng(0)
    predicted = rng.uniform(size=500)
    outcome = (rng.uniform(size=500) < predicted**2).astype(float)
    true, mean = calibration_curve(outcome, predicted, n_bins=10)
    counts = np.histogram(predicted, bins=10, range=(0, 1))[0]
    expected = (np.abs(true - mean) * counts).sum() / 500
    assert calibration_error(predicted, outcome) == pytest.approx(expected)


def test_oracle_is_the_optimum_over_weights():
    """No reweighting of the samples has a larger E[r] − β·KL than the oracle's."""
    rewards, beta = np.random.default_rng(0).normal(size=7), 0.7

    def loss(logits: np.ndarray) -> float:
        weights = np.exp(logits - logits.max())
        weights /= weights.sum()
        return -(weights @ rewards - beta * (weights @ np.log(7 * weights)))

    best = optimize.minimize(loss, np.zeros(7), tol=1e-12)
    row = estimate(rewards[None], [beta]).iloc[0]
    assert row["reward"] - beta * row["kl_nats"] == pytest.approx(-best.fun, abs=1e-8)
