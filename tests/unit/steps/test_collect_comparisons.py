"""The script: no file of a set is empty but the train file of a benchmark."""

import json
import os
import subprocess
import sys
from pathlib import Path

from prefgrid.comparisons import base
from prefgrid.data import pools
from prefgrid.files import store

SCRIPT = (
    Path(__file__).resolve().parents[3] / "workflow_scripts" / "steps" / "collect_comparisons.py"
)
SHARE = 0.15


def collect(folder: Path, module: str, rows: list[dict], data: dict) -> subprocess.CompletedProcess:
    store.write_jsonl(folder / "rows.jsonl", rows)
    told = {"comparisons": f"prefgrid.comparisons.{module}", "options": {}, "data": data}
    outputs = [f"--{split}={folder / split}.jsonl" for split in base.SPLITS]
    return subprocess.run(
        [sys.executable, str(SCRIPT), f"--files={folder / 'rows.jsonl'}", *outputs]
        + [f"--summary={folder / 'summary.json'}", f"--spec={json.dumps(told)}", "--code=code"],
        env={**os.environ, "PYTHONPATH": str(SCRIPT.parents[1])},
        capture_output=True,
        text=True,
    )


def split_of(prompt: str) -> str:
    number = pools.prompt_id(prompt)
    if not pools.is_evaluation(number, SHARE):
        return "train"
    return "calibration" if base.is_calibration(number) else "test"


def pairs(*wanted: str) -> list[dict]:
    """A row for each of the splits."""
    prompts = [f"prompt {number}" for number in range(200)]
    found = [next(one for one in prompts if split_of(one) == split) for split in wanted]
    return [{"prompt": prompt, "chosen": "yes", "rejected": "no"} for prompt in found]


def test_a_small_file_that_leaves_a_part_empty_is_refused_with_the_counts(tmp_path):
    data = {"bad_row_share": 0.0, "eval_share": SHARE}
    done = collect(tmp_path, "pairs", pairs("train", "calibration"), data)
    assert done.returncode != 0
    assert (
        "rows: 1 train, 1 calibration, 0 test; no row for test. Prompts are held out by their hash; "
        "allowed: more prompts, or another data.eval_share, now 0.15"
    ) in done.stderr
    assert not (tmp_path / "train.jsonl").exists()
    done = collect(tmp_path, "pairs", pairs(*base.SPLITS), data)
    assert done.returncode == 0, done.stderr
    assert store.read_json(tmp_path / "summary.json")["rows"] == dict.fromkeys(base.SPLITS, 1)


def test_a_benchmark_has_no_train_rows_and_needs_none(tmp_path):
    numbers = [f"question {number}" for number in range(20)]
    calibrating = [one for one in numbers if base.is_calibration(pools.prompt_id(one))]
    rows = [
        {"prompt": one, "chosen": "yes", "rejected": "no", "subset": "hep-go"} for one in numbers
    ]
    done = collect(tmp_path, "reward_bench", rows, {"bad_row_share": 0.0})
    assert done.returncode == 0, done.stderr
    assert store.read_json(tmp_path / "summary.json")["rows"] == {
        "train": 0,
        "calibration": len(calibrating),
        "test": 20,
    }
