"""A judge asked once, with a few dialogues, against the plain classifier."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from prefgrid.job import devices
from prefgrid.judges.agreement import own_scores
from prefgrid.judges.scalar import ScalarRewardModel
from prefgrid.models import loading
from prefgrid.models.row_lengths import check_dialogues
from prefgrid.rehearsal.comparing import check, stage
from prefgrid.rehearsal.policies import LONGEST_ROW, PROMPTS, RESPONSES

# One prompt has two responses, which may share its tokens; and a model may say nothing.
PAIRS = [*zip(PROMPTS, RESPONSES, strict=True), (PROMPTS[1], RESPONSES[0]), (PROMPTS[1], "")]


def rehearse(
    folder: Path | str, prompt_format: str, judge: str, options: Mapping[str, Any]
) -> dict[str, dict[str, float]]:
    """Ask the judge (dotted module) with the model in `folder`; returns stage → error of a reward,
    relative to it where it is beyond 1. Another judge than a scalar reward model is only asked. One of the
    dialogues is as long as the judge reads, if that is within `LONGEST_ROW`.

    ValueError naming the stage, the model's type and what is allowed, where one fails or is too far off.
    """
    kind = loading.load_config(folder).model_type
    name = f"rewards by {judge.rpartition('.')[2]}"
    with (
        stage(name, kind),
        devices.explained_out_of_memory("raise execution.mem_mb, or use a smaller model"),
    ):
        longest = options.get("max_tokens", 0)
        # A prompt of at least a token a word, of which the judge reads the end.
        long = " ".join([PROMPTS[1]] * (min(longest, LONGEST_ROW) // len(PROMPTS[1].split()) + 1))
        prompts, responses = map(list, zip(*PAIRS, (long, RESPONSES[1]), strict=True))
        asked = importlib.import_module(judge).load(
            folder, options, prompt_format=prompt_format, device=devices.device()
        )
        if isinstance(asked, ScalarRewardModel):
            check_dialogues(asked.model, longest)
        rewards = asked.score(prompts, responses)
        if np.ptp(rewards) == 0:
            raise ValueError(
                f"its rewards of {len(rewards)} dialogues are all {rewards[0]:g}, so it prefers nothing"
            )
        if not isinstance(asked, ScalarRewardModel):
            return {name: {}}
        plain = np.array(own_scores(asked.model, asked.reader.alone(prompts, responses)))
        error = float((np.abs(rewards - plain) / np.maximum(1, np.abs(plain))).max())
        return {name: {"rewards": check("rewards", error, asked.precision)}}
