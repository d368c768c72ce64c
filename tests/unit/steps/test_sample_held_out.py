"""Held-out samples of iterates, of the base and of an average: what each row says, and kills."""

import json
import sys
from pathlib import Path

import pytest
import tiny_policies
import torch
from tiny_policies import REFERENCE, STUDY
from tiny_policy import tiny_model
from transformers import AutoModelForCausalLM

from prefgrid.files import reading, records, store
from prefgrid.models.loading import add_lora, load_stack, save_adapter, save_model
from prefgrid.run import execution
from prefgrid.sampling import measured
from steps import average_policies, sample_held_out

CELLS = ("method=dpo/seed=0/iteration=1", "method=dpo/seed=0/iteration=2")
AVERAGE = "results/toy/averages/method=dpo/seed=0/average=2/manifest.json"
SPEC = {
    "prompts": 3,
    "asked_by": "self_play.evaluation.prompts",
    "samples": 2,
    "noise": {"purpose": "self play by 1", "seed": 4},
    "decoding": {"max_new_tokens": 6, "temperature": 1.0, "batch_rows": 2},
    "prompt_format": "chat",
    "precision": "none",
}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The folder of a run with two iterates and their average."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(execution.WORK_VARIABLE, str(tmp_path / "work"))
    tiny_policies.make_reference()
    for number, cell in enumerate(CELLS):
        tiny_policies.train(cell, stack=CELLS[:number])
    prompts = [{"prompt_id": f"{n:016x}", "prompt": "abcd"[: n + 1]} for n in range(4)]
    store.write_jsonl("prompts.jsonl", prompts)
    average(monkeypatch, *map(policy, CELLS))
    return monkeypatch


def policy(cell: str) -> str:
    return str(STUDY / "policies" / cell / "manifest.json")


def job(monkeypatch, script, spec, **paths):
    words = [f"{script.__name__.rpartition('.')[2]}.py", "--spec", json.dumps(spec)]
    for name, values in paths.items():
        words += [f"--{name}", *values]
    monkeypatch.setattr(sys, "argv", words)
    declared = {
        average_policies: (("policies*", "reference"), ("manifest",)),
        sample_held_out: (("prompts", "reference", "adapters**", "policy?"), ("samples",)),
    }[script]
    script.jobs.run(script.main, inputs=declared[0], outputs=declared[1])


def average(monkeypatch, *policies, place=AVERAGE):
    job(
        monkeypatch,
        average_policies,
        {},
        policies=policies,
        reference=[str(REFERENCE / "manifest.json")],
        manifest=[place],
    )


def sampled(monkeypatch, adapters=(), policies=(), place="out", **changes):
    files = {"prompts": ["prompts.jsonl"], "reference": [str(REFERENCE / "manifest.json")]}
    path = f"{place}/samples.jsonl"
    monkeypatch.setenv(execution.WORK_VARIABLE, f"work of {place}")
    job(
        monkeypatch,
        sample_held_out,
        {**SPEC, **changes},
        **files,
        adapters=adapters,
        policy=policies,
        samples=[path],
    )
    return reading.read_jsonl(path, records.Group, key="prompt_id")


@torch.no_grad()
def log_probs(model, row, response):
    text = row["prompt_tokens"] + response["tokens"]
    logits = model(input_ids=torch.tensor([text]), use_cache=False).logits[0]
    return logits[len(row["prompt_tokens"]) - 1 : -1].double().log_softmax(-1)


def assert_teacher_forced(rows, model, references):
    assert [len(row["responses"]) for row in rows] == [2, 2, 2]
    for row in rows:
        for response in row["responses"]:
            own = log_probs(model, row, response)
            entropy = -(own.exp() * own).sum().item()
            assert response["entropy_nats"] == pytest.approx(entropy, rel=1e-4)
            assert list(response["kl_nats"]) == list(references)
            for name, reference in references.items():
                kl = (own.exp() * (own - log_probs(reference, row, response))).sum().item()
                assert kl > 1e-3
                assert response["kl_nats"][name] == pytest.approx(kl, rel=1e-3, abs=1e-5)


def test_each_policy_is_measured_against_what_came_before_it(run):
    base = AutoModelForCausalLM.from_pretrained(REFERENCE)
    one, two = (
        load_stack(REFERENCE, [Path(policy(cell)).parent for cell in CELLS[:count]])
        for count in (1, 2)
    )
    rows = sampled(run)
    assert_teacher_forced(rows, base, {})
    assert [(row["group"], row["prompt"]) for row in rows] == [(0, "a"), (1, "ab"), (2, "abc")]
    rows = sampled(run, [], [policy(CELLS[0])])
    assert_teacher_forced(rows, one, {"base": base, "previous": base})
    rows = sampled(run, [policy(CELLS[0])], [policy(CELLS[1])])
    assert_teacher_forced(rows, two, {"base": base, "previous": one})
    mean = AutoModelForCausalLM.from_pretrained(REFERENCE)
    with torch.no_grad():
        for name, weight in mean.named_parameters():
            weight.copy_((one.get_parameter(name) + two.get_parameter(name)) / 2)
    assert_teacher_forced(sampled(run, [], [AVERAGE]), mean, {"base": base})


def test_a_policy_of_all_weights_is_measured_against_the_stack_beside_it(run):
    one = load_stack(REFERENCE, [Path(policy(CELLS[0])).parent])
    whole = AutoModelForCausalLM.from_pretrained(REFERENCE)
    with torch.no_grad():
        for weight in whole.parameters():
            weight.mul_(1.1)
    save_model("whole", whole, tiny_policies.tiny_tokenizer())
    base = AutoModelForCausalLM.from_pretrained(REFERENCE)
    rows = sampled(run, [policy(CELLS[0])], ["whole/manifest.json"])
    assert_teacher_forced(rows, whole, {"base": base, "previous": one})


def test_noise_is_keyed_by_purpose_prompt_and_sample(run):
    def tokens(**changes):
        return [[one["tokens"] for one in row["responses"]] for row in sampled(run, **changes)]

    found = tokens()
    assert len({tuple(one) for group in found for one in group}) == 6
    assert tokens(samples=1) == [group[:1] for group in found]
    assert tokens(prompts=2) == found[:2]
    assert tokens(noise={"purpose": "self play by 2", "seed": 4}) != found


def test_killed_and_continued_it_gives_the_same_bytes(run):
    """Killed in its last batch, and not sampling the others again."""
    words = [policy(CELLS[0])], [policy(CELLS[1])]
    sampled(run, *words, place="quiet")
    decode, calls = measured.decode, []

    def killed(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return decode(*arguments)

    run.setattr(measured, "decode", killed)
    with pytest.raises(KeyboardInterrupt):
        sampled(run, *words, place="killed")
    assert not Path("killed/samples.jsonl").exists()
    sampled(run, *words, place="killed")
    assert len(calls) == 4
    quiet, continued = (Path(name, "samples.jsonl").read_bytes() for name in ("quiet", "killed"))
    assert quiet == continued


@pytest.mark.parametrize("alone", [[], [AVERAGE]], ids=["base", "average"])
def test_adapters_of_what_goes_on_the_bare_reference_are_refused(run, capsys, alone):
    with pytest.raises(SystemExit):
        sampled(run, [policy(CELLS[0])], alone)
    assert "allowed: no adapters for the base and for an average" in capsys.readouterr().err


def test_an_adapter_of_another_base_is_refused_by_its_folder(run, capsys):
    """As an earlier iterate, as the policy itself, and in an average."""
    other = STUDY / "policies" / "of another base"
    save_adapter(other, add_lora(tiny_model(hidden_size=16), **tiny_policies.LORA, seed=0))
    stranger, own = str(other / "manifest.json"), policy(CELLS[0])
    for work in (
        lambda: sampled(run, [stranger], [own]),
        lambda: sampled(run, [own], [stranger]),
        lambda: average(run, own, stranger, place="results/toy/averages/other/manifest.json"),
    ):
        with pytest.raises(SystemExit):
            work()
        assert f"{other}: the adapter does not fit the model of " in capsys.readouterr().err


def test_more_prompts_than_the_pool_has_are_refused_by_the_config_s_key(run, capsys):
    with pytest.raises(SystemExit):
        sampled(run, prompts=5)
    assert "self_play.evaluation.prompts: the pool holds 4 prompts" in capsys.readouterr().err
