"""TensorBoard and Weights & Biases see exactly the rows of metrics.jsonl, once, and can break nothing.

The kinds: a step that a resumed run shows twice; a tracker that is missing, broken or without a server
and ends the job, or changes its bytes. Tests of the real ones are skipped in an environment older than
requirements.lock, which has both.
"""

import io
import json
import struct
import sys
from collections import defaultdict
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import tiny_runs
from tiny_runs import STEPS, contents

from prefgrid.files import store
from prefgrid.job import work_folder
from prefgrid.run import execution
from prefgrid.training import loop, trackers

NAME = "some_study/method=dpo/seed=0"
ARTIFACT = Path("results/some_study/policies/method=dpo/seed=0")


class Killed(BaseException):
    pass


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The working folder of a run; W&B without a server and a home."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    for name in ("WANDB_API_KEY", "WANDB_PROJECT", "WANDB_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("CONFIG", "CACHE", "DATA"):
        monkeypatch.setenv(f"WANDB_{name}_DIR", str(tmp_path / "home"))
    work_folder.prepare(tmp_path / "work", {"job": 1}, leader=True)
    return tmp_path


@pytest.fixture
def lines(monkeypatch):
    logged = []
    monkeypatch.setattr(store, "log", logged.append)
    return logged


def run(monkeypatch, *kinds, work=None, stop_at=None, **changes):
    settings = {"trackers": list(kinds), "checkpoint_seconds": 0}
    monkeypatch.setenv(execution.VARIABLE, json.dumps(settings))
    with monkeypatch.context() as patch:
        if stop_at:
            step_metrics = loop.metrics.step_metrics

            def deadly(step, *rest):
                if step == stop_at:
                    raise Killed
                return step_metrics(step, *rest)

            patch.setattr(loop.metrics, "step_metrics", deadly)
        return tiny_runs.run("dpo", ARTIFACT, work=work, **changes).metrics


def shown_on_the_board() -> dict[int, dict[str, float]]:
    """Step → metrics, of all event files of the run; AssertionError for a step that is there twice."""
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")
    found = defaultdict(dict)
    for path in sorted((trackers.FOLDER / "tensorboard" / NAME).iterdir()):
        for event in reader.EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                assert value.tag not in found[event.step], (value.tag, event.step)
                found[event.step][value.tag] = value.tensor.float_val[0]
    return dict(found)


def shown_to_wandb() -> dict[str, list[dict]]:
    """Folder of an offline run → its rows, as `wandb sync` would send them."""
    from wandb.proto import wandb_internal_pb2

    runs = {}
    for path in sorted((trackers.FOLDER / "wandb").glob("offline-run-*/*.wandb")):
        rows = []
        for data in logged(path.read_bytes()):
            record = wandb_internal_pb2.Record.FromString(data)
            if record.WhichOneof("record_type") == "run":
                assert record.run.display_name == NAME and record.run.project == "prefgrid"
            if record.WhichOneof("record_type") == "history":
                items = record.history.item
                rows.append({(i.key or i.nested_key[0]): json.loads(i.value_json) for i in items})
        runs[path.parent.name] = rows
    return runs


def logged(file: bytes) -> Iterator[bytes]:
    """The records of a file in LevelDB's log format: blocks of 32 KiB, the first after 7 bytes of W&B's;
    a record's parts have 7 bytes of checksum, length and kind (whole, first, middle, last) before them."""
    at, record = 7, b""
    while at + 7 <= len(file):
        if 2**15 - at % 2**15 < 7:
            at += 2**15 - at % 2**15
            continue
        length, kind = struct.unpack("<HB", file[at + 4 : at + 7])
        record += file[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            yield record
            record = b""


def numbers(rows: list[dict]) -> dict[int, dict[str, float]]:
    return {row["step"]: {k: v for k, v in row.items() if v is not None} for row in rows}


def assert_shown(kind: str, rows: list[dict]) -> None:
    expected = numbers(rows)
    assert list(expected) == list(range(1, STEPS + 1))
    if kind == "tensorboard":
        found = shown_on_the_board()
    else:
        [shown] = shown_to_wandb().values()
        found = {
            row["step"]: {k: v for k, v in row.items() if not k.startswith("_")} for row in shown
        }
        assert len(shown) == len(found)
        assert [row["_step"] for row in shown] == list(found)
    assert found.keys() == expected.keys()
    for step, row in expected.items():
        assert found[step] == pytest.approx(row, rel=1e-6, abs=1e-12)


def needs(kind: str) -> None:
    if find_spec(kind) is None:
        pytest.skip(f"{kind} is not installed; `make setup` does it")


@pytest.mark.parametrize("kind", trackers.TRACKERS)
def test_every_row_is_shown_once(place, monkeypatch, lines, kind):
    needs(kind)
    assert_shown(kind, run(monkeypatch, kind))
    assert not [line for line in lines if "tracker" in line]


@pytest.mark.parametrize("kind", trackers.TRACKERS)
def test_a_resumed_run_shows_no_step_twice(place, monkeypatch, kind):
    """Killed after step 5 was shown, which is after the last checkpoint; and again."""
    needs(kind)
    quiet = run(monkeypatch, work=None)
    monkeypatch.setattr(loop.Checkpoints, "due", lambda self: self.saves())
    monkeypatch.setattr(loop.Checkpoints, "saves", lambda self: next(self.turns), raising=False)
    for stop, turns in ((6, (0, 0, 1, 0, 0, 0)), (8, (0, 0, 1, 0, 0, 0)), (None, (0,) * 9)):
        monkeypatch.setattr(loop.Checkpoints, "turns", iter(turns), raising=False)
        if stop:
            with pytest.raises(Killed):
                run(monkeypatch, kind, work=place / "work", stop_at=stop)
    rows = run(monkeypatch, kind, work=place / "work")
    assert rows == quiet
    assert_shown(kind, rows)


@pytest.mark.parametrize("kind", trackers.TRACKERS)
def test_another_job_of_the_same_place_is_another_run(place, monkeypatch, kind):
    """TensorBoard shows the newest alone; W&B keeps both apart."""
    needs(kind)
    run(monkeypatch, kind, work=place / "work", max_steps=3)
    work_folder.prepare(place / "work", {"job": 2}, leader=True)
    rows = run(monkeypatch, kind, work=place / "work")
    if kind == "tensorboard":
        assert_shown(kind, rows)
    else:
        assert sorted(map(len, shown_to_wandb().values())) == [3, STEPS]


class Recording:
    """A tracker that remembers, and fails where it is told to."""

    made: list["Recording"] = []
    fails = ""

    def __init__(self, name, identifier):
        self.name, self.identifier, self.rows, self.closed = name, identifier, [], False
        self.made.append(self)
        self.fail("made")

    def fail(self, where):
        if self.fails == where:
            raise OSError("no space left\nTraceback")

    def show(self, row):
        self.rows.append(row)
        self.fail("shown")

    def close(self):
        self.closed = True
        self.fail("closed")


@pytest.fixture
def recording(monkeypatch):
    monkeypatch.setattr(Recording, "made", [])
    monkeypatch.setattr(trackers, "TRACKERS", {"tensorboard": Recording, "wandb": Recording})
    return Recording


def test_runs_are_called_by_study_and_cell_and_reruns_have_one_identifier(
    place, monkeypatch, recording
):
    rows = run(monkeypatch, "wandb")
    run(monkeypatch, "wandb")
    for job in (1, 1, 2):
        work_folder.prepare(place / "work", {"job": job}, leader=True)
        run(monkeypatch, "wandb", work=place / "work")
    assert {one.name for one in recording.made} == {NAME}
    alone, again, *kept = [one.identifier for one in recording.made]
    assert alone != again and kept[0] == kept[1] != kept[2]
    assert {one.closed for one in recording.made} == {True}
    assert recording.made[0].rows == list(numbers(rows).values())
    for folder, name in (
        (Path("results/models/reference"), "models/reference"),
        (Path.cwd() / ARTIFACT, NAME),
        (Path("/elsewhere/run"), "run"),
    ):
        assert trackers._name(folder) == name


@pytest.mark.parametrize("where", ["made", "shown", "closed"])
def test_a_broken_tracker_is_named_once_and_changes_nothing(
    place, monkeypatch, recording, lines, where
):
    run(monkeypatch)
    quiet = contents(ARTIFACT)
    assert not recording.made and not trackers.FOLDER.exists()
    monkeypatch.setattr(recording, "fails", where)
    run(monkeypatch, "wandb")
    assert contents(ARTIFACT) == quiet
    said = [line for line in lines if "tracker" in line]
    assert said == ["tracker wandb is left out (OSError: no space left)"]
    [one] = recording.made
    assert len(one.rows) == {"made": 0, "shown": 1, "closed": STEPS}[where]


@pytest.mark.parametrize("kind", trackers.TRACKERS)
def test_a_package_that_is_not_there_is_named_once(place, monkeypatch, lines, kind):
    package = {"tensorboard": "torch.utils.tensorboard", "wandb": "wandb"}[kind]
    monkeypatch.setitem(sys.modules, package, None)
    rows = run(monkeypatch, kind)
    assert len(rows) == STEPS
    [said] = [line for line in lines if "tracker" in line]
    assert said.startswith(f"tracker {kind} is left out (ModuleNotFoundError: ")


def test_without_a_key_wandb_is_left_out(place, monkeypatch, lines):
    needs("wandb")
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("HOME", str(place))  # where .netrc would be
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert len(run(monkeypatch, "wandb")) == STEPS
    [said] = [line for line in lines if "tracker" in line]
    assert "tracker wandb is left out (UsageError: " in said


def test_the_bytes_of_a_run_do_not_depend_on_trackers(place, monkeypatch):
    needs("tensorboard")
    needs("wandb")
    run(monkeypatch)
    quiet = contents(ARTIFACT)
    run(monkeypatch, "tensorboard", "wandb")
    assert contents(ARTIFACT) == quiet
