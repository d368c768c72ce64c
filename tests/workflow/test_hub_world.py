"""The hub world on local paths: the code that fetches real models and data, on small ones."""

import json
import os
import shutil
from pathlib import Path

import yaml

from tests.workflow.conftest import Checkout, copy_sources


def test_models_and_data_from_local_paths_reach_the_responses(
    finished: Checkout, tmp_path: Path
) -> None:
    copy_sources(tmp_path / "tree")
    checkout = Checkout(tmp_path / "tree")
    sources = finished.folder / "results"
    copied = tmp_path / "base"
    shutil.copytree(sources / "models" / "base", copied)
    config = yaml.safe_load((checkout.folder / "small.yaml").read_text())
    config |= {
        "world": "hub",
        "studies": ["link_robustness", "single_index", "soft_policy"],
        "hub": {
            "models": {
                name: {"source": str(source), "revision": None}
                for name, source in {"base": copied, "reward": sources / "models/reward"}.items()
            },
            "dataset": {
                "source": str(sources / "data/ultrafeedback/train.jsonl"),
                "revision": None,
                "split": "train",
            },
        },
        "reference": {"sft": None},
    }
    (checkout.folder / "small.yaml").write_text(yaml.safe_dump(config))
    target = "results/link_robustness/responses/seed=0/shard=1/responses.jsonl"
    checkout.snakemake("sources", target)

    results = checkout.folder / "results"
    weights = [results / "models" / name / "model.safetensors" for name in ("base", "reference")]
    assert os.path.samefile(*weights)  # stored once
    # 32 pairs in two shards: the second holds pairs 16 to 31.
    rows = [json.loads(line) for line in (results.parent / target).open()]
    assert [row["group"] for row in rows] == list(range(16, 32))
    # Files of this machine are of no commit.
    origin = json.loads((results / "data/ultrafeedback/source.json").read_text())
    assert (Path(origin["source"]).name, origin["commit"]) == ("train.jsonl", None)
    # A source that changes under its path, here by a file more, is fetched anew; untouched ones are not.
    assert checkout.planned("sources", target) == {}
    (copied / "chat_template.jinja").write_text("{{ messages }}")
    assert checkout.planned("results/models/base/manifest.json") == {"fetch_model": 1}
    # The same data, split by the same hash: the pools are those of the tiny world.
    for pool in ("train", "eval"):
        path = f"data/prompts/{pool}.jsonl"
        assert (results / path).read_bytes() == (sources / path).read_bytes()
