"""What a policy of a run is worth, in the rows of the study's tables.

Win rates are by the held-out judge, those that begin with `training_` by the judge that trained. Intervals
are over prompts, of the policy as it was trained.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from prefgrid.statistics import best_of, win_rate
from prefgrid.statistics.intervals import t_test_p
from prefgrid.statistics.length_control import length_controlled
from prefgrid.statistics.prompt_means import over_prompts
from prefgrid.studies.self_play.contests import Contest

Groups = Sequence[Mapping[str, Any]]
JUDGES = ("", "training_")
# Of a run, whose loss is that of its end.
END_SHARE = 0.1


def ends(name: str, values: np.ndarray, low: float, high: float) -> dict[str, float]:
    """`name`, `name_low`, `name_high`: mean over prompts and its interval. values: [P] in [low, high]."""
    found = over_prompts(values, low, high)
    return {name: found.mean, f"{name}_low": found.low, f"{name}_high": found.high}


def characters(groups: Groups) -> np.ndarray:
    """Length of each response's text, [P, S]."""
    return np.array([[len(one["text"]) for one in row["responses"]] for row in groups], float)


def kl_nats(groups: Groups, to: str) -> np.ndarray:
    """Mean over samples of the exact KL along each response, [P]; to: "base" or "previous"."""
    return np.array(
        [np.mean([one["kl_nats"][to] for one in row["responses"]]) for row in groups], float
    )


def of_kl(groups: Groups, to: Sequence[str]) -> dict[str, float]:
    """KL in nats a response with its standard error over prompts; NaN of what `to` does not name."""
    row = {}
    for name in ("base", "previous"):
        values = kl_nats(groups, name) if name in to else np.array([np.nan])
        error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
        row |= {f"kl_{name}_nats": float(values.mean()), f"kl_{name}_se_nats": float(error)}
    return row


def of_samples(groups: Groups) -> dict[str, float]:
    """Length, entropy, and what is said twice. A duplicate is a response whose text was there before: among
    those to its prompt, or (`pool_duplicate_share`) among all."""
    flat = [one for row in groups for one in row["responses"]]
    tokens = np.array([len(one["tokens"]) for one in flat])
    own = [len({one["text"] for one in row["responses"]}) for row in groups]
    return {
        "tokens": float(tokens.mean()),
        "characters": float(characters(groups).mean()),
        "entropy_per_token_nats": float(sum(one["entropy_nats"] for one in flat) / tokens.sum()),
        "duplicate_share": 1 - sum(own) / len(flat),
        "pool_duplicate_share": 1 - len({one["text"] for one in flat}) / len(flat),
        "truncated_share": float(np.mean([one["finish"] == "length" for one in flat])),
    }


def of_wins(
    contests: Mapping[str, Contest], previous: int | None, lengths: np.ndarray, base: np.ndarray
) -> dict[str, float]:
    """Win rates against the base and against opponent number `previous` (None: there is none).

    `win_base_p`, `judge_gap_p`: of t tests over prompts that it is ½, and that the judges agree.
    contests: of each of JUDGES. lengths, base: characters [P, S] of the policy's and the base's responses.
    """
    row: dict[str, float] = {}
    differences = lengths[:, :, None] - base[:, None, :]
    prompts = np.broadcast_to(np.arange(len(lengths))[:, None, None], differences.shape)
    rates = {}
    for judge, contest in contests.items():
        logits = contest.against(0)
        rates[judge] = win_rate.by_prompt(logits)
        row |= ends(f"{judge}win_base", rates[judge], 0, 1)
        row[f"{judge}win_base_probability"] = win_rate.mean_probability(logits)
        controlled = length_controlled(
            win_rate.won(logits).ravel(), differences.ravel(), prompts.ravel()
        )
        name = f"{judge}lc_win_base"
        row |= {name: controlled.mean, f"{name}_low": controlled.low}
        row[f"{name}_high"] = controlled.high
        nothing = np.array([np.nan])
        rate = nothing if previous is None else win_rate.by_prompt(contest.against(previous))
        row |= ends(f"{judge}win_previous", rate, 0, 1)
    gap = rates["training_"] - rates[""]
    row |= {"win_base_p": t_test_p(rates[""] - win_rate.TIE), "judge_gap_p": t_test_p(gap)}
    return row | ends("judge_gap", gap, -1, 1)


def of_scores(label: str, own: np.ndarray, base: np.ndarray) -> dict[str, float]:
    """Mean score by the judge `label`, and `change_…`, how it differs from the base's, paired by prompt.

    own, base: scores [P, S] of the policy's and the base's responses.
    """
    change = own.mean(axis=1) - base.mean(axis=1)
    return {f"score_{label}": float(own.mean())} | ends(f"change_{label}", change, -np.inf, np.inf)


def of_the_base() -> dict[str, float]:
    """Its win rates against itself, ½ by definition, so without intervals, and its KL to itself."""
    row = {"kl_base_nats": 0.0, "judge_gap": 0.0}
    for judge in JUDGES:
        row |= {f"{judge}{name}": 0.5 for name in ("win_base", "win_base_probability")}
        row[f"{judge}lc_win_base"] = 0.5
    return row


def of_training(metrics: pd.DataFrame) -> dict[str, float]:
    """Of a policy's metrics, a row a step: how many, and the mean loss of the last tenth of them."""
    last = max(1, round(END_SHARE * len(metrics)))
    return {"steps": len(metrics), "loss": float(metrics["loss"].tail(last).mean())}


def of_best(contests: Mapping[str, Contest], of: int) -> dict[str, float]:
    """Best of n = `of` by the training judge, against the base's samples; `gain`: over a plain sample.

    contests: of each of JUDGES, of N candidates and the base's samples.
    """
    chosen = best_of.chosen(contests["training_"].among_own(), of)
    row: dict[str, float] = {"of": of}
    for judge, contest in contests.items():
        wins = win_rate.won(contest.against(0)).mean(axis=2)
        best = np.take_along_axis(wins, chosen, axis=1).mean(axis=1)
        row |= ends(f"{judge}win_base", best, 0, 1)
        row |= ends(f"{judge}gain", best - wins.mean(axis=1), -1, 1)
    return row
