"""What the study reads of the steps that score responses, as tables."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from prefgrid.data import groups, preferences
from prefgrid.files import cells, reading, records


def reference_samples(paths: Sequence[Path], columns: Sequence[str] | None = None) -> pd.DataFrame:
    """The reference's scored samples on the evaluation prompts, a row a response.

    `prompt_id, sample, reward` (float32) and what else the browser of samples shows; columns: which
    of them, None for all.
    """
    (path,) = paths
    frame = groups.frame(reading.read_jsonl(path, records.ScoredGroup, key="group"))
    return frame if columns is None else frame[list(columns)]


def scored_pairs(paths: Sequence[Path]) -> pd.DataFrame:
    """Scored training pairs, one file a seed, in training order: `seed, prompt_id, reward_0, reward_1`,
    and `identical`, whether both responses are the same text."""
    frames = []
    for path in paths:
        rows = reading.read_jsonl(path, records.ScoredGroup, key="group")
        first, second = preferences.rewards(rows)
        own = {
            "prompt_id": [row["prompt_id"] for row in rows],
            "reward_0": first,
            "reward_1": second,
            "identical": list(map(preferences.identical, rows)),
        }
        frames.append(pd.DataFrame({"seed": cells.values(path)["seed"], **own}))
    return pd.concat(frames, ignore_index=True)
