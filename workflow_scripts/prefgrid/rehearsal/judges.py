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
from prefgrid.rehearsal.comparing import check, stage
from prefgrid.rehearsal.policies import PROMPTS, RESPONSES

# One prompt has two responses, which may share its tokens.
PAIRS = [*zip(PROMPTS, RESPONSES, strict=True), (PROMPTS[1], RESPONSES[0])]


def rehearse(
    folder: Path | str, prompt_format: str, judge: str, options: Mapping[str, Any]
) -> dict[str, dict[str, float]]:
    """Ask the judge (dotted module) with the model in `folder`; returns stage → error of a reward,
    relative to it where it is beyond 1. Another judge than a scalar reward model is only asked.

    ValueError naming the stage, the model's type and what is allowed, where one fails or is too far off.
    """
    kind = loading.load_config(folder).model_type
    name = f"rewards by {judge.rpartition('.')[2]}"
    with (
        stage(name, kind),
        devices.explained_out_of_memory("raise execution.mem_mb, or use a smaller model"),
    ):
        prompts, responses = map(list, zip(*PAIRS, strict=True))
        asked = importlib.import_module(judge).load(
            folder, options, prompt_format=prompt_format, device=devices.device()
        )
        rewards = asked.score(prompts, responses)
        if not isinstance(asked, ScalarRewardModel):
            return {name: {}}
        plain = np.array(own_scores(asked.model, asked.reader.alone(prompts, responses)))
        error = float((np.abs(rewards - plain) / np.maximum(1, np.abs(plain))).max())
        return {name: {"rewards": check("rewards", error, asked.precision)}}
