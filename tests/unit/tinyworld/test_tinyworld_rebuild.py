"""The tiny world is rebuilt byte for byte: data, tokenizer, base and reward model."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from prefgrid.files import store
from prefgrid.job.jobs import Job
from worlds import train_tiny_base, train_tiny_reward, train_tiny_tokenizer, write_tiny_data

SCRIPTS = Path(__file__).resolve().parents[3] / "workflow_scripts"
SCHEDULE = {
    "steps": 3,
    "batch_size": 4,
    "learning_rate": 1.0e-3,
    "decay_share": 0.5,
    "warmup_steps": 1,
}
DATA = {"dataset": "prefgrid.data.ultrafeedback", "bad_row_share": 0.0, "eval_share": 0.15}
SPECS = {
    "data": {"prompts": 40, "seed": 0},
    "tokenizer": {"vocabulary": 320, "data": DATA},
    "base": {
        "seed": 0,
        "whole_text_share": 0.5,
        "schedule": SCHEDULE,
        "data": DATA,
        "architecture": {
            "hidden_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 32,
            "intermediate_size": 32,
            "initializer_range": 0.08,
            "rope_theta": 1000.0,
        },
    },
    "reward": {"seed": 0, "schedule": SCHEDULE, "data": DATA, "prompt_format": "chat"},
}


def build(root: Path) -> None:
    """Call the main functions of the scripts as the job runner does, with plain folders."""
    data = root / "train.jsonl"
    names = {"tokenizer": "tokenizer.json", "base": "manifest.json", "reward": "manifest.json"}
    files = {part: root / part / name for part, name in names.items()}
    for path in files.values():
        path.parent.mkdir(parents=True)

    def call(script: Any, part: str, inputs: dict[str, Path], output: str, path: Path) -> None:
        outputs = {output: path}
        script.main(Job(inputs=inputs, outputs=outputs, finals=outputs, spec=SPECS[part]))

    tokenizer, base = files["tokenizer"], files["base"]
    call(write_tiny_data, "data", {}, "data", data)
    call(train_tiny_tokenizer, "tokenizer", {"data": data}, "tokenizer", tokenizer)
    call(train_tiny_base, "base", {"data": data, "tokenizer_file": tokenizer}, "manifest", base)
    call(train_tiny_reward, "reward", {"data": data, "base": base}, "manifest", files["reward"])


def test_two_processes_write_the_same_bytes(tmp_path):
    """In the other one sets of text have another order, and no test ran before."""
    folders = [tmp_path / name for name in ("one", "other")]
    program = (
        "import sys, pathlib, test_tinyworld_rebuild as this\nthis.build(pathlib.Path(sys.argv[1]))"
    )
    path = os.pathsep.join(map(str, (SCRIPTS, Path(__file__).parent)))
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(folders[1])],
        env=os.environ | {"PYTHONHASHSEED": "1", "PYTHONPATH": path},
        stderr=subprocess.PIPE,
        text=True,
    )
    build(folders[0])
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    one, other = folders
    assert store.sha256_file(one / "train.jsonl") == store.sha256_file(other / "train.jsonl")
    for model in ("base", "reward"):
        manifest = store.read_json(one / model / "manifest.json")
        assert {"model.safetensors", "config.json", "tokenizer.json"} <= manifest.keys()
        assert manifest == store.read_json(other / model / "manifest.json")
