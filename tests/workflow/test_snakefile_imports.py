"""Parsing the Snakefile is light: every job of a cluster does it again."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
# Snakemake's own program, in this very process, so that its modules can be looked at afterwards.
PROGRAM = """
import sys
from snakemake.cli import main
try:
    main(["-n", "--quiet", "all", "--nolock", "--directory", sys.argv[1], *sys.argv[2:]])
except SystemExit as end:
    status = end.code or 0
else:
    status = 0
names = ("torch", "transformers", "peft", "datasets", "trl", "accelerate")
print("status", status, "loaded", [name for name in names if name in sys.modules])
"""


@pytest.mark.parametrize("preset", [None, "spo_ultrafeedback"])
def test_planning_imports_neither_torch_nor_transformers(tmp_path, preset):
    words = [f"--configfile={REPOSITORY / 'presets' / preset}.yaml"] if preset else []
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), "--snakefile", "Snakefile", *words],
        cwd=REPOSITORY,
        env={key: value for key, value in os.environ.items() if not key.startswith("PREFGRID_")},
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines()[-1:] == ["status 0 loaded []"], done.stdout + done.stderr
