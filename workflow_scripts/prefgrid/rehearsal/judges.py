"""A judge asked once, with a few dialogues, against the plain classifier."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from prefgrid.job import devices
from prefgrid.judges.agreement import own_scores
from prefgrid.judges.pairwise import matrices, matrix
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
    relative to it where it is beyond 1. A judge that compares is asked about two prompts together and one by
    one, which must agree, and agree with plain forwards where it can tell them; any other than a scalar reward model is only asked. One of the dialogues is as long
    as the judge reads, if that is within `LONGEST_ROW`.

    ValueError naming the stage, the model's type and what is allowed, where one fails or is too far off.
    """
    kind = loading.load_config(folder).model_type
    compares = getattr(importlib.import_module(judge), "COMPARES", False)
    what = "logits" if compares else "rewards"
    name = f"{what} by {judge.rpartition('.')[2]}"
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
        if compares:
            return {name: {"logits": _compared(asked, long, options.get("precision", "none"))}}
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


def _compared(judge: Any, long: str, precision: str) -> float:
    """Largest difference of its logits of two prompts' responses from those of each prompt alone, and from its
    `own_logits` where it has them, relative to them where they are beyond 1."""
    responses = [[*RESPONSES, ""], list(RESPONSES)]
    prompts = [PROMPTS[1], long]
    together = matrices(judge, prompts, responses)
    alone = [matrix(judge, *row) for row in zip(prompts, responses, strict=True)]
    if hasattr(judge, "own_logits"):
        together, alone = together * 2, alone + judge.own_logits(prompts, responses)
    if not any(logits.any() for logits in together):
        raise ValueError("its logits of 8 ordered pairs are all 0, so it prefers nothing")
    errors = [
        (np.abs(ours - own) / np.maximum(1, np.abs(own))).max()
        for ours, own in zip(together, alone, strict=True)
    ]
    return check("logits", float(max(errors)), precision)
