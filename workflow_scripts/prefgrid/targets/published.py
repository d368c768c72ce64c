"""An iteration's data in the columns of SPPO's published files.

train.parquet has a row a prompt: a winner, a loser and three numbers; generated.parquet has all K responses
and the K×K table. Messages are of the raw prompt, fields in the order content, role. For a method on scores
(GPO) the columns that are called probabilities hold scores, as published.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from prefgrid import chat
from prefgrid.targets import selection as choosing
from prefgrid.targets.worth import Worth

Row = Mapping[str, Any]


def train(
    rows: Sequence[Row],
    worths: Sequence[Worth],
    selection: Mapping[str, Any],
    *,
    scores: bool,
) -> pd.DataFrame:
    """The best and the worst of each prompt's responses: chosen, rejected, chosen_probs, chosen_probs_win,
    chosen_probs_lose. The last three are P(winner ≻ loser) and what each of the two is worth against the
    opponent. Prompts without such a pair are left out.

    selection: the section; whatever its mode, the pair is of the best and the worst by its `by`.
    scores: log-odds in the place of probabilities. ValueError if nothing is left.
    """
    dropped: Counter = Counter()
    paired = {**selection, "mode": "best_worst"}
    found = []
    for row, worth in zip(rows, worths, strict=True):
        responses = row["responses"]
        left = choosing.kept(responses, selection, dropped)
        keys = 0, row["prompt_id"]  # nothing is drawn
        for winner, loser in choosing.pairs(worth, responses, left, paired, keys, dropped):
            pair = worth.scores if scores else worth.probability
            means = worth.mean_score if scores else worth.win_probability
            found.append(
                {
                    "chosen": _messages(row, winner),
                    "rejected": _messages(row, loser),
                    "chosen_probs": pair[winner, loser],
                    "chosen_probs_win": means[winner],
                    "chosen_probs_lose": means[loser],
                }
            )
    if not found:
        raise ValueError(f"no pair is left of {len(rows)} prompts; dropped: {dict(dropped)}")
    return pd.DataFrame(found)


def generated(rows: Sequence[Row], worths: Sequence[Worth], *, scores: bool) -> pd.DataFrame:
    """All prompts: prompt, generate_0 … generate_{K−1}, `probability` (K×K, or scores) and `rm_scores` (K
    mean scores in log-odds). ValueError unless all prompts have the same K."""
    counts = sorted({len(row["responses"]) for row in rows})
    if len(counts) > 1:
        raise ValueError(
            f"prompts have {counts[0]} to {counts[-1]} responses; allowed: as many for each, since each is a column"
        )
    names = [f"generate_{sample}" for sample in range(counts[0])]
    found = [
        {
            "prompt": row["prompt"],
            **{name: _messages(row, sample) for sample, name in enumerate(names)},
            "probability": (worth.scores if scores else worth.probability).tolist(),
            "rm_scores": worth.mean_score.tolist(),
        }
        for row, worth in zip(rows, worths, strict=True)
    ]
    return pd.DataFrame(found)


def _messages(row: Row, sample: int) -> list[dict[str, str]]:
    user, assistant = chat.ROLES
    return [
        {"content": row["prompt"], "role": user},
        {"content": row["responses"][sample]["text"], "role": assistant},
    ]
