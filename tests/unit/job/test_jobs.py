"""The frame of every workflow script: publication, leftovers, provenance. Real small processes."""

import hashlib
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[3] / "workflow_scripts"
LEFTOVER = f".partial-{{}}-{'0a' * 16}"


class Script:
    """A small workflow script in a folder of its own, run as the job runner would."""

    def __init__(self, folder: Path, body: str, **declared) -> None:
        self.folder = folder
        keywords = {"inputs": (), "outputs": ("out",)} | declared
        arguments = ", ".join(f"{name}={value!r}" for name, value in keywords.items())
        lines = "\n".join(f"    {line}" for line in body.splitlines())
        (folder / "do_it.py").write_text(
            f'"""Does it."""\nimport os, signal\nfrom prefgrid.job import jobs\nfrom prefgrid.files import store\n\n\n'
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
    assert record["device"] == "cpu" and "computed_with" not in record  # no torch here
    assert 0 < record["wall_time_seconds"] < 60
    finished = datetime.strptime(record["finished"], "%Y-%m-%dT%H:%M:%S%z")
    assert timedelta(0) <= datetime.now(UTC) - finished < timedelta(minutes=2)
    assert 5e6 < record["peak_memory_bytes"]["host"] < 1e10


@pytest.mark.parametrize("threads", [1, 2])
def test_the_record_of_a_job_with_torch_names_what_decides_its_last_bits(tmp_path, threads):
    import torch

    code = "import torch\nfrom prefgrid.job import jobs\n"
    body = "job.outputs['out'].write_text('x')"
    script = Script(tmp_path, body)
    path = tmp_path / "do_it.py"
    path.write_text(path.read_text().replace("from prefgrid.job import jobs\n", code, 1))
    for capability in ("default", None):
        own = {"ATEN_CPU_CAPABILITY": capability} if capability else {}
        done = subprocess.run(
            [sys.executable, "do_it.py", "--out", "r/out.txt", "--spec", "{}"],
            cwd=script.folder,
            env=os.environ | {"PYTHONPATH": str(SCRIPTS), "PREFGRID_THREADS": str(threads)} | own,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert json.loads((tmp_path / "r/_provenance.json").read_text())["computed_with"] == {
            "torch_threads": threads,
            "cpu_capability": capability.upper()
            if capability
            else torch.backends.cpu.get_cpu_capability(),
        }


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
    # A damaged input needs no look into our code.
    assert ("Traceback" in done.stderr) == ("DataError" not in failure)
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
    from prefgrid.files import store
    from prefgrid.job import jobs

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


MODEL = "[path.write_text('new') for path in job.outputs.values()]"
MODEL_OUTPUTS = ("manifest", "weights")
MODEL_WORDS = ("--manifest", "model/manifest.json", "--weights", "model/model.safetensors")


def older_model(folder: Path) -> None:
    """What another world's run left: weights, and files that the new run does not write."""
    (folder / "model/_provenance").mkdir(parents=True)
    (folder / "model/checkpoints").mkdir()
    for name in ("model.safetensors", "manifest.json", "generation_config.json", "_notes", ".nfs1"):
        (folder / "model" / name).write_text("old")


def test_an_artifact_of_several_files_keeps_none_of_an_older_one(tmp_path):
    older_model(tmp_path)
    body = MODEL + "\n(job.folder('weights') / 'tokenizer.json').write_text('new')"
    done = Script(tmp_path, body, outputs=MODEL_OUTPUTS).run(*MODEL_WORDS)
    assert done.returncode == 0, done.stderr
    files = {path.name for path in (tmp_path / "model").iterdir() if path.is_file()}
    new = {"manifest.json", "model.safetensors", "tokenizer.json"}
    assert files == new | {"_provenance.json", "_notes", ".nfs1"}
    assert {(tmp_path / "model" / name).read_text() for name in new} == {"new"}


def test_a_failed_run_keeps_all_of_an_older_artifact(tmp_path):
    older_model(tmp_path)
    before = tree(tmp_path)
    assert Script(tmp_path, MODEL + "\n1 / 0", outputs=MODEL_OUTPUTS).run(*MODEL_WORDS).returncode
    assert tree(tmp_path) == before
    assert (tmp_path / "model/generation_config.json").read_text() == "old"


@pytest.mark.parametrize(
    ("words", "declared"),
    [
        (MODEL_WORDS, {"shared_folder": True}),
        (("--manifest", "model/list.json", "--weights", "model/model.safetensors"), {}),
    ],
    ids=["shared folder", "no manifest"],
)
def test_files_of_other_artifacts_stay(tmp_path, words, declared):
    older_model(tmp_path)
    done = Script(tmp_path, MODEL, outputs=MODEL_OUTPUTS, **declared).run(*words)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model/generation_config.json").read_text() == "old"


def test_leftovers_go_after_the_new_files_came_and_before_the_manifest_vouches(
    tmp_path, monkeypatch
):
    from prefgrid.files import store
    from prefgrid.job import publication

    order = []
    publish, unlink = store.publish, Path.unlink
    monkeypatch.setattr(
        store, "publish", lambda file, final: (order.append(final.name), publish(file, final))
    )
    monkeypatch.setattr(
        Path, "unlink", lambda path, **how: (order.append(f"-{path.name}"), unlink(path, **how))
    )
    for name in ("manifest.json", "leftover", "weights"):
        store.write_text(tmp_path / "new" / name, "new")
        store.write_text(tmp_path / "old" / name, "old")
    (tmp_path / "new/leftover").unlink()
    order.clear()
    names = ("weights", "manifest.json")
    publication.publish(
        {tmp_path / "new" / name: tmp_path / "old" / name for name in names}, sweep=True
    )
    assert order == ["-manifest.json", "weights", "-leftover", "manifest.json"]


def test_an_input_dated_ahead_is_dated_back_before_the_work(tmp_path):
    """Kind: a wrong clock, after which Snakemake would throw away whatever the job makes."""
    (tmp_path / "in.txt").write_text("x")
    ahead = time.time_ns() + 86400 * 10**9
    os.utime(tmp_path / "in.txt", ns=(ahead, ahead))
    (tmp_path / "old.txt").write_text("x")
    os.utime(tmp_path / "old.txt", ns=(10**9, 10**9))
    body = "job.outputs['out'].write_text(job.inputs['text'].read_text())"
    script = Script(tmp_path, body, inputs=("text", "old"))
    done = script.run("--text", "in.txt", "--old", "old.txt", "--out", "made/out.txt")
    assert done.returncode == 0, done.stderr
    assert "in.txt was dated ahead" in done.stderr
    dates = [(tmp_path / name).stat().st_mtime_ns for name in ("in.txt", "made/out.txt")]
    assert dates == sorted(dates) and dates[0] <= time.time_ns()
    assert (tmp_path / "old.txt").stat().st_mtime_ns == 10**9


def test_an_input_dated_ahead_that_may_not_be_touched_is_refused_by_name(tmp_path, monkeypatch):
    from prefgrid.files import store
    from prefgrid.job import dates

    (tmp_path / "in.txt").write_text("x")
    os.utime(tmp_path / "in.txt", (time.time() + 86400,) * 2)

    def forbidden(path):  # not even root may on a read-only file system
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "utime", forbidden)
    with pytest.raises(store.DataError, match=r"in\.txt: is dated ahead, .*Read-only"):
        dates.bring_back([tmp_path / "in.txt"])


def test_published_files_have_the_umask_s_permissions(tmp_path):
    body = "job.outputs['out'].write_text('x')\njob.outputs['out'].chmod(0o600)"
    assert Script(tmp_path, body).run("--out", "made/out.txt").returncode == 0
    (tmp_path / "plain").write_text("x")
    modes = {(tmp_path / name).stat().st_mode for name in ("made/out.txt", "plain")}
    assert len(modes) == 1


@pytest.mark.parametrize(
    ("words", "expected"),
    [((), "None"), (("--quality",), "None"), (("--quality", "q.json"), "q.json")],
)
def test_an_optional_input_may_be_absent(tmp_path, words, expected):
    """Snakemake writes the flag with nothing behind it."""
    body = (
        "job.outputs['out'].write_text(str(job.inputs['quality']))\n"
        "assert len(job.input_files()) == (job.inputs['quality'] is not None) + 2"
    )
    script = Script(tmp_path, body, inputs=("quality?", "many*"))
    (tmp_path / "q.json").write_text("{}")
    done = script.run("--many", "a", "b", *words, "--out", "out.txt")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.txt").read_text() == expected
    record = json.loads((tmp_path / "_provenance.json").read_text())
    assert record["inputs"]["quality"].keys() == {expected} - {"None"}


@pytest.mark.parametrize(
    ("words", "expected"),
    [((), []), (("--adapters",), []), (("--adapters", "x/m.json", "y/m.json"), ["x", "y"])],
)
def test_an_input_of_none_or_several(tmp_path, words, expected):
    body = (
        "job.outputs['out'].write_text(' '.join(map(str, job.folders('adapters'))))\n"
        "assert len(job.input_files()) == len(job.inputs['adapters']) + 1"
    )
    script = Script(tmp_path, body, inputs=("first", "adapters**"))
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "m.json").write_text("{}")
    done = script.run("--first", "a", *words, "--out", "out.txt")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.txt").read_text().split() == expected
    record = json.loads((tmp_path / "_provenance.json").read_text())
    assert list(record["inputs"]["adapters"]) == [f"{folder}/m.json" for folder in expected]


def test_an_input_of_several_needs_one(tmp_path):
    done = Script(tmp_path, "pass", inputs=("many*",)).run("--out", "out.txt")
    assert done.returncode == 2 and "--many" in done.stderr


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

    from prefgrid.job import devices
    from prefgrid.run import execution

    before = torch.get_num_threads()
    try:
        monkeypatch.setenv(execution.THREADS_VARIABLE, "3")
        devices.limit_threads()
        assert torch.get_num_threads() == 3
        monkeypatch.delenv(execution.THREADS_VARIABLE)
        devices.limit_threads()
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


WORKING = (
    "for name in ('a', 'b', 'c'):\n"
    "    def compute():\n"
    "        if os.path.exists('kill-in-' + name):\n"
    "            os.kill(os.getpid(), signal.SIGKILL)\n"
    "        open('computed', 'a').write(name)\n"
    "        return name\n"
    "    job.part(name, compute)\n"
    "job.outputs['out'].write_text(open('computed').read())"
)


def test_a_killed_job_goes_on_where_it_was(tmp_path):
    script = Script(tmp_path, WORKING, inputs=("first",))
    (tmp_path / "in.txt").write_text("in")
    (tmp_path / "kill-in-c").touch()
    words = ("--first", "in.txt", "--out", "made/out.txt", "--code", "do_it@0123")
    assert script.run(*words).returncode == -9
    key = json.loads((tmp_path / "made/.work-out.txt/key.json").read_text())
    (tmp_path / "kill-in-c").unlink()
    done = script.run(*words)
    assert done.returncode == 0, done.stderr
    assert "continuing from what an interrupted run of this job left" in done.stderr
    assert (tmp_path / "made/out.txt").read_text() == "abc"
    assert tree(tmp_path / "made") == ["_provenance.json", "out.txt"]
    # The key is what the record says of the job, its cost and its outputs aside.
    record = json.loads((tmp_path / "made/_provenance.json").read_text())
    assert key == {name: record[name] for name in key}
    assert key["inputs"] == {"first": {"in.txt": sha256(tmp_path / "in.txt")}}
    assert record.keys() - key.keys() == {
        *("outputs", "git_commit", "finished", "device", "wall_time_seconds"),
        "peak_memory_bytes",
    }


@pytest.mark.parametrize("change", ["spec", "code", "input", "nothing"])
def test_another_job_starts_anew(tmp_path, change):
    script = Script(tmp_path, WORKING, inputs=("first",))
    (tmp_path / "in.txt").write_text("in")
    (tmp_path / "kill-in-b").touch()
    words = ["--first", "in.txt", "--out", "out.txt", "--code", "do_it@0123"]
    assert script.run(*words).returncode == -9
    (tmp_path / "kill-in-b").unlink()
    if change == "input":
        (tmp_path / "in.txt").write_text("other")
    if change == "code":
        words[-1] = "do_it@4567"
    done = script.run(*words, spec={"seed": 1} if change == "spec" else None)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.txt").read_text() == ("abc" if change == "nothing" else "aabc")


def test_the_runner_s_work_folder_is_left_to_the_runner(tmp_path, monkeypatch):
    script = Script(tmp_path, WORKING)
    monkeypatch.setenv("PREFGRID_WORK", "work/here")
    assert script.run("--out", "made/out.txt").returncode == 0
    assert tree(tmp_path / "made") == ["_provenance.json", "out.txt"]
    assert tree(tmp_path / "work/here") == ["key.json", "parts", "parts/a", "parts/b", "parts/c"]


def test_a_job_without_state_has_no_work_folder(tmp_path, monkeypatch):
    script = Script(tmp_path, "job.outputs['out'].write_text('x')")
    monkeypatch.setenv("PREFGRID_WORK", "work/here")
    assert script.run("--out", "made/out.txt").returncode == 0
    assert not (tmp_path / "work").exists()


def test_checksums_are_those_of_the_inputs_before_the_script_began(tmp_path):
    """The record names what the job was started on; inputs that a script adds are in it too."""
    body = (
        "job.inputs['later'] = [job.inputs['first'].with_name('later.txt')]\n"
        "job.inputs['first'].write_text('changed')\n"
        "job.outputs['out'].write_text('x')"
    )
    script = Script(tmp_path, body, inputs=("first",))
    (tmp_path / "in.txt").write_text("in")
    (tmp_path / "later.txt").write_text("later")
    assert script.run("--first", "in.txt", "--out", "out.txt").returncode == 0
    record = json.loads((tmp_path / "_provenance.json").read_text())
    assert record["inputs"] == {
        "first": {"in.txt": hashlib.sha256(b"in").hexdigest()},
        "later": {"later.txt": hashlib.sha256(b"later").hexdigest()},
    }


class TestRanks:
    """Several processes of one job, as torch's elastic launcher starts them."""

    BODY = (
        "assert job.work.name == '.work-out.txt'\n"
        "open('places', 'a').write(str(job.outputs['out']) + '\\n')\n"
        "open('ranks', 'a').write(os.environ['RANK'])\n"
        "job.outputs['out'].write_text(os.environ['RANK'])"
    )

    @pytest.fixture(autouse=True)
    def scratch(self, tmp_path, monkeypatch):
        monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
        (tmp_path / "scratch").mkdir()

    def test_only_rank_0_publishes_and_cleans_up(self, tmp_path, monkeypatch):
        script = Script(tmp_path, self.BODY + "\nassert 'kill' not in job.spec")
        monkeypatch.setenv("RANK", "0")
        assert script.run("--out", "made/out.txt", spec={"kill": 1}).returncode == 1
        # The failed rank 0 prepared the work folder, so the other one need not wait for it.
        before = tree(tmp_path / "made")
        assert before == [".work-out.txt", ".work-out.txt/key.json"]
        monkeypatch.setenv("RANK", "1")
        (tmp_path / "made" / LEFTOVER.format("out.txt")).mkdir()
        assert script.run("--out", "made/out.txt", spec={"kill": 1}).returncode == 1
        assert tree(tmp_path / "made") == sorted([*before, LEFTOVER.format("out.txt")])
        monkeypatch.setenv("RANK", "0")
        assert script.run("--out", "made/out.txt").returncode == 0
        assert tree(tmp_path / "made") == ["_provenance.json", "out.txt"]
        assert (tmp_path / "made/out.txt").read_text() == "0"
        assert (tmp_path / "ranks").read_text() == "010"
        assert tree(tmp_path / "scratch") == []
        places = (tmp_path / "places").read_text().splitlines()
        assert [str(tmp_path / "scratch") in place for place in places] == [False, True, False]

    def test_other_launchers_ranks_are_not_ours(self, tmp_path, monkeypatch):
        """A batch system may set RANK for a job that is one process."""
        monkeypatch.delenv("TORCHELASTIC_RUN_ID")
        monkeypatch.setenv("RANK", "3")
        assert Script(tmp_path, self.BODY).run("--out", "out.txt").returncode == 0
        assert (tmp_path / "out.txt").read_text() == "3"
