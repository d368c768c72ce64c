"""The run and the models and data that a study is of, in words; made from the config alone."""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

LABELS = {"base_model": "Base model", "reward_model": "Reward model", "dataset": "Dataset"}
# What stands before the label of a further model that judges ask.
JUDGE = "judge_model "
# What stands before the label of a set of comparisons with a file of its own.
SET = "comparisons "
# The column of tables that has the run's name, before those of LABELS.
RUN = "run"
# Of what `hub` may leave out: its key, and who misses it.
NEEDED = {
    "reward_model": ("hub.models.reward", "a judge of this study asks the reward model"),
    "dataset": (
        "hub.dataset",
        "this study reads its prompts or responses, or reference.sft is trained on it",
    ),
}
COMMIT = re.compile(r"[0-9a-f]{40}")
# As many digits of a commit as name it for git and the hub alike.
COMMIT_DIGITS = 12


def named(
    config: Any,
    trainings: Sequence[Mapping[str, Any]],
    asked: Sequence[Any],
    reads_dataset: bool = True,
    sets: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """RUN → the run's name; then those of LABELS, JUDGE and SET that a study uses → which they are, revisions or
    seeds included.

    trainings, asked, reads_dataset: of the study's wiring, its policies' training, the entries of `judges`
    it asks, and whether it takes prompts of the dataset; else only the models may be made from that. sets:
    label → entry of `comparisons` that it trains on or measures.
    ValueError for one that `hub` does not name.
    """
    tiny = config.world == "tiny"
    from_dataset = reads_dataset or tiny or config.reference.sft is not None
    models = {judge.model for judge in asked}
    used = {
        "base_model": bool(trainings) or "base" in models,
        "reward_model": "reward" in models,
        "dataset": bool(trainings) and from_dataset or bool(sets) and reads_dataset,
    }
    every = _tiny(config.tiny_world) if tiny else _fetched(config.hub)
    for name, (key, reason) in NEEDED.items():
        if used[name] and every[name] is None:
            raise ValueError(f"{key} is null, but {reason}; allowed: a source, and its revision")
    further = {} if tiny else config.hub.models.judges
    return (
        {RUN: config.run_name}
        | {name: text for name, text in every.items() if used[name]}
        | {JUDGE + label: _source(one) for label, one in further.items() if label in models}
        | {
            SET + label: f"{_source(one.source)}, split {one.source.split}"
            for label, one in (sets or {}).items()
            if one.source is not None
        }
    )


def rows(found: Mapping[str, str]) -> list[tuple[str, str]]:
    """(label, words) of the models and data that `named` found."""
    known = [(label, found[name]) for name, label in LABELS.items() if name in found]
    further = [name for name in found if name.startswith(JUDGE)]
    sets = [name for name in found if name.startswith(SET)]
    return [
        *known,
        *((f"Judge model {name.removeprefix(JUDGE)}", found[name]) for name in further),
        *((f"Comparisons {name.removeprefix(SET)}", found[name]) for name in sets),
    ]


def committed(found: Mapping[str, str], commits: Mapping[str, str]) -> dict[str, str]:
    """`found` with the commit that a branch or tag meant when it was fetched. commits: key of LABELS →
    digits; a revision that is a commit says it already."""
    return {name: _with_commit(words, commits.get(name)) for name, words in found.items()}


def line(found: Mapping[str, str]) -> str:
    """All of it in one line, for the foot of a figure."""
    described = [f"{label.lower()}: {words}" for label, words in rows(found)]
    return "; ".join([f"Run: {found[RUN]}", *described])


def _tiny(world: Any) -> dict[str, str]:
    base, reward, data = world.base, world.reward, world.data
    return {
        "base_model": f"tiny world's, made here (seed {base.seed}, {base.schedule.steps} steps)",
        "reward_model": f"tiny world's, made here (seed {reward.seed}, {reward.schedule.steps} steps)",
        "dataset": f"tiny world's, made here (seed {data.seed}, {data.prompts} prompts)",
    }


def _fetched(hub: Any) -> dict[str, str | None]:
    data, reward = hub.dataset, hub.models.reward
    return {
        "base_model": _source(hub.models.base),
        "reward_model": reward and _source(reward),
        "dataset": data and f"{_source(data)}, split {data.split}",
    }


def _with_commit(words: str, commit: str | None) -> str:
    named, comma, rest = words.partition(", ")
    if commit is None or named.endswith(f"@{commit[:COMMIT_DIGITS]}"):
        return words
    return f"{named} (commit {commit[:COMMIT_DIGITS]}){comma}{rest}"


def _source(source: Any) -> str:
    if source.revision is None:
        return f"{PurePath(source.source).name} (local)"
    revision = source.revision
    if COMMIT.fullmatch(revision):
        revision = revision[:COMMIT_DIGITS]
    return f"{source.source}@{revision}"
