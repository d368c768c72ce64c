"""What tables of results hold, as types of their rows that `reading` checks.

A table may hold more columns than its type names, and is empty only where the type says so
(`__may_be_empty__`). `Measured` numbers are missing (NaN) where there is nothing to measure: a KL
that was not scanned, an interval of one seed.
"""

import math
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from typing_extensions import TypedDict

from prefgrid.files.records import Count, HeldOutIndex, Positive, ScanSample, Text


def _finite_or_missing(value: float) -> float:
    if math.isinf(value):
        raise ValueError("should be a finite number or missing")
    return value


Measured = Annotated[float, Field(allow_inf_nan=True), AfterValidator(_finite_or_missing)] | None
Shift = Annotated[float, Field(ge=0)]


class Cell(TypedDict):
    """A method at one shift and number of preference pairs."""

    method: Text
    shift: Shift
    n: Count


class Run(Cell):
    """A row of link_robustness' runs.csv: one policy."""

    seed: Count
    reward: Measured
    kl_low: Measured
    kl_high: Measured
    reward_prompts_low: Measured
    reward_prompts_high: Measured


class TrainingCurve(Cell):
    """A row of link_robustness' gathered training.parquet: a step of one policy's training."""

    seed: Count
    examples_seen: Count
    loss: float
    chosen_log_ratio: Measured
    rejected_log_ratio: Measured
    margin: Measured
    pair_accuracy: Measured
    grad_norm: Measured


class GatheredIndex(HeldOutIndex, Cell):
    """A row of link_robustness' gathered indices.parquet: a held-out pair of one policy."""

    seed: Count
    link_probability: Measured


class GatheredSample(ScanSample, Cell):
    """A row of link_robustness' gathered samples.parquet: a response of one policy's β scan."""

    seed: Count


class Summary(Cell):
    """A row of link_robustness' summary.csv."""

    kappa_nats: Positive
    seeds: Count
    seeds_missing: Count
    reward: Measured
    reward_seeds_low: Measured
    reward_seeds_high: Measured
    gain_sd: Measured
    gain_sd_seeds_low: Measured
    gain_sd_seeds_high: Measured
    gain_sd_prompts_low_given_seeds: Measured
    gain_sd_prompts_high_given_seeds: Measured
    mean_gain_sd: Measured
    area_kl_high: Measured
    shift_change_sd_prompts_low_given_seeds: Measured
    shift_change_sd_prompts_high_given_seeds: Measured
    prompts: Count
    kl_scanned_low: Measured
    kl_scanned_high: Measured
    missing: Any  # text or nothing


class Difference(Cell):
    """A row of link_robustness' differences.csv; none where the baseline is the only method."""

    __may_be_empty__ = True
    baseline: Text
    seeds: Count
    difference_sd: Measured
    difference_sd_seeds_low: Measured
    difference_sd_seeds_high: Measured
    p_seeds: Measured
    p_seeds_holm: Measured
    seeds_positive: Count
    seeds_needed: Measured
    difference_sd_prompts_low_given_seeds: Measured
    difference_sd_prompts_high_given_seeds: Measured


class Calibration(Cell):
    """A row of link_robustness' calibration.csv."""

    pearson: Measured
    spearman: Measured
    pair_accuracy: Measured
    pair_accuracy_low: Measured
    pair_accuracy_high: Measured
    calibration_error: Measured
    index_abs_mean_nats: Measured
    index_sd_nats: Measured
    seeds: Count


class Evidence(TypedDict):
    """What labels can tell of the link."""

    excess_kl_nats: Measured
    evidence_nats: Measured
    bayes_accuracy: Measured
    power: Measured


class Identifiability(Evidence):
    """A row of either study's identifiability.csv."""

    shift: Shift
    n: Count
    seeds: Count


class SingleCell(TypedDict):
    """One data set of the single-index study but for its seed."""

    shift: Shift
    tau: Positive
    n: Count


class SingleRun(SingleCell):
    """A row of the single-index study's runs.csv: one policy, or the oracle."""

    method: Text
    seed: Count
    reward: Measured
    index_correlation: Measured
    pair_accuracy: Measured


class SingleCurve(SingleCell):
    """A row of the single-index study's curves.parquet: one β of one policy."""

    method: Text
    seed: Count
    avg_reward: Measured
    kl_div: Measured


class SingleLink(SingleCell):
    """A row of the single-index study's links.parquet: one policy's link at one index."""

    method: Text
    seed: Count
    index_sd: float
    learned: Measured
    true: Measured


class SingleEvidence(SingleCell, Evidence):
    """A row of the single-index study's evidence.csv: of one training set."""

    seed: Count


class SingleSummary(SingleCell):
    """A row of the single-index study's summary.csv."""

    method: Text
    seeds: Count
    seeds_missing: Count
    reward: Measured
    reward_low: Measured
    reward_high: Measured
    mean_height: Measured
    mean_height_low: Measured
    mean_height_high: Measured
    index_correlation: Measured
    pair_accuracy: Measured
    area_kl_low: Measured
    area_kl_high: Measured


class SingleDifference(SingleCell):
    """A row of the single-index study's differences.csv; none where the baseline is the only method."""

    __may_be_empty__ = True
    method: Text
    baseline: Text
    seeds: Count
    difference: Measured
    low: Measured
    high: Measured
    p: Measured
    p_holm: Measured
    seeds_positive: Count
    seeds_needed: Measured
