"""What one judge is worth on one set of comparisons, in the rows of the study's tables."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from prefgrid.statistics import comparisons, intransitivity, reliability
from prefgrid.statistics.intervals import Interval, wilson_interval
from prefgrid.statistics.judge_calibration import log_loss
from prefgrid.statistics.order_effects import order_effect
from prefgrid.statistics.prompt_means import over_prompts


def accuracy(correct: np.ndarray) -> Interval:
    """Share of `comparisons.correct` with Wilson's interval; those that are NaN do not count."""
    decided = correct[~np.isnan(correct)]
    return wilson_interval(float(decided.sum()), len(decided))


def of_comparisons(
    found: pd.DataFrame,
    calibration: Mapping[str, Any],
    apart: np.ndarray,
    truth: np.ndarray | None,
    ceiling: Mapping[str, float],
) -> dict[str, Any]:
    """Measures of a judge, a row of the table `summary`.

    found: of `compared.with_logits`. apart: bool [comparisons], those whose prompts did not fit the
    temperature, which alone have calibrated measures. truth: known probabilities of the comparisons; None:
    those that stand in the file, unless they are labels. ceiling: `most` of the comparisons, the same for
    every judge.
    """
    logit, probability = found["logit"].to_numpy(), found["probability"].to_numpy()
    right = accuracy(comparisons.correct(logit, probability))
    strict = accuracy(comparisons.correct(logit, probability, tie=0.0))
    known = probability if truth is None else truth
    row = {
        "prompts": found["prompt_id"].nunique(),
        "comparisons": len(found),
        "decided": right.count,
        "accuracy": right.mean,
        "accuracy_low": right.low,
        "accuracy_high": right.high,
        "accuracy_strict": strict.mean,
        **ceiling,
        "temperature": np.nan if calibration["at_bound"] else calibration["temperature"],
        "calibrated_on": calibration["comparisons"],
        "calibrated_of": 0 if calibration["at_bound"] else int(apart.sum()),
    }
    for suffix, (part, own) in _scales(calibration, apart).items():
        row |= _as_probabilities(suffix, own, logit[part], probability[part], known[part])
    order = order_effect(found["there"], found["back"])
    spearman, pearson = comparisons.correlations(logit, found["length_difference"])
    return row | {
        "order_excess_mean": order.mean,
        "order_excess_low": order.low,
        "order_excess_high": order.high,
        "order_flipped_share": order.flipped_share,
        "length_spearman": spearman,
        "length_pearson": pearson,
    }


def _scales(
    calibration: Mapping[str, Any], apart: np.ndarray
) -> dict[str, tuple[np.ndarray, float]]:
    """Suffix of a column → which comparisons are taken, and what divides their logits; calibrated ("") none
    where the temperature is a bound."""
    calibrated = apart & (not calibration["at_bound"])
    return {
        "_raw": (np.ones(len(apart), bool), 1.0),
        "": (calibrated, calibration["temperature"]),
    }


def _as_probabilities(
    suffix: str,
    temperature: float,
    logit: np.ndarray,
    probability: np.ndarray,
    known: np.ndarray,
) -> dict[str, float]:
    """What σ(logit/temperature) is worth as a probability; NaN of no comparisons."""
    names = (f"log_loss{suffix}_nats", f"calibration_error{suffix}", f"probability_error{suffix}")
    if not len(logit):
        return dict.fromkeys(names, np.nan)
    values = (
        log_loss(logit / temperature, probability),
        reliability.expected_error(*reliability.verdicts(logit, probability, temperature)),
        comparisons.probability_error(logit, known, temperature),
    )
    return dict(zip(names, values, strict=True))


def most(found: pd.DataFrame, truth: np.ndarray | None, *, certain: bool) -> dict[str, float]:
    """`accuracy_most`, the highest accuracy on the decided comparisons that the preferences allow, and
    `accuracy_scalar_most`, that which scores of the responses can reach; where the first is above the second,
    preferences run in circles.

    Labels that were drawn run in circles by chance, and scores chosen after the draw agree with too many of
    them. So where labels were drawn both are expectations by their true probabilities, `truth`, and NaN where
    nobody knows these. certain: labels say what holds, and none is drawn. Where the file has probabilities, or its labels are certain, what counts as right is no
    draw. Responses of different rows are different ones, so of equal texts in many rows the second may be too
    high. It is NaN too where a row with a circle has too many responses.
    """
    decided = (found["probability"] != 0.5).to_numpy()
    rows, probability = found[decided], found["probability"].to_numpy()[decided]
    drawn = not certain and bool(np.isin(probability, (0.0, 1.0)).all())
    if rows.empty or (drawn and truth is None):
        return {"accuracy_most": np.nan, "accuracy_scalar_most": np.nan}
    right = truth[decided] if drawn else (probability > 0.5).astype(float)
    known: dict[Any, tuple[float, float]] = {}
    totals, sides = [], ["first", "second", "right"]
    for _, own in rows.assign(right=right).groupby("row"):
        # Rows of equal preferences have one answer, as circles of certain labels do.
        key = tuple(own[sides].itertuples(index=False, name=None))
        if key not in known:
            gain = intransitivity.gains(*(own[name].to_numpy() for name in sides))
            known[key] = intransitivity.most(gain), intransitivity.most_by_scores(gain)
        totals.append(known[key])
    either, scalar = np.sum(totals, axis=0) / len(rows)
    return {"accuracy_most": float(either), "accuracy_scalar_most": float(scalar)}


def of_samples(matrices: Iterable[np.ndarray]) -> dict[str, float]:
    """Share of circular triples among K responses, mean over prompts with its t interval: triples of one
    prompt are not independent. matrices: [K, K] of (l_ij − l_ji)/2, one a prompt."""
    shares = [intransitivity.circular_share(logits) for logits in matrices]
    interval = over_prompts(np.array(shares), 0, 1)
    return {
        "circular_share": interval.mean,
        "circular_share_low": interval.low,
        "circular_share_high": interval.high,
        "sampled_prompts": interval.count,
    }


def bins(
    found: pd.DataFrame, calibration: Mapping[str, Any], apart: np.ndarray
) -> Iterator[dict[str, Any]]:
    """Rows of the table `reliability`, first raw, then calibrated; as in `of_comparisons`."""
    logit, probability = found["logit"].to_numpy(), found["probability"].to_numpy()
    for suffix, (part, own) in _scales(calibration, apart).items():
        verdicts = reliability.verdicts(logit[part], probability[part], own)
        for row in reliability.bins(*verdicts).to_dict("records"):
            yield {"calibrated": suffix == ""} | row


def by_prompt(found: pd.DataFrame) -> pd.Series:
    """prompt_id → accuracy on its decided comparisons, ties ½."""
    right = comparisons.correct(found["logit"].to_numpy(), found["probability"].to_numpy())
    return pd.Series(right, index=found["prompt_id"]).dropna().groupby(level=0).mean()
