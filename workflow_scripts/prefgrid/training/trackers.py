"""A run's metrics in TensorBoard and Weights & Biases, as `execution.trackers` asks.

metrics.jsonl is what counts. A tracker is shown the same rows, has no part in any result, and ends no
run: what fails in it is said once, and it is left out from then on.
"""

import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from prefgrid.files import store
from prefgrid.job import work_folder
from prefgrid.run import execution

INERT = True

# Of the working folder: where all that runs make lies, and there what trackers keep.
RESULTS = Path("results")
FOLDER = RESULTS / "trackers"
# Seconds after which a server that does not answer is given up.
PATIENCE = 30

Row = dict[str, Any]


class Tracker(Protocol):
    """Made with the run's name, and an identifier that a rerun of the same job has, too."""

    def show(self, numbers: dict[str, float]) -> None:
        """One optimizer step; those that an earlier attempt has shown come again."""

    def close(self) -> None:
        """Nothing more comes."""


class TensorBoard:
    """Event files in a folder of the run's name, which hold the latest attempt alone."""

    def __init__(self, name: str, identifier: str) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder = FOLDER / "tensorboard" / name
        for older in folder.glob("events.out.tfevents.*"):
            older.unlink()
        # A board that has read the older ones is told to forget their steps.
        self.writer = SummaryWriter(str(folder), purge_step=0)

    def show(self, numbers: dict[str, float]) -> None:
        for metric, value in numbers.items():
            self.writer.add_scalar(metric, value, int(numbers["step"]))
        self.writer.flush()

    def close(self) -> None:
        self.writer.close()


class Wandb:
    """A run of the project WANDB_PROJECT, by default prefgrid; other WANDB_ variables hold, too.

    A rerun goes on with the run of the same identifier: online the steps that the server has are not
    sent again, and offline the folder of an earlier attempt is replaced.
    """

    def __init__(self, name: str, identifier: str) -> None:
        import wandb

        self.wandb = wandb
        FOLDER.mkdir(parents=True, exist_ok=True)
        for older in (FOLDER / "wandb").glob(f"offline-run-*-{identifier}"):
            shutil.rmtree(older)
        self.run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "prefgrid"),
            name=name,
            id=identifier,
            dir=str(FOLDER),
            resume="allow" if os.environ.get("WANDB_MODE", "online") == "online" else None,
            settings=wandb.Settings(
                console="off", silent=True, init_timeout=PATIENCE, finish_timeout=PATIENCE
            ),
        )
        # 0 for a new run.
        self.first = self.run.step

    def show(self, numbers: dict[str, float]) -> None:
        step = int(numbers["step"])
        if step >= self.first:
            self.run.log(numbers, step=step)

    def close(self) -> None:
        self.run.finish()
        # Its process would outlive the job.
        self.wandb.teardown()


TRACKERS: dict[str, Callable[[str, str], Tracker]] = {"tensorboard": TensorBoard, "wandb": Wandb}


@contextmanager
def following(artifact: Path, work: Path | None) -> Iterator[Callable[[Row], None]]:
    """Gives a function that shows a row of metrics to all trackers.

    artifact: the folder that the run's result will have; it names the run. work: as in `train`. Every
    row is shown, those before a resume again.
    """
    running: dict[str, Tracker] = {}

    def attempt(kind: str, action: Callable[[], Any]) -> Any:
        try:
            return action()
        # Of whatever kind: packages, disks, servers.
        except Exception as error:
            running.pop(kind, None)
            reason = next(iter(str(error).splitlines()), "")
            store.log(f"tracker {kind} is left out ({type(error).__name__}: {reason})")
            return None

    for kind in execution.setting("trackers", []):
        tracker = attempt(
            kind, lambda kind=kind: TRACKERS[kind](_name(artifact), _identifier(artifact, work))
        )
        if tracker is not None:
            running[kind] = tracker

    def show(row: Row) -> None:
        numbers = {key: value for key, value in row.items() if value is not None}
        for kind, tracker in list(running.items()):
            attempt(kind, lambda tracker=tracker: tracker.show(numbers))

    try:
        yield show
    finally:
        for kind, tracker in list(running.items()):
            attempt(kind, tracker.close)


def _name(artifact: Path) -> str:
    """Study and cell: link_robustness/method=dpo/seed=0 of results/link_robustness/policies/method=…"""
    artifact = artifact.absolute()
    results = RESULTS.absolute()
    if not artifact.is_relative_to(results):
        return artifact.name
    return "/".join(part for part in artifact.relative_to(results).parts if part != "policies")


def _identifier(artifact: Path, work: Path | None) -> str:
    """Of the artifact's place and of the job, where a rerun can go on from `work`; else a new one."""
    if work is None:
        return uuid.uuid4().hex[:16]
    job = (work / work_folder.KEY_FILE).read_bytes()
    return hashlib.sha256(str(artifact.absolute()).encode() + b"\0" + job).hexdigest()[:16]
