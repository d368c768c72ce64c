"""Sampling and scoring jobs that were interrupted: nothing is computed twice, no byte differs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pandas
import pytest
import torch
from tiny_policy import VOCABULARY, scale_up, tiny_model, tiny_tokenizer
from transformers import Qwen3ForSequenceClassification

from prefgrid.data.responses import shard_range
from prefgrid.files import store
from prefgrid.job import jobs
from prefgrid.judges.scalar import ScalarRewardModel
from prefgrid.models import loading
from prefgrid.run import execution
from prefgrid.sampling import measured, transformers_backend
from steps import (
    compare_responses,
    compute_reference_logps,
    sample_held_out,
    sample_responses,
    score_responses,
)

GROUPS, SHARDS = 7, 3
HELD_OUT, SAMPLES = 5, 3
DECODING = {
    "backend": "prefgrid.sampling.transformers_backend",
    "max_new_tokens": 6,
    "temperature": 1.0,
    "top_p": 1.0,
}
JUDGE = {
    "judge": "prefgrid.judges.scalar",
    "options": {"max_tokens": 200, "batch_size": 2, "precision": "none"},
    "prompt_format": "raw",
}
COMMON = {"prompt_format": "raw", "precision": "none"}
DECODE, SCORE = (transformers_backend, "decode"), (ScalarRewardModel, "score")
LOGPS = (compute_reference_logps, "dataset_logps")


class Case(NamedTuple):
    """A script with its spec; inputs: name → key of `files`; step: where its expensive step is
    looked up; calls: of that step, in a whole run."""

    script: Any
    spec: dict
    inputs: dict[str, str]
    output: str
    step: tuple[Any, str]
    calls: int


def sampling(
    prompts: dict, samples: int, seed: int, batch_rows: int, calls: int, **more: object
) -> Case:
    return Case(
        sample_responses,
        {"prompts": prompts, "samples": samples, "noise": {"purpose": "responses", "seed": seed}}
        | {"decoding": DECODING | {"batch_rows": batch_rows} | more, **COMMON},
        {"prompts": "prompts", "reference": "reference"},
        "responses",
        DECODE,
        calls,
    )


def measuring(calls: int) -> Case:
    decoding = {"max_new_tokens": 6, "temperature": 1.0, "batch_rows": 2 * SAMPLES}
    spec = {"prompts": HELD_OUT, "asked_by": "toy.prompts", "samples": SAMPLES, **COMMON}
    spec |= {"noise": {"purpose": "held out", "seed": 0}, "decoding": decoding}
    inputs = {"prompts": "prompts", "reference": "reference"}
    return Case(sample_held_out, spec, inputs, "samples", (measured, "decode"), calls)


def scoring(responses: str, at_once: int | None, calls: int) -> Case:
    inputs = {"responses": responses, "judge": "judge"}
    return Case(score_responses, JUDGE | {"at_once": at_once}, inputs, "rewards", SCORE, calls)


def comparing(at_once: int | None, calls: int) -> Case:
    mock = {"seed": 0, "scale": 1.0, "antisymmetric": False}
    spec = JUDGE | {"judge": "prefgrid.judges.mock", "options": mock, "at_once": at_once}
    inputs, step = {"groups": "held out", "judge": "no model"}, (compare_responses, "matrices")
    return Case(compare_responses, spec, inputs, "matrices", step, calls)


def logps(responses: str, first: int | None, calls: int) -> Case:
    spec = {"batch_size": 2, "precision": "none", "first": first}
    inputs = {"responses": responses, "reference": "reference"}
    return Case(compute_reference_logps, spec, inputs, "logps", LOGPS, calls)


FIRST = {"pool": HELD_OUT, "asked_by": "toy.prompts", "order_seed": None, "groups": HELD_OUT}
CASES = {
    # Groups 6 to 12 of a seed's own order, two prompts a batch.
    "sample a shard": sampling(
        {
            "pool": 20,
            "asked_by": "toy.prompts",
            "order_seed": 0,
            "groups": 20,
            "shard": 1,
            "shards": 3,
        },
        2,
        0,
        4,
        calls=4,
    ),
    # The first five prompts as the pool has them, two a batch.
    "sample held-out prompts": sampling(
        FIRST | {"shard": 0, "shards": 1},
        SAMPLES,
        9,
        6,
        calls=3,
    ),
    "sample with log-probabilities": sampling(
        FIRST | {"shard": 0, "shards": 1},
        *(SAMPLES, 9, 6),
        calls=3,
        temperature=0.7,
        log_probs=True,
    ),
    "sample and measure": measuring(calls=3),
    "score shards": scoring("responses", None, calls=SHARDS),
    # Shards of 3, 6 and 6 responses, 4 at once: 1 + 2 + 2.
    "score a few at once": scoring("held out", 4, calls=5),
    "compare files": comparing(None, calls=SHARDS),
    # Files of 1, 2 and 2 prompts.
    "compare a few at once": comparing(1, calls=HELD_OUT),
    "log-probabilities": logps("responses", None, calls=SHARDS),
    "log-probabilities of the first": logps("held out", 2, calls=SHARDS),
}
SHARDED = [name for name, case in CASES.items() if "responses" in case.inputs]


class Killed(BaseException):
    """Like a signal, nothing in a script catches it."""


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path | list[Path]]:
    """Prompts, shards of responses, a reference and a reward model."""
    folder = tmp_path_factory.mktemp("files")
    tokenizer = tiny_tokenizer()
    reference = tiny_model(vocab_size=len(tokenizer), eos_token_id=tokenizer.eos_token_id)
    reward = Qwen3ForSequenceClassification(reference.config)
    reward.config.num_labels = 1
    reward = scale_up(Qwen3ForSequenceClassification(reward.config), 6.0)
    for name, model in {"reference": reference, "judge": reward}.items():
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
        loading.write_manifest(folder / name)
    prompts = [{"prompt_id": f"{i:016x}", "prompt": "why " * (i % 5 + 1)} for i in range(20)]
    store.write_jsonl(folder / "prompts.jsonl", prompts)
    draw = torch.Generator().manual_seed(0)
    # Training groups of one to three responses; held-out ones of three each.
    counts = {"responses": [i % 3 + 1 for i in range(GROUPS)], "held out": [SAMPLES] * HELD_OUT}
    found = {}
    for name, sizes in counts.items():
        groups = [group(i, prompts[i], size, draw) for i, size in enumerate(sizes)]
        found[name] = [folder / name / f"shard={shard}.jsonl" for shard in range(SHARDS)]
        for shard, path in enumerate(found[name]):
            store.write_jsonl(path, [groups[i] for i in shard_range(len(groups), SHARDS, shard)])
    return found | {
        "prompts": folder / "prompts.jsonl",
        "reference": folder / "reference" / "manifest.json",
        "judge": folder / "judge" / "manifest.json",
        "no model": None,
    }


def group(number: int, prompt: dict[str, str], samples: int, draw: torch.Generator) -> dict:
    def response(k: int) -> dict:
        tokens = torch.randint(5, VOCABULARY, (3 + number + k,), generator=draw).tolist()
        return {"text": "so " * (number + k + 1), "tokens": tokens, "finish": "length"}

    row = {"group": number, **prompt, "prompt_tokens": [5] * (number + 1)}
    return row | {"responses": [response(k) for k in range(samples)]}


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


@pytest.fixture(autouse=True)
def own_work_folders(monkeypatch):
    monkeypatch.delenv(execution.WORK_VARIABLE, raising=False)


def run(case: Case, files, folder: Path, killed_in: int | None = None) -> int:
    """Run a script's main; the number of expensive steps that it finished."""
    folder.mkdir(exist_ok=True)
    outputs = {case.output: folder / case.output}
    given = {name: files[key] for name, key in case.inputs.items()}
    inputs = {"adapters": [], "opponents": [], "policy": None} | given
    job = jobs.Job(inputs, outputs, outputs, case.spec)
    owner, name = case.step
    with pytest.MonkeyPatch.context() as patch:
        step = Step(getattr(owner, name), killed_in)
        # A method must stay one that binds its object.
        patch.setattr(owner, name, lambda *words, **named: step(*words, **named))
        if killed_in is None:
            case.script.main(job)
        else:
            with pytest.raises(Killed):
                case.script.main(job)
    return step.finished


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_an_interrupted_job_ends_as_an_undisturbed_one_and_computes_nothing_twice(
    case, files, tmp_path
):
    assert run(case, files, tmp_path / "quiet") == case.calls
    done = run(case, files, tmp_path / "killed", killed_in=1)
    done += run(case, files, tmp_path / "killed", killed_in=1)
    assert done == 2
    assert not (tmp_path / "killed" / case.output).exists()
    assert done + run(case, files, tmp_path / "killed") == case.calls
    quiet, killed = (tmp_path / name / case.output for name in ("quiet", "killed"))
    assert quiet.read_bytes() == killed.read_bytes()


def test_the_first_responses_log_probabilities_are_those_of_the_bare_model(files, tmp_path):
    """Each response alone, by transformers' own forward; of three responses the first two."""
    run(CASES["log-probabilities of the first"], files, tmp_path)
    table = pandas.read_parquet(tmp_path / "logps").to_dict("records")
    model = loading.load_causal_lm(files["reference"].parent)
    rows = [row for path in files["held out"] for row in store.read_jsonl(path)]
    listed = [(row, k, one) for row in rows for k, one in enumerate(row["responses"][:2])]
    assert len(listed) == 2 * HELD_OUT
    for (row, k, response), scored in zip(listed, table, strict=True):
        prompt, tokens = row["prompt_tokens"], response["tokens"]
        names = ("group", "response", "tokens")
        assert [scored[name] for name in names] == [row["group"], k, len(tokens)]
        both = torch.tensor([*prompt, *tokens])
        with torch.no_grad():
            log_probs = model(both[None]).logits[0].log_softmax(-1)
        of_tokens = log_probs[:-1].gather(1, both[1:, None])[len(prompt) - 1 :]
        assert scored["logp_sum"] == pytest.approx(of_tokens.sum().item(), abs=1e-3)


@pytest.mark.parametrize("name", SHARDED)
def test_each_shard_s_values_stand_in_its_own_rows(name, files, tmp_path):
    """Against one shard alone."""
    case = CASES[name]
    key = case.inputs["responses"]
    whole = rows_of(case, files, tmp_path / "whole")
    seen = 0
    for number, shard in enumerate(files[key]):
        alone = rows_of(case, files | {key: [shard]}, tmp_path / f"{number}")
        groups = {row["group"] for row in alone}
        assert alone == [row for row in whole if row["group"] in groups]
        seen += len(alone)
    assert seen == len(whole)


@pytest.mark.parametrize("key", ["responses", "held out"])
def test_scored_groups_are_the_sampled_ones_with_rewards(key, files, tmp_path):
    case = next(case for case in CASES.values() if case.inputs.get("responses") == key)
    rows = rows_of(case, files, tmp_path)
    for row in rows:
        rewards = [response.pop("reward") for response in row["responses"]]
        assert len(set(rewards)) == len(rewards), "texts differ, and so do their scores"
    assert rows == [row for path in files[key] for row in store.read_jsonl(path)]


def rows_of(case: Case, files, folder: Path) -> list[dict]:
    run(case, files, folder)
    path = folder / case.output
    if case.script is score_responses:
        return store.read_jsonl(path)
    return pandas.read_parquet(path).to_dict("records")
