"""Log-probabilities from the sampling job through its file to an objective that needs them."""

from dataclasses import asdict

import made_up
import pytest
import torch
from tiny_policy import LORA, tiny_model, tiny_tokenizer

from prefgrid.data import groups
from prefgrid.files import store
from prefgrid.job.jobs import Job
from prefgrid.logprobs.sequence import response_logps
from prefgrid.models import loading
from prefgrid.run import execution
from prefgrid.sampling import transformers_backend
from prefgrid.sampling.request import Response
from prefgrid.training.options import TrainingOptions
from steps import compute_reference_logps, sample_responses, train_policy

SAMPLES, PROMPTS = 3, 5
DECODING = {
    "backend": "prefgrid.sampling.transformers_backend",
    **{"max_new_tokens": 6, "temperature": 0.7, "top_p": 0.9, "batch_rows": 6},
}
COMMON = {"prompt_format": "raw", "precision": "none"}


def untold(model, prompts, uniforms, options, keep):
    return [Response([5], "length") for _ in uniforms]


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.delenv(execution.WORK_VARIABLE, raising=False)
    tokenizer = tiny_tokenizer()
    model = tiny_model(vocab_size=len(tokenizer), eos_token_id=tokenizer.eos_token_id)
    model.save_pretrained(tmp_path / "reference")
    tokenizer.save_pretrained(tmp_path / "reference")
    loading.write_manifest(tmp_path / "reference")
    prompts = [{"prompt_id": f"{row:016x}", "prompt": "why " * (row + 1)} for row in range(PROMPTS)]
    store.write_jsonl(tmp_path / "prompts.jsonl", prompts)
    return tmp_path


def sampled(world, name: str, **decoding) -> list[dict]:
    outputs = {"responses": world / f"{name}.jsonl"}
    inputs = {
        "prompts": world / "prompts.jsonl",
        "reference": world / "reference/manifest.json",
        "adapters": [],
    }
    asked = {"pool": PROMPTS, "asked_by": "toy.prompts", "order_seed": None, "groups": PROMPTS}
    spec = {
        "prompts": asked | {"shard": 0, "shards": 1},
        **{"samples": SAMPLES, "noise": {"purpose": "responses", "seed": 0}},
        **{"decoding": DECODING | decoding, **COMMON},
    }
    sample_responses.main(Job(inputs, outputs, outputs, spec))
    return store.read_jsonl(outputs["responses"])


TOLD = ("tests.support.tiny_scores", {})
# Which of its losses needs them is an option, so its NEEDS do not ask.
WMLE = ("prefgrid.objectives.softpo", {"loss": "wmle", "beta": 0.5})


def trained(world, name: str, rows: list[dict], method: tuple = TOLD) -> list[torch.Tensor]:
    """The `sampling_logps` that the objective's training was given."""
    rewards = [float(number % 5) for number in range(SAMPLES * PROMPTS)]
    store.write_jsonl(world / f"{name}.rewards.jsonl", groups.scored(rows, rewards))
    reference = world / "reference/manifest.json"
    responses = {"responses": [world / f"{name}.jsonl"], "reference": reference, "adapters": []}
    logps = {"logps": world / f"{name}.parquet"}
    spec = {"batch_size": 4, "precision": "none", "first": None}
    compute_reference_logps.main(Job(responses, logps, logps, spec))
    made_up.record(logps["logps"])
    (world / name).mkdir()
    files = {"manifest": "manifest.json", "metrics": "metrics.jsonl", "link": "link.json"}
    outputs = {key: world / name / file for key, file in files.items()}
    inputs = {"data": world / f"{name}.rewards.jsonl", **logps}
    inputs |= {"reference": reference, "adapters": []}
    options = TrainingOptions(None, 2, 4, 4, learning_rate=1e-3, lora=LORA)
    spec = {
        "seed": 0,
        "objective": method[0],
        "options": method[1],
        "prompt_format": "raw",
    }
    given = []
    with pytest.MonkeyPatch.context() as patch:
        train = train_policy.train

        def seen(forward, *words, **named):
            given.append(forward.sampling_logps.clone())
            return train(forward, *words, **named)

        patch.setattr(train_policy, "train", seen)
        job = Job(inputs, outputs, outputs, spec | {"training": asdict(options)})
        train_policy.main(job)
    assert len(store.read_jsonl(outputs["metrics"])) == 2
    return given


@pytest.mark.parametrize("method", [TOLD, WMLE])
def test_what_was_sampled_is_what_the_objective_is_given(world, method):
    rows = sampled(world, "told", log_probs=True)
    model = loading.load_causal_lm(world / "reference")
    prompts, tokens = groups.tokens(rows)
    with torch.no_grad():
        own, _ = response_logps(model, prompts, tokens, pad_id=loading.pad_id(tiny_tokenizer()))
    listed = [one for row in rows for one in row["responses"]]
    torch.testing.assert_close(
        torch.tensor([sum(one["token_logps"]) for one in listed]), own, atol=1e-5, rtol=0
    )
    [given] = trained(world, "told", rows, method)
    drawn = torch.tensor([sum(one["sampling_token_logps"]) for one in listed])
    torch.testing.assert_close(given.flatten(), drawn, atol=1e-6, rtol=0)
    assert (given.flatten() - own).abs().min() > 1e-3


def test_a_file_without_them_is_refused_by_name(world):
    rows = sampled(world, "untold")
    assert {tuple(one) for row in rows for one in row["responses"]} == {
        ("text", "tokens", "finish")
    }
    message = r"untold\.rewards\.jsonl, group 0: every response needs 'sampling_token_logps'"
    with pytest.raises(store.DataError, match=message):
        trained(world, "untold", rows)


def test_asking_changes_nothing_else_in_the_file(world):
    told, untold = sampled(world, "told", log_probs=True), sampled(world, "untold")
    for row in told:
        for one in row["responses"]:
            assert len(one.pop("token_logps")) == len(one.pop("sampling_token_logps")) > 0
    assert told == untold


def test_a_backend_that_leaves_them_out_is_named(world, monkeypatch):
    monkeypatch.setattr(transformers_backend, "sample_responses", untold)
    sampled(world, "untold")
    message = (
        r"^prefgrid\.sampling\.transformers_backend gave response 0 without token_logps, which"
    )
    with pytest.raises(ValueError, match=message):
        sampled(world, "told", log_probs=True)
    assert not (world / "told.jsonl").exists()
