"""The base model as the reference: the same bytes, the weights the same file, and either replaceable."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from prefgrid.files import store

SCRIPT = Path(__file__).resolve().parents[3] / "workflow_scripts" / "steps" / "adopt_reference.py"
OUTPUTS = {
    "weights": "model.safetensors",
    "config": "config.json",
    "tokenizer": "tokenizer.json",
    "manifest": "manifest.json",
}
# On whose disk files cannot have two names: `os.link` as it fails between two.
TWO_DISKS = (
    "import errno, os, runpy, sys\n"
    "def link(*_, **__): raise OSError(errno.EXDEV, 'two disks')\n"
    "os.link = link\n"
    "del sys.argv[0]\n"
    "runpy.run_path(sys.argv[0], run_name='__main__')\n"
)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    base = tmp_path / "base"
    base.mkdir()
    for name in ("model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja"):
        (base / name).write_text(f"bytes of {name}")
    listed = {path.name: store.sha256_file(path) for path in sorted(base.iterdir())}
    (base / "manifest.json").write_text(json.dumps(listed))
    return tmp_path


def adopt(models: Path, *python: str) -> Path:
    words = [f"--{name}={models / 'reference' / file}" for name, file in OUTPUTS.items()]
    subprocess.run(
        [sys.executable, *python, str(SCRIPT), f"--base={models / 'base/manifest.json'}", *words]
        + ["--spec={}", "--code=code"],
        env={**os.environ, "PYTHONPATH": str(SCRIPT.parents[1])},
        check=True,
        capture_output=True,
    )
    return models / "reference"


def recorded(folder: Path) -> dict[str, str]:
    record = json.loads((folder / "_provenance.json").read_text())
    return {Path(path).name: checksum for path, checksum in record["outputs"].items()}


@pytest.mark.parametrize("disks", [1, 2])
def test_the_reference_has_the_bytes_of_the_base(models, disks):
    """Weights are stored once where a file can have two names, and copied where it cannot."""
    folder = adopt(models, *(("-c", TWO_DISKS) if disks == 2 else ()))
    base = {path.name: path for path in (models / "base").iterdir()}
    assert {path.name for path in folder.iterdir()} == {*base, "_provenance.json"}
    for name, path in base.items():
        assert (folder / name).read_bytes() == path.read_bytes()
        one_file = name == "model.safetensors" and disks == 1
        assert os.path.samefile(folder / name, path) == one_file, name
    assert recorded(folder) == {name: store.sha256_file(path) for name, path in base.items()}


def test_a_new_base_leaves_the_reference_and_a_new_reference_the_base(models):
    """Published files are replaced, never written to: neither name follows the other."""
    folder, base = adopt(models), models / "base" / "model.safetensors"
    store.write_text(base, "bytes of a new model")
    assert (folder / base.name).read_text() == "bytes of model.safetensors"
    assert store.sha256_file(folder / base.name) == recorded(folder)[base.name]
    adopt(models)
    assert os.path.samefile(folder / base.name, base)
    store.write_text(folder / base.name, "a reference of its own")
    assert base.read_text() == "bytes of a new model"


def test_a_file_of_another_user_is_copied(tmp_path, monkeypatch):
    """Who does not own a file cannot set the mode that publication gives it."""
    source = tmp_path / "source"
    source.write_text("bytes")
    monkeypatch.setattr(os, "geteuid", lambda: source.stat().st_uid + 1)
    store.link_or_copy(source, tmp_path / "target")
    assert (tmp_path / "target").read_text() == "bytes"
    assert not os.path.samefile(source, tmp_path / "target")


def test_a_copy_that_fails_is_an_error(tmp_path, monkeypatch):
    def link(*_):
        raise OSError(errno.EPERM, "not here")

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(OSError):
        store.link_or_copy(tmp_path / "absent", tmp_path / "target")
