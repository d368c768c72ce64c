"""A training seed: another draw of one training, on one replicate's data.

The kinds: a seed that leaves something as it was drawn before, or that reaches what is not training's;
two replicates that come to be trained by one draw.
"""

from pathlib import Path

import pytest
import tiny_policies
import yaml
from safetensors.torch import load_file
from tiny_policies import STUDY, train

from prefgrid.config import objectives
from prefgrid.files import store
from prefgrid.objectives import base
from prefgrid.plan.load import load
from prefgrid.run import execution
from prefgrid.studies import registry
from prefgrid.training.batches import DataOrder

REPOSITORY = Path(__file__).resolve().parents[3]
RAW = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
AGAIN = {"objective": "dpo", "options": {}, "training": {"seed": 1}}


@pytest.fixture(scope="module")
def seeds() -> dict[tuple[str, int], int]:
    """(label, replicate) → the seed in its policy's spec."""
    config = load(RAW | {"methods": RAW["methods"] | {"dpo_again": AGAIN}})
    wiring = registry.wiring(config.packages["link_robustness"], config)
    return {
        (label, replicate): wiring.training_spec(label, replicate)["seed"]
        for label in ("dpo", "dpo_again")
        for replicate in range(50)
    }


def test_no_two_policies_are_trained_by_one_draw(seeds):
    assert [seeds["dpo", k] for k in range(50)] == list(range(50))
    assert len(set(seeds.values())) == len(seeds)


def test_the_same_data_give_other_weights(seeds, tmp_path, monkeypatch):
    """Through the script, with dropout. Untouched by the seed: labels, log-probabilities of the reference."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(execution.WORK_VARIABLE, str(tmp_path / "work"))
    tiny_policies.make_reference()
    folders = {
        name: train(f"run={name}", seed=seeds[label, 0])
        for name, label in {"first": "dpo", "same": "dpo", "again": "dpo_again"}.items()
    }
    inputs = [STUDY / "rewards" / f"run={name}" / "rewards.jsonl" for name in folders]
    assert len({store.sha256_file(path) for path in inputs}) == 1
    first, same, again = (
        load_file(folder / "adapter_model.safetensors") for folder in folders.values()
    )
    assert first.keys() == again.keys() and len(first) > 4
    assert all(first[name].equal(same[name]) for name in first)
    assert not any(first[name].equal(again[name]) for name in first)


def test_order_and_the_objective_s_own_draws_follow_it(seeds):
    """PSPO holds pairs out of its link's fit by a draw of its own."""
    schedules = [
        base.Schedule(rows=64, steps=24, steps_per_epoch=8, seed=seeds[label, 0])
        for label in ("dpo", "dpo", "dpo_again")
    ]
    first, same, again = ([DataOrder(one, 8).rows(k) for k in range(24)] for one in schedules)
    assert first == same != again
    options = objectives.constants("pspo").defaults
    held_out = [
        set(base.create("prefgrid.objectives.pspo", options, one).link_rows.tolist())
        for one in schedules
    ]
    assert 0 < len(held_out[0]) < 64
    assert held_out[0] == held_out[1] != held_out[2]
