"""A dataset that cannot be had says what was tried and what is allowed."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[3] / "workflow_scripts"


def test_unreachable_dataset_is_named(tmp_path: Path) -> None:
    output = tmp_path / "train.jsonl"
    spec = '{"source": "nobody/none", "revision": "main", "split": "train", "fields": []}'
    done = subprocess.run(
        [sys.executable, "worlds/fetch_dataset.py", "--data", str(output), "--spec", spec],
        cwd=SCRIPTS,
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(SCRIPTS)},
    )
    assert done.returncode == 1
    assert "cannot get dataset 'nobody/none' at revision 'main'" in done.stderr
    assert "Allowed: a hub id 'owner/name'" in done.stderr
    assert not output.exists()
