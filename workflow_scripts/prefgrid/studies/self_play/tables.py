"""The tables of the report's section of self-play."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from prefgrid.report import columns
from prefgrid.report.blocks import Column, table
from prefgrid.studies.at_kl import rows_at
from prefgrid.studies.self_play.names import display_name, judge_name, policy_name

FOLDER = "self_play/tables"
DIGITS = 3
# A table's file → what it says and how to read it.
CAPTIONS = {
    "iterations": (
        "Every policy on the held-out prompts. Win rates: share of all pairs of samples won against the base "
        "(0.5 by definition of itself) or the iterate before, ties ½, by the judge that trained nothing, and by the one "
        "that trained; their difference on the same pairs is the gap, above 0 where the policy pleases its own judge "
        "beyond what the other sees. Equal length: win rate of a logistic fit whose length term is 0, a dash where "
        "length alone decides. KL: exact, in nats a response. Duplicates: samples whose text was there before among "
        "those to the prompt. Loss: of the last tenth of the steps; of different methods it is on different scales. "
        "Intervals are over prompts, for the policy as it was trained."
    ),
    "contests": "Iterates against each other: win rate of every one against every one before it.",
    "classes": "Share of each class among a policy's held-out responses.",
    "selected": (
        "The iteration that is each run's result. Where the best was chosen, its win rate is cross-fitted: each "
        "prompt judges what the other half of the prompts chose."
    ),
    "summary": (
        "Means over seeds with t intervals over seeds, those of shares cut to 0 and 1; one seed has none."
    ),
    "equal_kl": (
        "Win rate against the base at one KL to the base, read off the line through a run's iterates, linear in √KL; "
        "missing where no iterate gets as far. Differences to the baseline of the same judge are paired, by prompts "
        "and by seeds; intervals over prompts are bootstrapped, with the noise of the KL in them. Each of Holm's "
        "corrections covers all KLs, judges and methods."
    ),
    "best_of": (
        "Best of n responses by the judge that trained, against the base's plain samples: what a judge is worth without "
        "training, and on top of it. Gain: over a plain sample of the same policy, paired by prompt."
    ),
}


def tables(
    spec: Mapping[str, Any],
    iterations: pd.DataFrame,
    summary: pd.DataFrame,
    equal_kl: pd.DataFrame,
    best_of: pd.DataFrame,
) -> list[dict[str, Any]]:
    """Win rates, training, equal KL, best of n, and over seeds where there are several; frames: the study's."""
    several = len(spec["seeds"]) > 1
    found = [_wins(iterations, several=several), _training(iterations, several=several)]
    if several:
        found.append(_summary(summary))
    found += [
        _equal_kl(rows_at(equal_kl, kappa), f"KL {kappa:g}", several=several)
        for kappa in equal_kl["kappa_nats"].unique()
    ]
    if len(best_of):
        found.append(_best_of(best_of, several=several))
    return found


def _known(column: Column) -> Column:
    """A dash for what a policy does not have."""
    return replace(column, text=lambda row: column.text(row) or "–")


def _keys(*, several: bool, policies: bool = True) -> list[Column]:
    found = [
        Column("Method", lambda row: display_name(row["method"]), numeric=False),
        Column("Judge", lambda row: judge_name(row["judge"]), numeric=False),
    ]
    if several:
        found.append(Column("Seed", lambda row: f"{row['seed']:.0f}", "seed"))
    if policies:
        found.append(
            Column(
                "Policy",
                lambda row: policy_name(int(row["iteration"]), average=bool(row["average"])),
                "iteration",
            )
        )
    return found


def _rate(label: str, name: str, *, signed: bool = False) -> list[Column]:
    """A value and its interval."""
    return [
        _known(columns.value(label, name, DIGITS, signed=signed)),
        _known(columns.ends("95 %", f"{name}_low", f"{name}_high", DIGITS, signed=signed)),
    ]


def _wins(frame: pd.DataFrame, *, several: bool) -> dict[str, Any]:
    shown = [
        *_keys(several=several),
        columns.value("KL", "kl_base_nats", 2),
        *_rate("Win rate", "win_base"),
        *_rate("Equal length", "lc_win_base"),
        *_rate("Against the one before", "win_previous"),
        *_rate("By its own judge", "training_win_base"),
        *_rate("Gap", "judge_gap", signed=True),
    ]
    if "exploitability" in frame:
        shown += _rate("Exploitability", "exploitability")
    return table("Win rates", CAPTIONS["iterations"], frame, shown, f"{FOLDER}/iterations.csv")


def _training(frame: pd.DataFrame, *, several: bool) -> dict[str, Any]:
    """Loss, KL and length an iteration, and what else a reader of a run asks for."""
    scores = [name for name in frame if name.startswith("score_")]
    dropped = [name for name in frame if name.startswith("dropped_")]
    shown = [
        *_keys(several=several),
        _known(columns.value("Loss", "loss", DIGITS)),
        columns.value("KL", "kl_base_nats", 2),
        _known(columns.value("KL to the one before", "kl_previous_nats", 2)),
        columns.value("Tokens", "tokens", 1),
        columns.value("Characters", "characters", 1),
        columns.value("Entropy a token", "entropy_per_token_nats", 2),
        columns.value("Duplicates", "duplicate_share", DIGITS),
        columns.value("Truncated", "truncated_share", DIGITS),
        *(_known(columns.value(_words(name, "score_"), name, 2)) for name in scores),
        _count("Rows", "targets_rows"),
        *(_count(f"Dropped: {_words(name, 'dropped_')}", name) for name in dropped),
    ]
    caption = (
        "Loss, KL and length, iteration by iteration, with mean scores of other judges and what the targets of the "
        "iteration were made of. Columns as in the table above."
    )
    return table(
        "Training, iteration by iteration", caption, frame, shown, f"{FOLDER}/iterations.csv"
    )


def _words(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).replace("_", " ")


def _count(label: str, name: str) -> Column:
    return Column(label, lambda row: "–" if pd.isna(row[name]) else f"{row[name]:,.0f}", name)


def _summary(frame: pd.DataFrame) -> dict[str, Any]:
    shown = [
        *_keys(several=False),
        columns.SEEDS,
        columns.value("KL", "kl_base_nats", 2),
        *_rate("Win rate", "win_base"),
        *_rate("Equal length", "lc_win_base"),
        *_rate("Gap", "judge_gap", signed=True),
        columns.value("Tokens", "tokens", 1),
    ]
    return table("Over seeds", CAPTIONS["summary"], frame, shown, f"{FOLDER}/summary.csv")


def _equal_kl(frame: pd.DataFrame, at: str, *, several: bool) -> dict[str, Any]:
    prompts = "prompts_{}_given_seeds"
    shown = [
        *_keys(several=False, policies=False),
        columns.value("Largest KL", "kl_reached_nats", 2),
        columns.value(f"Win rate at {at}", "win", DIGITS),
        _over_prompts("win", prompts),
        _known(columns.value("Minus the baseline's", "difference", DIGITS, signed=True)),
        _over_prompts("difference", prompts, signed=True),
        _known(columns.p_value("p (Holm)", "p_prompts_holm_given_seeds")),
    ]
    if several:
        shown += [
            columns.SEEDS,
            _known(
                columns.ends(
                    *("95 % t over seeds", "difference_seeds_low", "difference_seeds_high"),
                    DIGITS,
                    signed=True,
                )
            ),
            _known(columns.p_value("p over seeds (Holm)", "p_seeds_holm")),
        ]
    return table(f"At {at}", CAPTIONS["equal_kl"], frame, shown, f"{FOLDER}/equal_kl.csv")


def _over_prompts(name: str, form: str, *, signed: bool = False) -> Column:
    low, high = (f"{name}_{form.format(end)}" for end in ("low", "high"))
    return _known(columns.ends("95 % over prompts", low, high, DIGITS, signed=signed))


def _best_of(frame: pd.DataFrame, *, several: bool) -> dict[str, Any]:
    # The base's candidates are those of every run; the judge alone differs.
    base = frame["iteration"] == 0
    rows = frame[~base | ~frame.duplicated(["iteration", "of", "judge"])]
    rows = rows.assign(average=False, method=rows["method"].where(rows["iteration"] > 0))
    keys = _keys(several=False)[1:]
    if several:
        seed = Column("Seed", lambda row: f"{row['seed']:.0f}" if row["iteration"] else "–", "seed")
        keys.append(seed)
    method = Column(
        "Method",
        lambda row: display_name(row["method"]) if row["iteration"] else "–",
        numeric=False,
    )
    shown = [
        method,
        *keys,
        Column("n", lambda row: f"{row['of']:.0f}", "of"),
        *_rate("Win rate", "win_base"),
        *_rate("Gain", "gain", signed=True),
        *_rate("By its own judge", "training_win_base"),
    ]
    return table("Best of n", CAPTIONS["best_of"], rows, shown, f"{FOLDER}/best_of.csv")
