"""What trains, as rows of groups.jsonl, and a summary of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from prefgrid.targets import selection as choosing
from prefgrid.targets.worth import Worth

Row = Mapping[str, Any]


def groups(
    rows: Sequence[Row], worths: Sequence[Worth], selection: Mapping[str, Any], seed: int
) -> tuple[list[dict[str, Any]], Counter]:
    """(rows that train, how much was dropped by `selection.REASONS`). selection: the section, whole.

    A row is a group as in responses.jsonl: `group` is its number here, `source_group` that of the prompt's
    responses; a response keeps its fields and has `sample`, its number among the K, `win_probability` and
    `reward`, its mean score in log-odds. Those of a pair come in the order of their samples and have
    `pair_probability`, of each against the other; `z` is the number of the better one.
    ValueError if nothing is left.
    """
    dropped: Counter = Counter()
    found: list[dict[str, Any]] = []
    for row, worth in zip(rows, worths, strict=True):
        responses = row["responses"]
        left = choosing.kept(responses, selection, dropped)
        if selection["mode"] == "all":
            found += [_group(row, worth, left)] if left else []
            continue
        keys = seed, row["prompt_id"]
        pairs = choosing.pairs(worth, responses, left, selection, keys, dropped)
        found += [_pair(row, worth, better, worse) for better, worse in pairs]
    if not found:
        raise ValueError(_nothing_left(len(rows), dropped))
    return [{"group": number, **row} for number, row in enumerate(found)], dropped


def _group(row: Row, worth: Worth, samples: Sequence[int]) -> dict[str, Any]:
    return {
        **{name: row[name] for name in ("prompt_id", "prompt", "prompt_tokens")},
        "source_group": row["group"],
        "responses": [
            {
                **row["responses"][sample],
                "sample": sample,
                "win_probability": float(worth.win_probability[sample]),
                "reward": float(worth.mean_score[sample]),
            }
            for sample in samples
        ],
    }


def _pair(row: Row, worth: Worth, better: int, worse: int) -> dict[str, Any]:
    samples = sorted((better, worse))
    group = _group(row, worth, samples)
    for response, other in zip(group["responses"], reversed(samples), strict=True):
        response["pair_probability"] = float(worth.probability[response["sample"], other])
    return {**group, "z": samples.index(better)}


def _nothing_left(prompts: int, dropped: Counter) -> str:
    return (
        f"none of {prompts} prompts is left to train on: dropped {dropped[choosing.TRUNCATED]} truncated "
        f"responses and {dropped[choosing.DUPLICATE]} whose text was there before, then "
        f"{dropped[choosing.ALONE]} prompts with fewer than two texts and {dropped[choosing.UNDECIDED]} "
        "undecided pairs; allowed: a larger generation.max_new_tokens, a higher generation.temperature, "
        "selection.drop_truncated: false, a smaller selection.epsilon, a judge that tells responses apart"
    )


def summary(prompts: int, found: Sequence[Row], dropped: Counter) -> dict[str, Any]:
    """Counts, and the mean win probability of the responses that train: of the better and the worse of each
    pair, or of the best and the worst of each group."""
    best, worst = zip(*(_ends(row) for row in found), strict=True)
    return {
        "prompts": prompts,
        "rows": len(found),
        "responses": sum(len(row["responses"]) for row in found),
        "dropped": {reason: dropped[reason] for reason in choosing.REASONS},
        "chosen_win_probability": float(np.mean(best)),
        "rejected_win_probability": float(np.mean(worst)),
    }


def _ends(row: Row) -> tuple[float, float]:
    values = [one["win_probability"] for one in row["responses"]]
    return (values[row["z"]], values[1 - row["z"]]) if "z" in row else (max(values), min(values))
