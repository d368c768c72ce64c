"""Made-up gathered tables of the single-index study, so that its figures and its section of the
report can be tested in seconds. Rewards and KL are exact expectations, as in the real study."""

import numpy as np
import pandas as pd

from prefgrid import links, seeding
from prefgrid.statistics.frontier import reward_at_kl
from single_index import tabulate_single_index

METHODS = [
    "dpo",
    "pspo",
    "ospo",
    "rspo",
    "pspo_published",
    "ospo_published",
    "rspo_published",
    "ospo_orthogonal",
    "ipo",
    "robust_dpo",
    "cdpo",
    "hinge",
]
BETAS = [0.2, 0.3, 0.5, 0.8, 1, 1.5, 2, 3, 5, 8, 10, 15, 20, 30, 50, 80, 100, 200, 500, 1000]
KAPPA = 0.2
CONTEXTS, ACTIONS = 40, 10
# Correlation of the learned index with the reward: at shift 0, and what a shift of 1.5 costs.
SKILL = {
    "pspo": (0.84, 0.02),
    "ospo": (0.86, 0.03),
    "pspo_published": (0.80, 0.06),
    "ospo_published": (0.86, 0.04),
    "ospo_orthogonal": (0.855, 0.02),
}
USUAL_SKILL = (0.85, 0.16)
GROUPS = ["shift", "tau", "n"]
VARIANTS = [
    ["pspo", "pspo_published"],
    ["ospo", "ospo_published"],
    ["rspo", "rspo_published"],
    ["ospo_orthogonal", "ospo"],
]


def _cells(methods, seeds, shifts, sizes, taus):
    for seed in seeds:
        for shift in shifts:
            for tau in taus:
                for n in sizes:
                    for method in methods:
                        yield {"method": method, "seed": seed, "shift": shift, "tau": tau, "n": n}


def _indices(cell: dict) -> tuple[np.ndarray, np.ndarray]:
    """(reward, learned index), both [contexts, actions]; the seed's data noise is all methods'."""
    data = seeding.stream(cell["seed"], "synthetic single index")
    reward = data.normal(0, 1.4 + 0.2 * data.random(), (CONTEXTS, ACTIONS))
    noise = data.normal(0, 1, reward.shape)
    if cell["method"] == "oracle":
        return reward, reward
    own = seeding.stream(cell["seed"], "synthetic method", cell["method"], cell["shift"])
    noise = noise + 0.15 * own.normal(0, 1, reward.shape)
    start, cost = SKILL.get(cell["method"], USUAL_SKILL)
    skill = (start - cost * (cell["shift"] / 1.5) ** 2) * (1 - 0.05 * (cell["n"] < 1000))
    return reward, skill * reward + np.sqrt(1 - skill**2) * 1.5 * noise


def curves(methods=METHODS, seeds=range(5), shifts=(0.0, 0.75, 1.5), sizes=(1000,), taus=(0.25,)):
    frames = []
    for cell in _cells([*methods, "oracle"], seeds, shifts, sizes, taus):
        reward, index = _indices(cell)
        logits = index[None] * 8 / np.array(BETAS)[:, None, None]
        log_policy = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        policy = np.exp(log_policy)
        frames.append(
            pd.DataFrame(
                cell
                | {
                    "beta": BETAS,
                    "avg_reward": (policy * reward).sum(-1).mean(-1),
                    "kl_div": (policy * (log_policy + np.log(ACTIONS))).sum(-1).mean(-1),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def runs(curve_rows: pd.DataFrame, kappa_nats: float = KAPPA) -> pd.DataFrame:
    """The runs of `curves`, read off at one KL by interpolation."""
    rows = []
    keys = ["method", "seed", "shift", "tau", "n"]
    for values, run in curve_rows.groupby(keys, sort=False):
        cell = dict(zip(keys, values, strict=True))
        reward, index = _indices(cell)
        utility_diff, index_diff = (x[:, 1:] - x[:, :1] for x in (reward, index))
        rows.append(
            cell
            | {
                "kappa_nats": kappa_nats,
                "reward": reward_at_kl(run["kl_div"], run["avg_reward"], kappa_nats),
                "beta": 10.0,
                "index_correlation": np.corrcoef(utility_diff.ravel(), index_diff.ravel())[0, 1],
                "pair_accuracy": np.mean(utility_diff * index_diff > 0),
                "sign": 1,
            }
        )
    return pd.DataFrame(rows)


def links_table(
    methods=METHODS, seeds=range(5), shifts=(0.0, 0.75, 1.5), sizes=(1000,), taus=(0.25,)
):
    index_sd = np.linspace(-3, 3, 61)
    frames = []
    for cell in _cells(methods, seeds, shifts, sizes, taus):
        rng = seeding.stream(cell["seed"], "synthetic link", cell["method"], cell["shift"])
        scale = 1.7 + 0.3 * rng.random()
        true = links.mixture(scale * index_sd, cell["shift"] / cell["tau"], 3 * cell["tau"])
        if cell["method"] == "hinge":
            learned = np.full_like(index_sd, np.nan)
        elif cell["method"].startswith("pspo"):
            learned = np.round(np.clip(true + rng.normal(0, 0.02), 0, 1), 1)
        elif cell["method"].startswith("ospo"):
            learned = np.clip(true + 0.03 * np.sin(3 * index_sd + rng.normal(0, 1)), 0, 1)
        else:
            learned = 1 / (1 + np.exp(-(1.6 if cell["shift"] else 2.6) * index_sd))
        frames.append(pd.DataFrame(cell | {"index_sd": index_sd, "learned": learned, "true": true}))
    return pd.concat(frames, ignore_index=True)


def summary(run_rows: pd.DataFrame, methods=METHODS) -> pd.DataFrame:
    """One row a cell, the oracle's among them; the curves' mean height is not made up anew."""
    own = run_rows.assign(mean_height=run_rows["reward"])
    seeds = run_rows["seed"].nunique()
    found = tabulate_single_index.summary(own, [*methods, "oracle"], seeds)
    return found.assign(kappa_nats=KAPPA)


def differences(run_rows: pd.DataFrame, methods=METHODS, baseline="dpo") -> pd.DataFrame:
    """Of all to the baseline, and between variants of one learner."""
    variants = [pair for pair in VARIANTS if set(pair) <= set(methods)]
    found = tabulate_single_index.differences(run_rows, methods, baseline, variants)
    return found.assign(kappa_nats=KAPPA)


def identifiability(shifts=(0.0, 0.75, 1.5), sizes=(1000,), taus=(0.25,)) -> pd.DataFrame:
    """Excess KL as 0.0276 (s/1.5)²: the right size, not the right values."""
    return pd.DataFrame(
        [
            {
                "shift": shift,
                "tau": tau,
                "n": n,
                "seeds": 5,
                "excess_kl_nats": 0.0276 * (shift / 1.5) ** 2,
                "evidence_nats": n * 0.0276 * (shift / 1.5) ** 2,
                "bayes_accuracy": 0.893 - 0.17 * shift / 1.5,
                "power": 0.05 if shift == 0 else 1.0,
            }
            for tau in taus
            for n in sizes
            for shift in shifts
        ]
    )
