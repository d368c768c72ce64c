"""A training job in two processes, as the runner starts it on two devices, here on the CPU."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file
from torch.testing import assert_close

from prefgrid.files import formats, store
from prefgrid.run import elastic_worker
from tests.workflow.conftest import Checkout, environment

ROOT = "results/link_robustness"
CELL = "method=dpo/seed=0/shift=1.5/n=32"
POLICY = f"{ROOT}/policies/{CELL}"
INPUTS = {
    "data": f"{ROOT}/preferences/seed=0/shift=1.5/n=32/preferences.jsonl",
    "logps": f"{ROOT}/reference_logps/seed=0/logps.parquet",
    "reference": "results/models/reference/manifest.json",
}
OUTPUTS = {
    "manifest": "manifest.json",
    "metrics": "metrics.jsonl",
    "link": "link.json",
}


def test_two_processes_train_and_publish_one_policy(finished: Checkout, tmp_path: Path) -> None:
    quiet = finished.folder / POLICY
    record = store.read_json(quiet / "_provenance.json")
    outputs = {name: str(tmp_path / "policy" / file) for name, file in OUTPUTS.items()}
    flags = [word for name, path in (INPUTS | outputs).items() for word in (f"--{name}", path)]
    scripts = finished.folder / "workflow_scripts"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    launcher += ["--nproc-per-node", "2", "--module", elastic_worker.__name__]
    script = [str(scripts / "steps" / "train_policy.py"), *flags]
    own = {"PYTHONPATH": os.pathsep.join([str(scripts), str(finished.folder)])}
    done = subprocess.run(
        [*launcher, *script, "--spec", formats.canonical_json(record["spec"])],
        cwd=finished.folder,
        env=elastic_worker.environment(environment() | own),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]

    # One set of files, none of the second process's.
    assert {path.name for path in (tmp_path / "policy").iterdir()} == {
        path.name for path in quiet.iterdir()
    }
    rows = store.read_jsonl(tmp_path / "policy" / "metrics.jsonl")
    expected = store.read_jsonl(quiet / "metrics.jsonl")
    # Sums of a step's 8 pairs and of 4 + 4 differ by rounding, which the later steps amplify.
    assert [row["loss"] for row in rows] == pytest.approx(
        [row["loss"] for row in expected], abs=1e-4
    )
    assert_close(
        load_file(tmp_path / "policy" / "adapter_model.safetensors"),
        load_file(quiet / "adapter_model.safetensors"),
        atol=1e-3,
        rtol=0.0,
    )
