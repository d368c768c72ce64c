"""Policies of all weights, from training to evaluation, against adapters merged into their base.

The kind: a full policy that is compared with another reference than it was trained from, or mixed with
itself.
"""

import math
from dataclasses import asdict

import made_up
import numpy as np
import pandas as pd
import pytest
import torch
from tiny_decoders import adapted, decoding_options, lora_policy, noise, unequal_prompts
from tiny_families import tiny_decoder
from tiny_policy import LORA, PAD, logps_of, random_groups, tiny_model, tiny_tokenizer

from prefgrid.files import store
from prefgrid.job.jobs import Job
from prefgrid.models.loading import load_causal_lm, load_stack, save_adapter, save_model
from prefgrid.objectives import base
from prefgrid.run import execution
from prefgrid.sampling.mixed import sample_mixed
from prefgrid.training.loop import train
from prefgrid.training.options import TrainingOptions
from prefgrid.training.policy import load_policy
from prefgrid.training.reference import MAX_START_SD_NATS
from prefgrid.training.step import PolicyForward
from steps import compute_reference_logps, evaluate_policy, train_policy

WEIGHTS = [4.0, 1.0, 0.5, -1.0, 0.0]
SIZES = {"vocab_size": 258, "eos_token_id": 257, "pad_token_id": 256}
IDS = [f"{number:016x}" for number in range(4)]


class Judge:
    def score(self, prompts, responses):
        return np.array([len(text) + 0.1 * text.count("e") for text in responses], np.float32)


def load(*_, **__):
    """This module is a judge."""
    return Judge()


def options(**changes) -> TrainingOptions:
    settings = {"epochs": None, "max_steps": 3, "batch_size": 4, "micro_batch_size": 4}
    return TrainingOptions(**{**settings, "learning_rate": 1e-2, "lora": None, **changes})


@pytest.mark.parametrize("family", [None, "mixtral", "gemma3", "qwen3_5", "opt"])
def test_two_whole_models_are_mixed_as_the_adapter_and_its_base(family):
    """The same texts at every weight, and the same KL: the merged model is another way to compute it."""

    def policy():
        return adapted(tiny_decoder(family)) if family else lora_policy()

    prompts = unequal_prompts()
    uniforms = noise(2 * len(prompts))
    expected = sample_mixed(policy(), prompts, uniforms, WEIGHTS, decoding_options())
    merged, reference = policy().merge_and_unload().eval(), policy().unload().eval()
    found = sample_mixed(merged, prompts, uniforms, WEIGHTS, decoding_options(), reference)
    assert [row.response for row in found] == [row.response for row in expected]
    for name in ("kl_nats", "kl_sample_nats"):
        np.testing.assert_allclose(
            [getattr(row, name) for row in found],
            [getattr(row, name) for row in expected],
            rtol=1e-3,
            atol=1e-4,
        )
    assert {row.kl_nats for row in found if row.weight == 0} == {0.0}
    assert min(row.kl_nats for row in found if row.weight == 1) > 0


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A reference, pairs, and scored samples of it, all made up but for the models."""
    monkeypatch.delenv(execution.WORK_VARIABLE, raising=False)
    save_model(tmp_path / "reference", tiny_model(**SIZES), tiny_tokenizer())
    drawn = random_groups(4)
    fixed = {"prompt": "a", "response_0": "b", "response_1": "c", "reward_0": 0.0, "reward_1": 1.0}
    fixed |= {"finish_0": "stop", "finish_1": "stop", "reward_diff": 1.0, "reward_scale": 2.0}
    pairs = [
        {"pair": row, "prompt_id": IDS[row], "z": int(group.target), **fixed}
        | {"prompt_tokens": group.prompt_tokens}
        | {f"tokens_{k}": tokens for k, tokens in enumerate(group.responses)}
        for row, group in enumerate(drawn)
    ]
    samples = [
        {"group": row, "prompt_id": IDS[row], "prompt": "a", "prompt_tokens": group.prompt_tokens}
        | {
            "responses": [
                {"text": "b", "tokens": one, "finish": "stop", "reward": float(len(one))}
                for one in group.responses
            ]
        }
        for row, group in enumerate(drawn)
    ]
    prompts = [{"prompt_id": IDS[row], "prompt": "abcd"[: row + 1]} for row in range(4)]
    for name, rows in {"pairs": pairs, "samples": samples, "prompts": prompts}.items():
        store.write_jsonl(tmp_path / f"{name}.jsonl", rows)
    logps = {"logps": tmp_path / "logps.parquet"}
    inputs = {
        "responses": [tmp_path / "samples.jsonl"],
        "reference": tmp_path / "reference/manifest.json",
        "adapters": [],
    }
    spec = {"batch_size": 8, "precision": "none", "first": None}
    compute_reference_logps.main(Job(inputs, logps, logps, spec))
    made_up.record(logps["logps"])
    return tmp_path


def trained(world, name: str, chosen: TrainingOptions, earlier=()) -> list[dict]:
    (world / name).mkdir()
    files = {"manifest": "manifest.json", "metrics": "metrics.jsonl", "link": "link.json"}
    outputs = {key: world / name / file for key, file in files.items()}
    inputs = {
        "data": world / "pairs.jsonl",
        "logps": world / "logps.parquet",
        "reference": world / "reference/manifest.json",
        "adapters": [world / one / "manifest.json" for one in earlier],
    }
    spec = {
        "prompt_format": "raw",
        "seed": 0,
        "objective": "prefgrid.objectives.dpo",
        "options": {},
        "training": asdict(chosen),
    }
    train_policy.main(Job(inputs, outputs, outputs, spec))
    return store.read_jsonl(outputs["metrics"])


def evaluated(world, name: str, table: bool = True) -> tuple[pd.DataFrame, ...]:
    """(samples, indices) of the policy in the folder."""
    (world / f"{name}_evaluated").mkdir(exist_ok=True)
    outputs = {
        key: world / f"{name}_evaluated" / f"{key}.{form}"
        for key, form in {"evaluation": "csv", "samples": "parquet", "indices": "parquet"}.items()
    }
    inputs = {
        "policy": world / name / "manifest.json",
        "reference": world / "reference/manifest.json",
        "judge": None,
        "adapters": [],
        "link": world / name / "link.json",
        "preferences": world / "pairs.jsonl",
        "prompts": world / "prompts.jsonl",
        "reference_rewards": world / "samples.jsonl",
        "reference_logps": world / "logps.parquet" if table else None,
    }
    spec = {
        "columns": [["method", "dpo"]],
        "truth": None,
        "evaluation": {
            "prompts": 4,
            "samples": 2,
            "max_new_tokens": 6,
            "temperature": 1.0,
            "beta_grid": [0.5, 1.0, 2.0],
            "batch_rows": 100,
            "index_pairs_per_prompt": 1,
            "seed": 0,
        },
        "judge": __name__,
        "options": {},
        "prompt_format": "raw",
        "precision": "none",
        "batch_size": 8,
    }
    evaluate_policy.main(Job(inputs, outputs, outputs, spec))
    return tuple(pd.read_parquet(outputs[key]) for key in ("samples", "indices"))


def test_an_adapter_merged_into_a_full_policy_has_the_same_evaluation(world):
    trained(world, "adapter", options(lora=LORA))
    (world / "merged").mkdir()
    (world / "merged/link.json").write_bytes((world / "adapter/link.json").read_bytes())
    merged = load_stack(world / "reference", [world / "adapter"])
    save_model(world / "merged", merged, tiny_tokenizer())
    expected = evaluated(world, "adapter")
    for table in (True, False):
        samples, indices = evaluated(world, "merged", table)
        exact = ["beta", "prompt_id", "sample", "reward", "length_tokens", "finish", "response"]
        pd.testing.assert_frame_equal(samples[exact], expected[0][exact])
        pd.testing.assert_frame_equal(samples, expected[0], atol=1e-4, rtol=1e-3)
        pd.testing.assert_frame_equal(indices, expected[1], atol=1e-4, rtol=1e-3)
    assert expected[0]["kl_nats"].max() > 1e-2 and indices["index_nats"].abs().max() > 1e-2


def test_a_full_policy_starts_at_its_reference_and_is_a_model_of_its_own(world):
    """Step 0: t = 0. The folder is a model with its tokenizer, whose log-ratios are the training's."""
    rows = trained(world, "full", options())
    assert rows[0]["loss"] == pytest.approx(math.log(2), abs=1e-5) and rows[0]["index_sd"] < 1e-4
    assert set(store.read_json(world / "full/manifest.json")) == {
        *("model.safetensors", "config.json", "generation_config.json"),
        *("tokenizer.json", "tokenizer_config.json", "metrics.jsonl", "link.json"),
        "README.md",
    }
    policy, reference = load_causal_lm(world / "full"), load_causal_lm(world / "reference")
    groups = random_groups(4)
    ratios = logps_of(policy, groups) - logps_of(reference, groups)
    _, indices = evaluated(world, "full")
    expected = ratios[:, 1] - ratios[:, 0]
    np.testing.assert_allclose(indices["index_nats"], expected, atol=1e-4)
    assert expected.abs().max() > 0.1
    changed = {
        name
        for name, weight in policy.named_parameters()
        if not torch.equal(weight, reference.get_parameter(name))
    }
    assert changed == {name for name, _ in policy.named_parameters()}


def test_a_policy_on_a_full_policy_starts_at_it(world):
    trained(world, "first", options())
    groups = random_groups(4)
    start = load_policy(world / "reference", options(), seed=0, adapters=[world / "first"])
    first = logps_of(load_causal_lm(world / "first"), groups)
    assert torch.equal(logps_of(start, groups), first)
    on_top = load_policy(
        world / "reference", options(lora=LORA), seed=0, adapters=[world / "first"]
    )
    assert torch.equal(logps_of(on_top, groups), first)
    save_adapter(world / "second", on_top)
    assert torch.equal(
        logps_of(load_stack(world / "reference", [world / "first", world / "second"]), groups),
        first,
    )


def test_under_autocast_a_full_policy_makes_its_reference_table_itself(world, monkeypatch):
    """In bfloat16 the table of float32, or of weights in halves, is rounded otherwise than the policy."""
    save_model(world / "base", tiny_model(factor=9.0), tiny_tokenizer())
    groups = random_groups(8)
    longer = [
        type(group)(group.prompt_tokens, [8 * one for one in group.responses], group.target)
        for group in groups
    ]
    table = logps_of(load_causal_lm(world / "base"), longer)
    starts = []
    for rough in (False, True):
        if rough:
            monkeypatch.setattr("prefgrid.training.loop.own_table", lambda forward, table: table)
        chosen = options(precision="bf16", batch_size=8, micro_batch_size=8)
        result = train(
            PolicyForward(load_policy(world / "base", chosen, seed=0), longer, chosen, PAD),
            base.create("dpo", {}, chosen.schedule(8, 0)),
            metrics_path=None,
            failure_path=world / "failure.json",
            reference_logps=table,
        )
        starts.append(result.metrics[0]["index_sd"])
    own, others = starts
    assert own < MAX_START_SD_NATS / 2 < 5 * MAX_START_SD_NATS < others
