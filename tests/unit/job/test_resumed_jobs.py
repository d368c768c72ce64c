"""Sampling and scoring jobs that were interrupted: nothing is computed twice, no byte differs."""

from collections.abc import Callable
from pathlib import Path

import pandas
import pytest
import torch
from tiny_policy import VOCABULARY, scale_up, tiny_model, tiny_tokenizer
from transformers import Qwen3ForSequenceClassification

from prefgrid import chat
from prefgrid.evaluation.held_out import HeldOutPairs
from prefgrid.files import store
from prefgrid.job import jobs
from prefgrid.judges.scalar import ScalarRewardModel
from prefgrid.models import loading
from prefgrid.run import execution
from prefgrid.sampling import transformers_backend
from steps import (
    compute_reference_logps,
    sample_reference,
    sample_responses,
    score_reference,
    score_responses,
)

PAIRS, SHARDS = 7, 3
GENERATION = {"max_new_tokens": 6, "temperature": 1.0, "top_p": 1.0}
REWARD = {"max_tokens": 200, "batch_size": 2, "precision": "none"}
EVALUATION = {"max_new_tokens": 6, "temperature": 1.0, "prompts": 5, "seed": 9}
SCORING = {"prompts": 5, "batch_rows": 6, "index_pairs_per_prompt": 1}
COMMON = {"prompt_format": "raw", "precision": "none"}
# script → (spec, inputs, outputs, where its expensive step is looked up, calls that a run makes).
SCRIPTS = {
    sample_responses: (
        {"seed": 0, "shard": 1, "pairs": 20, **COMMON}
        | {"generation": GENERATION | {"batch_rows": 4, "shards": 3}},
        ("prompts", "reference"),
        ("responses",),
        (transformers_backend, "decode"),
        4,
    ),
    score_responses: (
        {"seed": 0, "reward": REWARD, "prompt_format": "raw"},
        ("responses", "reward"),
        ("rewards",),
        (ScalarRewardModel, "score"),
        SHARDS,
    ),
    compute_reference_logps: (
        {"batch_size": 2, "precision": "none"},
        ("responses", "reference"),
        ("logps",),
        (compute_reference_logps, "dataset_logps"),
        SHARDS,
    ),
    sample_reference: (
        {"evaluation": EVALUATION | {"batch_rows": 6, "reference_samples": 3}, **COMMON},
        ("prompts", "reference"),
        ("responses",),
        (transformers_backend, "decode"),
        3,
    ),
    score_reference: (
        {"evaluation": SCORING, "reward": REWARD, "batch_size": 2, **COMMON},
        ("reference_responses", "prompts", "reference", "reward"),
        ("samples", "logps"),
        (ScalarRewardModel, "score"),
        3,
    ),
}


class Killed(BaseException):
    """Like a signal, nothing in a script catches it."""


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path | list[Path]]:
    """Prompts, three shards of responses, a reference and a reward model."""
    folder = tmp_path_factory.mktemp("files")
    tokenizer = tiny_tokenizer()
    reference = tiny_model(vocab_size=len(tokenizer), eos_token_id=tokenizer.eos_token_id)
    reward = Qwen3ForSequenceClassification(reference.config)
    reward.config.num_labels = 1
    reward = scale_up(Qwen3ForSequenceClassification(reward.config), 6.0)
    for name, model in {"reference": reference, "reward": reward}.items():
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
        store.write_json(folder / name / "manifest.json", {})
    prompts = [{"prompt_id": f"{i:016x}", "prompt": "why " * (i % 5 + 1)} for i in range(20)]
    store.write_jsonl(folder / "prompts.jsonl", prompts)
    draw = torch.Generator().manual_seed(0)
    shards = [folder / f"shard={shard}" / "responses.jsonl" for shard in range(SHARDS)]
    for shard, path in enumerate(shards):
        rows = range(shard * PAIRS // SHARDS, (shard + 1) * PAIRS // SHARDS)
        store.write_jsonl(path, [response_row(pair, prompts[pair], draw) for pair in rows])
    samples = [
        {"prompt_id": row["prompt_id"], "sample": k, **sampled(k + 2, draw)}
        for row in prompts[: SCORING["prompts"]]
        for k in range(3)
    ]
    store.write_parquet(folder / "reference.parquet", pandas.DataFrame(samples))
    return {
        "reference_responses": folder / "reference.parquet",
        "prompts": folder / "prompts.jsonl",
        "responses": shards,
        "reference": folder / "reference" / "manifest.json",
        "reward": folder / "reward" / "manifest.json",
    }


def response_row(pair: int, prompt: dict[str, str], draw: torch.Generator) -> dict:
    row = {"pair": pair, **prompt, "prompt_tokens": [5] * (pair + 1)}
    for k in range(2):
        row[f"tokens_{k}"] = torch.randint(5, VOCABULARY, (3 + pair,), generator=draw).tolist()
        row |= {f"response_{k}": "so " * (pair + k), f"finish_{k}": "length"}
    return row


def sampled(tokens: int, draw: torch.Generator) -> dict:
    drawn = torch.randint(5, VOCABULARY, (tokens,), generator=draw).tolist()
    text = {"response": "so " * tokens, "finish": "length"}
    return {"length_tokens": tokens, "tokens": drawn, **text}


class Step:
    """A script's expensive step, counted; it is killed in its n-th call if asked to."""

    def __init__(self, compute: Callable, killed_in: int | None) -> None:
        self.compute, self.killed_in, self.finished = compute, killed_in, 0

    def __call__(self, *words, **named):
        if self.finished == self.killed_in:
            raise Killed
        value = self.compute(*words, **named)
        self.finished += 1
        return value


def run(script, files, folder: Path, killed_in: int | None = None) -> int:
    """Run a script's main; the number of expensive steps that it finished."""
    spec, inputs, outputs, (owner, name), _ = SCRIPTS[script]
    folder.mkdir(exist_ok=True)
    outputs = {output: folder / output for output in outputs}
    # Scripts call different files their responses.
    found = {name.removeprefix("reference_"): files[name] for name in inputs}
    job = jobs.Job(found, outputs, outputs, spec)
    with pytest.MonkeyPatch.context() as patch:
        step = Step(getattr(owner, name), killed_in)
        # A method must stay one that binds its object.
        patch.setattr(owner, name, lambda *words, **named: step(*words, **named))
        if killed_in is None:
            script.main(job)
        else:
            with pytest.raises(Killed):
                script.main(job)
    return step.finished


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_an_interrupted_job_ends_as_an_undisturbed_one_and_computes_nothing_twice(
    script, files, tmp_path, monkeypatch
):
    monkeypatch.delenv(execution.WORK_VARIABLE, raising=False)
    *_, outputs, _, calls = SCRIPTS[script]
    assert run(script, files, tmp_path / "quiet") == calls
    done = run(script, files, tmp_path / "killed", killed_in=1)
    done += run(script, files, tmp_path / "killed", killed_in=1)
    assert done == 2
    assert not any((tmp_path / "killed" / output).exists() for output in outputs)
    assert done + run(script, files, tmp_path / "killed") == calls
    for output in outputs:
        quiet, killed = (tmp_path / name / output for name in ("quiet", "killed"))
        assert quiet.read_bytes() == killed.read_bytes()


def test_log_probabilities_of_the_reference_samples_are_kept_too(files, tmp_path, monkeypatch):
    monkeypatch.delenv(execution.WORK_VARIABLE, raising=False)
    *rest, _, calls = SCRIPTS[score_reference]
    writing = (store, "write_parquet")
    monkeypatch.setitem(SCRIPTS, score_reference, (*rest, writing, calls))
    assert run(score_reference, files, tmp_path, killed_in=0) == 0
    monkeypatch.delattr(HeldOutPairs, "logps")
    assert run(score_reference, files, tmp_path) == 2


def test_the_reference_samples_log_probabilities_are_those_of_the_bare_model(
    files, tmp_path, monkeypatch
):
    """Each response alone, by transformers' own forward."""
    monkeypatch.delenv(execution.WORK_VARIABLE, raising=False)
    run(score_reference, files, tmp_path)
    samples, logps = (pandas.read_parquet(tmp_path / name) for name in ("samples", "logps"))
    folder = files["reference"].parent
    model, tokenizer = loading.load_causal_lm(folder), loading.load_tokenizer(folder)
    prompts = {row["prompt_id"]: row["prompt"] for row in store.read_jsonl(files["prompts"])}
    # The first two of every prompt's three samples are its only pair.
    chosen = samples[samples["sample"] < 2]
    assert len(logps) == 10
    for row, scored in zip(chosen.to_dict("records"), logps.to_dict("records"), strict=True):
        assert [row[name] for name in ("prompt_id", "sample", "length_tokens")] == [
            scored[name] for name in ("prompt_id", "sample", "tokens")
        ]
        prompt = chat.render_prompt(tokenizer, prompts[row["prompt_id"]], "raw")
        tokens = torch.tensor([*prompt, *row["tokens"]])
        with torch.no_grad():
            log_probs = model(tokens[None]).logits[0].log_softmax(-1)
        of_tokens = log_probs[:-1].gather(1, tokens[1:, None])[len(prompt) - 1 :]
        assert scored["logp_sum"] == pytest.approx(of_tokens.sum().item(), abs=1e-3)


@pytest.mark.parametrize("script", [score_responses, compute_reference_logps])
def test_each_shard_s_values_stand_in_its_own_rows(script, files, tmp_path, monkeypatch):
    """Against one shard alone."""
    monkeypatch.delenv(execution.WORK_VARIABLE, raising=False)
    whole = rows_of(script, files, tmp_path / "whole")
    for number, shard in enumerate(files["responses"]):
        alone = rows_of(script, files | {"responses": [shard]}, tmp_path / f"{number}")
        pairs = {row["pair"] for row in alone}
        assert alone == [row for row in whole if row["pair"] in pairs]


def rows_of(script, files, folder: Path) -> list[dict]:
    run(script, files, folder)
    path = folder / SCRIPTS[script][2][0]
    if script is score_responses:
        return store.read_jsonl(path)
    return pandas.read_parquet(path).to_dict("records")
