"""A killed and rerun training ends with the very bytes of one that was left alone."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_runs import DROPOUT, STEPS, contents, methods, run

from prefgrid.files import store
from prefgrid.run import execution
from prefgrid.training import checkpoint, loop
from prefgrid.training.checkpoint import Checkpoints

KILL_PROGRAM = Path(__file__).parents[2] / "reliability" / "kill_training.py"


class Killed(BaseException):
    """Nothing catches it, so a run that it goes through leaves behind what a kill would."""


@pytest.fixture(autouse=True)
def after_every_step(monkeypatch):
    monkeypatch.setenv(execution.VARIABLE, json.dumps({"checkpoint_seconds": 0}))


@pytest.fixture
def lines(monkeypatch):
    """What the runs log."""
    logged = []
    monkeypatch.setattr(store, "log", logged.append)
    return logged


PLACES = {
    "in the step": (loop, "loss_and_gradient"),
    "after the step": (Checkpoints, "due"),
    "in the checkpoint": (checkpoint, "save_file"),
    "before its last file": (checkpoint.store, "sha256_file"),
}


def killed(monkeypatch, call: int, place: str, *arguments, **named) -> None:
    """A run that dies at the `call`-th (1-based) time that it comes to `place`."""
    owner, name = PLACES[place]
    original, calls = getattr(owner, name), []

    def deadly(*arguments, **named):
        calls.append(name)
        result = original(*arguments, **named)
        if len(calls) == call:
            raise Killed
        return result

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(owner, name, deadly)
        run(*arguments, **named)


@pytest.mark.parametrize("dropout", [0.0, DROPOUT])
@pytest.mark.parametrize("label", methods())
def test_resumed_is_uninterrupted(tmp_path, monkeypatch, lines, label, dropout):
    """Killed twice at random, the second time late enough for every method's state to matter."""
    draw = random.Random(f"{label} {dropout}")
    quiet, work, resumed = tmp_path / "quiet", tmp_path / "work", tmp_path / "resumed"
    run(label, quiet, dropout=dropout)
    del lines[:]
    early, late = draw.randint(2, 5), STEPS - 1
    arguments = {"work": work, "dropout": dropout}
    for call in (early, late - early):
        killed(monkeypatch, call, draw.choice(list(PLACES)), label, resumed, **arguments)
    run(label, resumed, **arguments)
    assert [line.split()[0] for line in lines if "resumed at step" in line] == ["resumed"] * 2
    assert contents(resumed) == contents(quiet)
    assert [path.name for path in work.iterdir() if path.suffix == ".json"] == ["checkpoint.json"]


@pytest.mark.parametrize(
    ("label", "changes"),
    [
        ("dpo", {"optimizer": "adafactor", "learning_rate_schedule": "linear"}),
        ("dpo_full", {"optimizer": "adafactor", "weight_decay": 0.1}),
        ("dpo", {"optimizer": "rmsprop", "weight_decay": 0.1, "warmup_share": 0.25}),
        ("dpo", {"optimizer": "sgd", "learning_rate_schedule": "constant"}),
        ("rspo", {"gradient_checkpointing": True, "dropout": DROPOUT}),
        ("dpo_full", {"precision": "bf16", "gradient_checkpointing": True}),
    ],
)
def test_every_way_to_take_steps_is_resumed(tmp_path, monkeypatch, label, changes):
    """Adafactor counts in plain numbers; under autocast the reference table is made at the start."""
    run(label, tmp_path / "quiet", **changes)
    work, resumed = tmp_path / "work", tmp_path / "resumed"
    killed(monkeypatch, 5, "after the step", label, resumed, work=work, **changes)
    run(label, resumed, work=work, **changes)
    assert contents(resumed) == contents(tmp_path / "quiet")
    assert contents(resumed) != contents_of(label, tmp_path / "plain")


def contents_of(label: str, folder: Path) -> dict[str, bytes]:
    run(label, folder)
    return contents(folder)


def test_dropout_changes_what_is_compared(tmp_path):
    """Else runs with dropout would only repeat those without."""
    run("dpo", tmp_path / "plain")
    run("dpo", tmp_path / "dropout", dropout=DROPOUT)
    assert contents(tmp_path / "plain") != contents(tmp_path / "dropout")


def test_real_kills():
    """SIGKILL from outside at random times; the same program makes more of them by hand."""
    done = subprocess.run(
        [sys.executable, KILL_PROGRAM, "--kills", "6", "--labels", "pspo,ospo"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 kills" in done.stdout and "all equal" in done.stdout


def broken_pointer(work: Path, file: Path) -> None:
    (work / checkpoint.POINTER).write_text("{")


def list_for_a_pointer(work: Path, file: Path) -> None:
    (work / checkpoint.POINTER).write_text("[1, 2]")


def other_types(work: Path, file: Path) -> None:
    (work / checkpoint.POINTER).write_text('{"a": 3, "b": null}')


def cut(work: Path, file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def emptied(work: Path, file: Path) -> None:
    file.write_bytes(b"")


def one_bit(work: Path, file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(bytes(data))


def gone(work: Path, file: Path) -> None:
    file.unlink()


@pytest.mark.parametrize(
    "harm", [broken_pointer, list_for_a_pointer, other_types, cut, emptied, one_bit, gone]
)
def test_a_broken_checkpoint_is_found_out_and_the_run_starts_over(
    tmp_path, monkeypatch, lines, harm
):
    work = tmp_path / "work"
    killed(monkeypatch, 3, "in the step", "pspo", tmp_path / "run", work=work, max_steps=5)
    (file,) = work.glob("*.safetensors")
    harm(work, file)
    run("pspo", tmp_path / "run", work=work, max_steps=5)
    assert any("the checkpoint is broken, so the run starts over" in line for line in lines)
    assert not any("resumed" in line for line in lines)
    run("pspo", tmp_path / "quiet", max_steps=5)
    assert contents(tmp_path / "run") == contents(tmp_path / "quiet")


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(tmp_path, monkeypatch, lines):
    work = tmp_path / "work"

    def full_disk(*arguments, **named):
        raise checkpoint.safetensors.SafetensorError("No space left on device (os error 28)")

    killed(monkeypatch, 3, "in the step", "dpo", tmp_path / "run", work=work, max_steps=5)
    with monkeypatch.context() as patched, pytest.raises(OSError, match="No space left"):
        patched.setattr(checkpoint, "save_file", full_disk)
        run("dpo", tmp_path / "run", work=work, max_steps=5)
    run("dpo", tmp_path / "run", work=work, max_steps=5)
    assert [line for line in lines if "resumed" in line] == ["resumed at step 2 of 5"] * 2
    run("dpo", tmp_path / "quiet", max_steps=5)
    assert contents(tmp_path / "run") == contents(tmp_path / "quiet")


def test_checkpoints_are_as_far_apart_as_asked(tmp_path, monkeypatch):
    clock, times = [0.0], []
    monkeypatch.setenv(execution.VARIABLE, json.dumps({"checkpoint_seconds": 25}))
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(
        Checkpoints, "save", lambda self, state: times.append(state.steps_done) or _saved(self)
    )
    due = Checkpoints.due

    def ten_seconds_a_step(self):
        clock[0] += 10
        return due(self)

    def _saved(self):
        self.saved = clock[0]

    monkeypatch.setattr(Checkpoints, "due", ten_seconds_a_step)
    run("dpo", tmp_path / "run", work=tmp_path / "work", max_steps=9)
    assert times == [3, 6]


def test_without_a_work_folder_nothing_is_kept(tmp_path):
    run("dpo", tmp_path / "run", max_steps=2)
    assert {path.name for path in tmp_path.rglob("*")} == {
        "run",
        "link.json",
        "metrics.jsonl",
        "weights.safetensors",
    }


def test_state_of_float16_training_is_carried(tmp_path):
    """A gradient scaler that has scaled down, without a GPU to scale on."""
    weight = torch.nn.Parameter(torch.ones(2))

    def state(scale: float) -> checkpoint.RunState:
        optimizer = torch.optim.AdamW([weight], lr=0.1)
        scaler = torch.amp.GradScaler("cpu", init_scale=scale)
        return checkpoint.RunState(
            {"weight": weight}, optimizer, scaler, {"objective": _Stateless()}, torch.zeros(1, 2)
        )

    first, second = state(512.0), state(65536.0)
    first.rows = [{"step": 1, "examples_seen": 4}]
    kept = Checkpoints(tmp_path, 0)
    kept.save(first)
    kept.load(second, torch.device("cpu"))
    assert second.scaler.get_scale() == 512.0
    assert (second.steps_done, second.examples_seen) == (1, 4)


class _Stateless:
    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        assert state == {}
