"""The frame of every workflow script: publication, leftovers, provenance. Real small processes."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow_scripts"
LEFTOVER = f".partial-{{}}-{'0a' * 16}"


class Script:
    """A small workflow script in a folder of its own, run as the job runner would."""

    def __init__(self, folder: Path, body: str, **declared) -> None:
        self.folder = folder
        keywords = {"inputs": (), "outputs": ("out",)} | declared
        arguments = ", ".join(f"{name}={value!r}" for name, value in keywords.items())
        lines = "\n".join(f"    {line}" for line in body.splitlines())
        (folder / "do_it.py").write_text(
            f'"""Does it."""\nimport os, signal\nfrom prefgrid import jobs, store\n\n\n'
            f"def main(job):\n{lines}\n\n\njobs.run(main, {arguments})\n"
        )

    def run(self, *words: str, spec: object = None) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "do_it.py", *words, "--spec", json.dumps(spec or {})],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
            capture_output=True,
            text=True,
        )


def tree(folder: Path) -> list[str]:
    """Every file and folder below, hidden ones too, but for the script."""
    found = (str(path.relative_to(folder)) for path in folder.rglob("*"))
    return sorted(name for name in found if name != "do_it.py")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_success_publishes_all_files_and_provenance(tmp_path):
    body = (
        "assert not job.finals['out'].exists()\n"
        "job.outputs['out'].write_text(job.inputs['first'].read_text())\n"
        "(job.folder('out') / 'sub').mkdir()\n"
        "(job.folder('out') / 'sub' / 'beside.txt').write_text('b')\n"
        "assert [str(path) for path in job.inputs['many']] == ['m1', 'm2']\n"
        "assert job.spec == {'n': 3}\n"
    )
    script = Script(tmp_path, body, inputs=("first", "many*"), outputs=("out",))
    for name in ("first", "m1", "m2"):
        (tmp_path / name).write_text(name)
    done = script.run(
        "--first", "first", "--many", "m1", "m2", "--out", "made/seed=0/out.txt", spec={"n": 3}
    )
    assert done.returncode == 0, done.stderr
    made = tmp_path / "made/seed=0"
    assert (made / "out.txt").read_text() == "first"
    assert tree(made) == ["_provenance.json", "out.txt", "sub", "sub/beside.txt"]


def test_provenance_tells_what_how_and_at_what_cost(tmp_path):
    import numpy

    script = Script(tmp_path, "job.outputs['out'].write_text('made')", inputs=("a", "b*"))
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "b.txt").write_text("b")
    spec = {"seed": 3, "beta": 0.5}
    words = ("--a", "a.txt", "--b", "b.txt", "--out", "r/out.txt", "--code", "do_it@0123")
    done = script.run(*words, spec=spec)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "r/_provenance.json").read_text())
    head = subprocess.run(
        ["git", "-C", str(SCRIPTS), "rev-parse", "HEAD"], capture_output=True, text=True
    ).stdout.strip()
    assert record["script"] == "do_it"
    assert record["spec"] == spec
    assert record["code"] == "do_it@0123"
    assert record["inputs"] == {
        "a": {"a.txt": sha256(tmp_path / "a.txt")},
        "b": {"b.txt": sha256(tmp_path / "b.txt")},
    }
    assert record["outputs"] == {"r/out.txt": sha256(tmp_path / "r/out.txt")}
    assert record["packages"]["numpy"] == numpy.__version__
    assert {"torch", "transformers", "peft", "snakemake"} <= record["packages"].keys()
    assert record["python"] == ".".join(map(str, sys.version_info[:3]))
    assert record["git_commit"].removesuffix("+changes") == (head or "unknown")
    assert record["device"] == "cpu"
    assert 0 < record["wall_time_seconds"] < 60
    assert 5e6 < record["peak_memory_bytes"]["host"] < 1e10


def test_shared_folders_have_one_provenance_file_per_artifact(tmp_path):
    body = "[path.write_text('x') for path in job.outputs.values()]"
    script = Script(tmp_path, body, outputs=("svg", "png"), shared_folder=True)
    for name in ("frontier", "rewards"):
        assert script.run("--svg", f"f/{name}.svg", "--png", f"f/{name}.png").returncode == 0
    assert tree(tmp_path / "f") == [
        *("_provenance", "_provenance/frontier.json", "_provenance/rewards.json"),
        *("frontier.png", "frontier.svg", "rewards.png", "rewards.svg"),
    ]


@pytest.mark.parametrize("failure", ["raise store.DataError('bad row')", "1 / 0"])
def test_failure_leaves_nothing_and_says_why(tmp_path, failure):
    script = Script(tmp_path, f"job.outputs['out'].write_text('half')\n{failure}")
    done = script.run("--out", "made/out.txt")
    assert done.returncode == 1
    message = "error: bad row" if "bad row" in failure else "error: division by zero"
    assert done.stderr.splitlines()[-1] == message
    assert "Traceback" in done.stderr
    assert tree(tmp_path / "made") == []


def test_failure_keeps_an_older_result(tmp_path):
    script = Script(tmp_path, "job.outputs['out'].write_text('new')\n1 / 0")
    (tmp_path / "out.txt").write_text("old")
    assert script.run("--out", "out.txt").returncode == 1
    assert (tmp_path / "out.txt").read_text() == "old"


def test_a_missing_declared_output_is_an_error_and_publishes_nothing(tmp_path):
    script = Script(tmp_path, "job.outputs['first'].write_text('x')", outputs=("first", "second"))
    (tmp_path / "made").mkdir()
    (tmp_path / "made/b.txt").write_text("an older run's")
    done = script.run("--first", "made/a.txt", "--second", "made/b.txt")
    assert done.returncode == 1
    assert "error: the script ended without writing made/b.txt" in done.stderr
    assert tree(tmp_path / "made") == ["b.txt"]


def test_the_manifest_is_published_last(tmp_path, monkeypatch):
    """Also after files of other folders, and an older manifest vanishes before anything changes."""
    from prefgrid import jobs, store

    order = []
    publish = store.publish

    def recording(temporary: Path, path: Path) -> None:
        assert not (tmp_path / "model" / "manifest.json").exists()
        order.append(path.as_posix())
        publish(temporary, path)

    def main(job: jobs.Job) -> None:
        for path in job.outputs.values():
            path.write_text("x")
        (job.folder("manifest") / "zz_extra").write_text("x")

    (tmp_path / "model").mkdir()
    (tmp_path / "model/manifest.json").write_text("older")
    monkeypatch.setattr(store, "publish", recording)
    monkeypatch.setattr(store, "write_json", lambda path, _: path.write_text("{}"))
    words = ["--manifest", "model/manifest.json", "--weights", "model/w", "--log", "z/log"]
    monkeypatch.setattr(sys, "argv", ["script.py", *words, "--spec", "{}"])
    monkeypatch.chdir(tmp_path)
    jobs.run(main, inputs=(), outputs=("manifest", "weights", "log"))
    assert order[-1] == "model/manifest.json"
    assert sorted(order[:-1]) == ["model/_provenance.json", "model/w", "model/zz_extra", "z/log"]
    assert (tmp_path / "model/manifest.json").read_text() == "x"


def test_a_killed_run_publishes_nothing_and_the_next_cleans_up(tmp_path):
    kill = "job.outputs['out'].write_text('half')\nos.kill(os.getpid(), signal.SIGKILL)"
    assert Script(tmp_path, kill).run("--out", "made/out.txt").returncode == -9
    (leftover,) = (tmp_path / "made").iterdir()
    assert leftover.name.startswith(".partial-out.txt-")
    done = Script(tmp_path, "job.outputs['out'].write_text('x')").run("--out", "made/out.txt")
    assert done.returncode == 0, done.stderr
    assert tree(tmp_path / "made") == ["_provenance.json", "out.txt"]


def test_cleaning_up_spares_the_neighbours_running_in_the_same_folder(tmp_path):
    own, neighbours = LEFTOVER.format("out.txt"), ("out.csv", "out.txt-wide", "out", "in-out.txt")
    for folder in (tmp_path / "a", tmp_path / "b"):
        for name in ("out.txt", *neighbours):
            (folder / LEFTOVER.format(name)).mkdir(parents=True)
    script = Script(
        tmp_path, "[path.write_text('x') for path in job.outputs.values()]", outputs=("out", "log")
    )
    assert script.run("--out", "a/out.txt", "--log", "b/log").returncode == 0
    for folder in ("a", "b"):
        assert own not in os.listdir(tmp_path / folder)
        for name in neighbours:
            assert LEFTOVER.format(name) in os.listdir(tmp_path / folder)


def test_a_bad_command_line_is_explained(tmp_path):
    script = Script(tmp_path, "pass")
    assert "the following arguments are required: --out" in script.run().stderr
    done = subprocess.run(
        [sys.executable, "do_it.py", "--out", "out.txt", "--spec", "{beta: 1}"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "error: Expecting property name" in done.stderr
    assert "Does it." in script.run("--help").stdout


def test_the_frame_imports_neither_torch_nor_pandas(tmp_path):
    body = (
        "import sys\n"
        "loaded = sorted({'torch', 'pandas', 'transformers'} & sys.modules.keys())\n"
        "job.outputs['out'].write_text(','.join(loaded))"
    )
    assert Script(tmp_path, body).run("--out", "out.txt").returncode == 0
    assert (tmp_path / "out.txt").read_text() == ""


def test_the_thread_count_of_the_runner_is_applied(monkeypatch):
    import torch

    from prefgrid import devices

    before = torch.get_num_threads()
    try:
        monkeypatch.setenv(devices.THREADS_VARIABLE, "3")
        devices.limit_threads()
        assert torch.get_num_threads() == 3
        monkeypatch.delenv(devices.THREADS_VARIABLE)
        devices.limit_threads()
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
