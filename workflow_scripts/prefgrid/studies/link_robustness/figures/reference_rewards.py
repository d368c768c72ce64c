"""The reference's rewards: the first thing to look at, since it is all the learners start from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import seaborn
from matplotlib.figure import Figure

from prefgrid.figures.layout import frame
from prefgrid.figures.style import INK, QUIET, theme
from prefgrid.statistics.reference import summarise
from prefgrid.studies.link_robustness import inputs

READS = ("rewards",)
USES = ()
TITLE = "Where learning starts"
CAPTION = (
    "Rewards of the reference's own responses to the training prompts. Gains everywhere in this "
    "section are in units of their standard deviation on the evaluation prompts."
)

FILL = "#9DB7CC"


def figure(files: Mapping[str, list[Path]], spec: Mapping[str, Any]) -> Figure:
    """From the files that READS names."""
    pairs = inputs.scored_pairs(files["rewards"])
    columns = ("reward_0", "reward_1")
    rewards = [pairs[["prompt_id", name]].rename(columns={name: "reward"}) for name in columns]
    return draw(pd.concat(rewards))


def draw(rewards: pd.DataFrame) -> Figure:
    """`rewards`: `prompt_id, reward`, one row a sampled response (two or more a prompt)."""
    reference = summarise(rewards)
    values = rewards["reward"].to_numpy()
    mean, spread = float(values.mean()), reference.reward_sd
    with theme():
        written_mean = f"{mean:.2f}".replace("-", "−")
        figure, axes = frame(
            [2.7],
            1,
            "Rewards of the reference's responses",
            f"{len(values):,} responses to {rewards['prompt_id'].nunique():,} prompts: "
            f"mean {written_mean}, sd {spread:.2f}, of which {reference.within_sd:.2f} within a prompt",
            left=0.8,
        )
        axis = axes[0, 0]
        seaborn.histplot(
            x=values,
            bins=np.histogram_bin_edges(values, bins=min(60, max(10, len(values) // 40))),
            color=FILL,
            edgecolor="white",
            linewidth=0.5,
            alpha=1.0,
            ax=axis,
        )
        axis.axvline(mean, color=INK, linewidth=1.6)
        axis.axvspan(mean - spread, mean + spread, color=INK, alpha=0.06, linewidth=0, zorder=0)
        top = axis.get_ylim()[1]
        axis.set_ylim(0, top * 1.12)
        axis.annotate(
            "mean",
            (mean, top * 1.1),
            xytext=(5, 0),
            textcoords="offset points",
            va="top",
            fontsize=9,
            color=INK,
        )
        axis.annotate(
            "± 1 sd",
            (mean + spread, top * 1.1),
            xytext=(-5, 0),
            textcoords="offset points",
            va="top",
            ha="right",
            fontsize=9,
            color=QUIET,
        )
        axis.set_xlabel("Reward (reward model's own unit)")
        axis.set_ylabel("Responses")
        axis.grid(axis="x", visible=False)
        return figure
