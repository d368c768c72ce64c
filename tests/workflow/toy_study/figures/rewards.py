"""Reward at β = 1, iteration by iteration."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from prefgrid.figures.style import theme
from prefgrid.files import reading

READS = ("evaluations",)
USES = ("iterations",)
TITLE = "Reward by iteration"
CAPTION = "Mean reward on held-out prompts of each iteration's policy, decoded as trained."


def figure(files: dict[str, list[Path]], spec: dict[str, Any]) -> Figure:
    """One line a method."""
    (path,) = files["evaluations"]
    table = reading.read_table(path)
    trained = table[table["beta"] == 1.0]
    with theme():
        drawn = Figure(figsize=(4, 3))
        axis = drawn.subplots()
        for method, own in trained.groupby("method"):
            axis.plot(own["iteration"], own["avg_reward"], marker="o", label=method)
        axis.set_xticks(range(1, spec["iterations"] + 1))
        axis.set_xlabel("Iteration")
        axis.set_ylabel("Reward")
        axis.legend()
    return drawn
