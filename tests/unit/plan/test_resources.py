"""What each kind of job asks a cluster for. Oracle: which scripts import torch, by test_light_scripts."""

import re
from pathlib import Path

from tests.unit.test_light_scripts import LIGHT

REPOSITORY = Path(__file__).resolve().parents[3]
# Jobs without a model that import what it comes with: a file of tensors, a tokenizer, a download, an upload.
WITHOUT_A_MODEL = {
    "draw_single_index",
    "train_tiny_tokenizer",
    "fetch_dataset",
    "write_alpaca_config",
    "publish_self_play",
}


def resources() -> dict[str, tuple[str, str, bool]]:
    """Rule → (memory, time limit, whether on a device), as its text names them."""
    found = {}
    for path in (REPOSITORY / "rules").rglob("*.smk"):
        for name, body in re.findall(
            r"^ *rule (\w+):\n((?:(?! *rule ).*\n)*)", path.read_text(), re.M
        ):
            if "run_job" in body:
                memory, limit = (
                    re.search(rf" {key}=(\w+),", body)[1] for key in ("mem_mb", "runtime")
                )
                found[name] = (memory, limit, "gpu=" in body)
    return found


def test_jobs_without_a_model_ask_for_little_and_for_no_device():
    asked = resources()
    light = {name.rpartition(".")[2] for name in LIGHT} | WITHOUT_A_MODEL
    assert {name for name, words in asked.items() if words[0] == "light_mem_mb"} == light
    for name, words in asked.items():
        heavy = ("mem_mb", "runtime")
        assert words[:2] == (("light_mem_mb", "light_runtime") if name in light else heavy), name
        assert not (name in light and words[2]), name
    assert {"train_policy", "evaluate_policy", "score_responses"} <= {
        name for name, words in asked.items() if words[2]
    }
