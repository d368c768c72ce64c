"""Damaged tables: a reader gives what its contract says, or names the file.

The contracts here are spelled out by hand and know nothing of the types that the readers use.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import pytest
from corruptions import damaged
from file_contracts import (
    EXAMPLES,
    IDS,
    are_tokens,
    is_count,
    is_id,
    is_number,
    is_text,
    read_or_named,
)
from hypothesis import given
from hypothesis import strategies as st

from prefgrid.files import reading, records, store, table_rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged")


def logp(number: int) -> dict:
    return {"pair": number // 2, "response": number % 2, "logp_sum": -3.5 - number, "tokens": 7}


def sample_logp(number: int) -> dict:
    sums = {"logp_sum": -3.5 - number, "tokens": 7}
    return {"prompt_id": IDS[number // 2], "sample": number % 2, **sums}


def sample(number: int) -> dict:
    row = {"prompt_id": IDS[number // 2], "sample": number % 2, "reward": 0.25, "length_tokens": 3}
    return row | {"finish": "stop", "response": "it ran", "tokens": [4, 5, 1]}


def evaluation(number: int) -> dict:
    row = {"model_id": "results/p", "method": "dpo", "seed": 0, "link_shift": 1.5}
    row |= {"num_preferences": 32, "beta": 0.5 + number, "avg_reward": -0.25, "kl_div": 0.1}
    return row | {"prompts": 12}


def are_logps(frame: pandas.DataFrame) -> bool:
    rows = frame.to_dict("records")
    counts = all(is_count(row[name]) for row in rows for name in ("pair", "response", "tokens"))
    distinct = len({(row["pair"], row["response"]) for row in rows}) == len(rows)
    return counts and distinct and are_sums(rows)


def are_sums(rows: list[dict]) -> bool:
    return all(is_number(row["logp_sum"]) and row["logp_sum"] <= 0 for row in rows)


def are_sample_logps(frame: pandas.DataFrame) -> bool:
    rows = frame.to_dict("records")
    counts = all(is_count(row[name]) for row in rows for name in ("sample", "tokens"))
    distinct = len({(row["prompt_id"], row["sample"]) for row in rows}) == len(rows)
    return counts and distinct and all(is_id(row["prompt_id"]) for row in rows) and are_sums(rows)


def are_samples(frame: pandas.DataFrame) -> bool:
    return all(
        is_id(row["prompt_id"])
        and is_count(row["sample"])
        and is_number(row["reward"])
        and row["finish"] in ("stop", "length")
        and is_text(row["response"])
        and are_tokens(row["tokens"].tolist())
        for row in frame.to_dict("records")
    )


def are_evaluations(frame: pandas.DataFrame) -> bool:
    return all(
        is_text(row["method"])
        and is_count(row["seed"])
        and is_count(row["num_preferences"])
        and is_number(row["link_shift"])
        and is_number(row["beta"])
        and row["beta"] > 0
        and is_number(row["avg_reward"])
        and is_number(row["kl_div"])
        for row in frame.to_dict("records")
    )


TABLES = {
    "logps.parquet": (logp, records.Logp, ("pair", "response"), are_logps),
    "sample_logps.parquet": (
        sample_logp,
        records.SampleLogp,
        ("prompt_id", "sample"),
        are_sample_logps,
    ),
    "samples.parquet": (sample, records.ReferenceSample, ("prompt_id", "sample"), are_samples),
    "evaluation.csv": (evaluation, records.Evaluation, ("beta",), are_evaluations),
}


RANGES = {
    "shift": lambda value: value >= 0,
    "tau": lambda value: value > 0,
    "beta": lambda value: value > 0,
    "kappa_nats": lambda value: value > 0,
    "true_probability": lambda value: 0 <= value <= 1,
}


def result_table(
    kind: Any, texts: str, counts: str, numbers: str, measured: str
) -> tuple[Callable, Any, tuple, Callable]:
    """A table of results by its columns' names; what is measured may be missing."""
    columns = [*texts.split(), *counts.split(), *numbers.split(), *measured.split()]

    def make(number: int) -> dict:
        row = dict.fromkeys(texts.split(), IDS[number % 3])
        row |= dict.fromkeys(counts.split(), number)
        row |= dict.fromkeys(numbers.split(), 1 / (1 + number))
        row |= dict.fromkeys(measured.split(), -0.25 * number if number else None)
        return row | dict.fromkeys(set(kind.__annotations__) - set(columns))

    def holds(frame: pandas.DataFrame) -> bool:
        rows = frame[columns].to_dict("records")
        return all(
            all(is_text(row[name]) for name in texts.split())
            and all(is_count(row[name]) for name in counts.split())
            and all(is_number(row[name]) for name in numbers.split())
            and all(allowed(row[name]) for name, allowed in RANGES.items() if name in row)
            and all(is_number(row[name]) or pandas.isna(row[name]) for name in measured.split())
            for row in rows
        )

    # Of that one column only the presence matters.
    assert set(kind.__annotations__) ^ set(columns) <= {"missing"}
    return make, kind, (), holds


EVIDENCE = "excess_kl_nats evidence_nats bayes_accuracy power"
SINGLE_RUN = "reward index_correlation pair_accuracy"
TABLES |= {
    "runs.csv": result_table(
        table_rows.Run,
        "method",
        "n seed",
        "shift",
        "reward kl_low kl_high reward_prompts_low reward_prompts_high",
    ),
    "indices.parquet": result_table(
        table_rows.GatheredIndex,
        "method prompt_id",
        "n seed",
        "shift index_nats utility_diff true_probability",
        "link_probability",
    ),
    "scan_samples.parquet": result_table(
        table_rows.GatheredSample,
        "method prompt_id",
        "n seed sample",
        "shift beta reward kl_nats",
        "",
    ),
    "training.parquet": result_table(
        table_rows.TrainingCurve,
        "method",
        "n seed examples_seen",
        "shift loss",
        "chosen_log_ratio rejected_log_ratio margin pair_accuracy grad_norm",
    ),
    "summary.csv": result_table(
        table_rows.Summary,
        "method",
        "n seeds seeds_missing prompts",
        "shift kappa_nats",
        "reward reward_seeds_low reward_seeds_high gain_sd gain_sd_seeds_low gain_sd_seeds_high "
        "gain_sd_prompts_low_given_seeds gain_sd_prompts_high_given_seeds mean_gain_sd "
        "area_kl_high shift_change_sd_prompts_low_given_seeds "
        "shift_change_sd_prompts_high_given_seeds kl_scanned_low kl_scanned_high",
    ),
    "differences.csv": result_table(
        table_rows.Difference,
        "method baseline",
        "n seeds seeds_positive",
        "shift",
        "difference_sd difference_sd_seeds_low difference_sd_seeds_high p_seeds p_seeds_holm "
        "seeds_needed difference_sd_prompts_low_given_seeds "
        "difference_sd_prompts_high_given_seeds",
    ),
    "calibration.csv": result_table(
        table_rows.Calibration,
        "method",
        "n seeds",
        "shift",
        "pearson spearman pair_accuracy pair_accuracy_low pair_accuracy_high calibration_error "
        "index_abs_mean_nats index_sd_nats",
    ),
    "identifiability.csv": result_table(
        table_rows.Identifiability, "", "n seeds", "shift", EVIDENCE
    ),
    "single_runs.csv": result_table(
        table_rows.SingleRun, "method", "seed n", "shift tau", SINGLE_RUN
    ),
    "single_curves.parquet": result_table(
        table_rows.SingleCurve, "method", "seed n", "shift tau", "avg_reward kl_div"
    ),
    "single_links.parquet": result_table(
        table_rows.SingleLink, "method", "seed n", "index_sd shift tau", "learned true"
    ),
    "single_evidence.csv": result_table(
        table_rows.SingleEvidence, "", "seed n", "shift tau", EVIDENCE
    ),
    "single_summary.csv": result_table(
        table_rows.SingleSummary,
        "method",
        "n seeds seeds_missing",
        "shift tau",
        "reward reward_low reward_high mean_height mean_height_low mean_height_high "
        "index_correlation pair_accuracy area_kl_low area_kl_high",
    ),
    "single_differences.csv": result_table(
        table_rows.SingleDifference,
        "method baseline",
        "n seeds seeds_positive",
        "shift tau",
        "difference low high p p_holm seeds_needed",
    ),
}
# Where the baseline is the only method there are no differences.
MAY_BE_EMPTY = ("differences.csv", "single_differences.csv")
WRONG_CELLS = (None, math.nan, math.inf, -1, 0.5, "x", "", True, [], [0.5], 10**12, b"\xff")


def write_table(path: Path, frame: pandas.DataFrame) -> bytes:
    (store.write_csv if path.suffix == ".csv" else store.write_parquet)(path, frame)
    return path.read_bytes()


def read_table(path: Path, kind: Any, key: tuple[str, ...]) -> pandas.DataFrame:
    return (reading.read_csv if path.suffix == ".csv" else reading.read_parquet)(
        path, kind, key=key
    )


@pytest.mark.parametrize("name", TABLES)
def test_tables_with_damaged_bytes(folder: Path, name: str) -> None:
    make, kind, key, holds = TABLES[name]
    path = folder / name
    sound = write_table(path, pandas.DataFrame([make(number) for number in range(6)]))
    assert holds(read_table(path, kind, key))

    @EXAMPLES
    @given(damaged(sound))
    def check(content: bytes) -> None:
        frame = read_or_named(path, content, lambda path: read_table(path, kind, key))
        assert frame is None or (len(frame) > 0 or name in MAY_BE_EMPTY) and holds(frame)

    check()


@pytest.mark.parametrize("name", TABLES)
def test_tables_with_damaged_columns(folder: Path, name: str) -> None:
    make, kind, key, holds = TABLES[name]
    rows = [make(number) for number in range(4)]
    path = folder / name

    @EXAMPLES
    @given(st.sampled_from(sorted(kind.__annotations__)), st.sampled_from(WRONG_CELLS), st.data())
    def check(column: str, wrong: Any, data: st.DataObject) -> None:
        frame = pandas.DataFrame(rows)
        match data.draw(st.sampled_from(("lose", "rename", "fill", "empty", "repeat", "one"))):
            case "lose":
                frame = frame.drop(columns=column)
            case "rename":
                frame = frame.rename(columns={column: f"{column}_"})
            case "fill":
                frame[column] = [wrong] * len(frame)
            case "empty":
                frame = frame[:0]
            case "repeat":
                frame = pandas.concat([frame, frame[1:2]])
            case "one":
                cells = frame[column].tolist()
                frame[column] = pandas.Series([*cells[:2], wrong, *cells[3:]], dtype=object)
        try:
            content = write_table(path, frame)
        except (ValueError, TypeError):  # a table that cannot even be written
            return
        found = read_or_named(path, content, lambda path: read_table(path, kind, key))
        assert found is None or (len(found) > 0 or name in MAY_BE_EMPTY) and holds(found)

    check()


@pytest.mark.parametrize("name", [name for name in TABLES if len(TABLES[name][2]) == 0])
def test_all_that_was_measured_may_be_missing_but_rows_only_where_it_says_so(
    tmp_path: Path, name: str
) -> None:
    make, kind, key, holds = TABLES[name]
    frame = pandas.DataFrame([make(0)])
    write_table(tmp_path / name, frame)
    assert holds(read_table(tmp_path / name, kind, key))
    write_table(tmp_path / name, frame[:0])
    if name in MAY_BE_EMPTY:
        assert len(read_table(tmp_path / name, kind, key)) == 0
    else:
        with pytest.raises(store.DataError, match="holds no rows"):
            read_table(tmp_path / name, kind, key)
