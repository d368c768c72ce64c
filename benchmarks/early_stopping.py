"""The curve over epochs of the single-index study: `python -m benchmarks.early_stopping FOLDER`.

FOLDER is the run's, of presets/single_index_epochs.yaml. Epochs are chosen on seeds 0 to 7, as the best mean
over the shifts; every figure shown is of the seeds 8 to 19, which chose nothing. Differences are
paired by seed, with 95 % t intervals.
"""

import sys
from pathlib import Path

import pandas as pd

from prefgrid.statistics.intervals import t_interval

LEARNERS = ("dpo", "ospo", "true_link")
FULL = 100
CHOOSING = range(8)
BASELINE = ("dpo", FULL)


def read(folder: Path) -> pd.DataFrame:
    """Reward at κ: rows (shift, seed), columns (learner, epochs)."""
    runs = pd.read_csv(folder / "results/single_index/gathered/runs.csv")
    runs = runs[runs["method"] != "oracle"]
    label = runs["method"].str.extract(rf"^({'|'.join(LEARNERS)})(?:_(\d+))?$")
    runs = runs.assign(learner=label[0], epochs=label[1].fillna(FULL).astype(int))
    return runs.pivot(index=["shift", "seed"], columns=["learner", "epochs"], values="reward")


def chosen(rewards: pd.DataFrame, learner: str) -> int:
    """The epochs of the best mean over the choosing seeds and all shifts."""
    seen = rewards[rewards.index.get_level_values("seed").isin(CHOOSING)]
    return int(seen[learner].mean().idxmax())


def main() -> None:
    rewards = read(Path(sys.argv[1]))
    shown = rewards[~rewards.index.get_level_values("seed").isin(CHOOSING)]
    shifts = sorted(set(shown.index.get_level_values("shift")))
    print("| learner | epochs |" + "".join(f" s = {s:g} | minus dpo at {FULL} |" for s in shifts))
    print("|---|---|" + "---|---|" * len(shifts))
    for learner in LEARNERS:
        best = chosen(rewards, learner)
        for epochs in sorted(shown[learner]):
            mark = " (chosen)" if epochs == best else ""
            cells = []
            for shift in shifts:
                at = shown.xs(shift, level="shift")
                own = at[learner, epochs]
                gap = t_interval((own - at[BASELINE]).to_numpy())
                cells.append(
                    f"{own.mean():.3f} | {gap.mean:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}]"
                )
            print(f"| {learner} | {epochs}{mark} | {' | '.join(cells)} |")
    print()
    early = chosen(rewards, "dpo")
    print(f"At 100 epochs, minus DPO stopped after the chosen {early}:")
    for learner in LEARNERS:
        for shift in shifts:
            at = shown.xs(shift, level="shift")
            gap = t_interval((at[learner, FULL] - at["dpo", early]).to_numpy())
            print(
                f"{learner}, s = {shift:g}: {gap.mean:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}] "
                f"over {gap.count} seeds"
            )


if __name__ == "__main__":
    main()
