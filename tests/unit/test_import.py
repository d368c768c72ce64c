"""`import prefgrid` in the environment that `make setup` makes."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def output(*words: str, folder: Path) -> str:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, env={"PATH": "/bin"})
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_package_is_found_from_anywhere_and_after_the_checkout_has_moved(tmp_path):
    """And nothing else of the checkout: its scripts have names that others may have too."""
    checkout = tmp_path / "a checkout"
    shutil.copytree(REPOSITORY / "workflow_scripts", checkout / "workflow_scripts")
    for name in ("Makefile", "requirements.lock"):
        shutil.copy(REPOSITORY / name, checkout)
    planned = output("make", "-n", "setup", f"PYTHON={sys.executable}", folder=checkout)
    [link] = re.findall(r"^ln .*$", planned, flags=re.MULTILINE)
    output(sys.executable, "-m", "venv", "--without-pip", ".venv", folder=checkout)
    output("bash", "-c", link, folder=checkout)
    code = (
        "import importlib.util, prefgrid.files.cells as cells; "
        "print(cells.folders({'seed': 0}), importlib.util.find_spec('run_job'))"
    )
    python = Path(".venv/bin/python")
    assert output(str(checkout / python), "-c", code, folder=tmp_path) == "seed=0 None\n"
    moved = checkout.rename(tmp_path / "moved")
    assert output(str(moved / python), "-c", code, folder=tmp_path) == "seed=0 None\n"
