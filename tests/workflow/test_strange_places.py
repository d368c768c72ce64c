"""Two real jobs of the tiny world where hardly anything around them is as usual.

Kind: what a run finds around it although nobody meant it for the run: file names, modules that
happen to lie there, locale, interpreter options, another launcher's variables, clocks.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = ("Snakefile", "config.yaml", "rules", "workflow_scripts", "profiles", "envs")
DATA = Path("results/data/ultrafeedback/train.jsonl")
TOKENIZER = "results/models/tokenizer/tokenizer.json"
STRANGE = {
    "LC_ALL": "C",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
    "PYTHONOPTIMIZE": "2",
    "TORCHELASTIC_RUN_ID": "outer",
    "RANK": "2",
    "LOCAL_RANK": "2",
    "WORLD_SIZE": "4",
    "MASTER_ADDR": "no.such.machine",
    # Where nobody, not even root, can make a folder.
    "XDG_CONFIG_HOME": "/dev/null/config",
}
SHADOWS = ("signal", "random", "types", "json", "socket", "dataclasses", "logging", "uuid")


def snakemake(folder: Path, *words: str) -> str:
    own = {key: value for key, value in os.environ.items() if not key.startswith("PREFGRID_")}
    done = subprocess.run(
        [str(Path(sys.executable).parent / "snakemake"), "--cores", "1", *words],
        cwd=folder,
        env=own | STRANGE,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_jobs_run_in_a_strange_place(tmp_path):
    checkout = tmp_path / "[a] b*'$%s"
    checkout.mkdir()
    for name in SOURCES:
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy
        copy(REPOSITORY / name, checkout / name)
    for name in SHADOWS:
        (checkout / f"{name}.py").write_text("raise SystemExit('the wrong module')")
    output = snakemake(checkout, TOKENIZER)
    assert "wrong module" not in output and "Traceback" not in output
    assert (checkout / TOKENIZER).is_file()

    # Made from an input dated ahead, by a clock that was wrong: once, and then there is peace.
    shutil.rmtree((checkout / TOKENIZER).parent)
    tomorrow = time.time() + 86400
    os.utime(checkout / DATA, (tomorrow, tomorrow))
    snakemake(checkout, TOKENIZER)
    assert "Nothing to be done" in snakemake(checkout, "-n", TOKENIZER)
