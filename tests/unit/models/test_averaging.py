"""The average of all iterates: the plain mean of their merged weights, as a policy like any other."""

import peft
import pytest
import tiny_policies
import torch
from tiny_decoders import randomised
from tiny_families import tiny_decoder
from tiny_policies import REFERENCE, STUDY
from tiny_policy import LORA, logps_of, random_groups, tiny_model, tiny_tokenizer
from transformers import AutoModelForCausalLM

from prefgrid.files import store
from prefgrid.job.jobs import Job
from prefgrid.models import averaging, checking
from prefgrid.models.loading import (
    AVERAGE,
    add_lora,
    is_adapter,
    is_average,
    load_adapter,
    load_causal_lm,
    load_stack,
    save_adapter,
    save_model,
)
from prefgrid.run import execution
from steps import average_policies, export_policy

OTHER = {"rank": 2, "alpha": 6, "dropout": 0.0, "targets": ["q_proj", "down_proj"]}


def plain_mean(reference, policies) -> dict[str, torch.Tensor]:
    """Of the merged iterates' weights, each by peft alone, in float64."""
    model, iterates = AutoModelForCausalLM.from_pretrained(reference), []
    for policy in policies:
        if is_adapter(policy):
            model = peft.PeftModel.from_pretrained(model, policy).merge_and_unload()
        else:
            model = AutoModelForCausalLM.from_pretrained(policy)
        weights = model.named_parameters()
        iterates.append({name: weight.detach().double().clone() for name, weight in weights})
    return {name: sum(one[name] for one in iterates) / len(iterates) for name in iterates[0]}


def assert_weights(model, expected):
    weights = dict(model.named_parameters())
    assert weights.keys() == expected.keys()
    for name, weight in weights.items():
        torch.testing.assert_close(weight.detach().double(), expected[name], rtol=1e-5, atol=1e-6)


def adapters(root, *loras, family=None):
    model = tiny_model(vocab_size=258) if family is None else tiny_decoder(family, vocab_size=258)
    save_model(root / "reference", model, tiny_tokenizer())
    policies = []
    for number, lora in enumerate(loras):
        stack = load_stack(root / "reference", policies)
        policy = randomised(add_lora(stack, **lora, seed=number), 0.1 * (number + 1))
        policies.append(root / f"policy {number}")
        save_adapter(policies[-1], policy)
    return root / "reference", policies


@pytest.mark.parametrize("count", [1, 2, 3])
def test_of_adapters_it_is_one_on_the_bare_reference_with_the_mean_of_merged_weights(
    tmp_path, count
):
    """Also where ranks, scalings and layers differ."""
    reference, policies = adapters(tmp_path, *[LORA, OTHER, {**LORA, "rank": 3}][:count])
    mean = averaging.averaged(reference, policies)
    config = mean.peft_config["default"]
    assert config.r == config.lora_alpha == [4, 6, 9][count - 1]
    assert_weights(mean.merge_and_unload(), plain_mean(reference, policies))
    if count == 1:
        [policy] = policies
        groups = random_groups(8)
        was = logps_of(load_adapter(load_causal_lm(reference), policy).eval(), groups)
        found = logps_of(averaging.averaged(reference, policies), groups)
        torch.testing.assert_close(found, was, rtol=0, atol=1e-4)


def test_of_a_model_of_other_layers_it_is_the_same(tmp_path):
    reference, policies = adapters(tmp_path, LORA, LORA, family="gpt2")
    mean = averaging.averaged(reference, policies)
    assert isinstance(mean, peft.PeftModel)
    assert_weights(mean.merge_and_unload(), plain_mean(reference, policies))


def test_of_adapters_that_are_more_than_plain_lora_it_is_a_whole_model(tmp_path):
    reference, [one] = adapters(tmp_path, LORA)
    config = peft.LoraConfig(r=2, use_dora=True, target_modules=["q_proj"], task_type="CAUSAL_LM")
    policy = randomised(peft.get_peft_model(load_stack(reference, [one]), config), 0.1)
    save_adapter(tmp_path / "dora", policy)
    mean = averaging.averaged(reference, [one, tmp_path / "dora"])
    assert not isinstance(mean, peft.PeftModel)
    assert_weights(mean, plain_mean(reference, [one, tmp_path / "dora"]))


@pytest.mark.parametrize("count", [1, 3])
def test_of_whole_models_it_is_the_mean_of_their_weights(tmp_path, count):
    reference, _ = adapters(tmp_path)
    policies = [tmp_path / f"whole {number}" for number in range(count)]
    for number, folder in enumerate(policies):
        save_model(folder, tiny_model(seed=number + 5, vocab_size=258), tiny_tokenizer())
    mean = averaging.averaged(reference, policies)
    assert_weights(mean, plain_mean(reference, policies))
    if count == 1:
        only = load_causal_lm(policies[0]).state_dict()
        assert all(torch.equal(only[name], weight) for name, weight in mean.state_dict().items())


def test_a_mix_of_both_kinds_is_refused(tmp_path):
    reference, [one] = adapters(tmp_path, LORA)
    save_model(tmp_path / "whole", tiny_model(seed=5, vocab_size=258), tiny_tokenizer())
    with pytest.raises(ValueError, match=r"/whole: whole models among adapters .* allowed: "):
        averaging.averaged(reference, [one, tmp_path / "whole"])


@pytest.fixture
def policies(tmp_path, monkeypatch):
    """Folders of two iterates, below the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(execution.WORK_VARIABLE, str(tmp_path / "work"))
    tiny_policies.make_reference()
    cells = ["method=dpo/seed=0/iteration=1", "method=dpo/seed=0/iteration=2"]
    return [
        tiny_policies.train(cell, stack=tuple(cells[:number])) for number, cell in enumerate(cells)
    ]


def test_the_script_s_folder_is_a_policy_s(policies):
    """An adapter that names its base, beside tokenizer and card, which plain peft loads."""
    folder = STUDY / "averages/method=dpo/seed=0/average=2"
    folder.mkdir(parents=True)
    inputs = {
        "policies": [policy / "manifest.json" for policy in policies],
        "reference": REFERENCE / "manifest.json",
    }
    outputs = {"manifest": folder / "manifest.json"}
    average_policies.main(Job(inputs, outputs, outputs, {}))
    checking.check_files(folder)
    assert is_average(folder) and not is_average(policies[1])
    assert store.read_json(folder / AVERAGE) == {"policies": list(map(str, policies))}
    listed = store.read_json(outputs["manifest"])
    assert listed.keys() == {path.name for path in folder.iterdir()} - {"manifest.json"}
    card = (folder / "README.md").read_text()
    assert f"the mean of `{policies[0]}`, `{policies[1]}`" in card
    assert "# dpo: method dpo, seed 0, average 2" in card and "merged into it" not in card
    found = peft.AutoPeftModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    assert_weights(found.merge_and_unload(), plain_mean(REFERENCE, policies))


def test_exported_it_is_one_model_with_the_mean_of_merged_weights(policies):
    average = "method=dpo/seed=0/average=2"
    folder, exported = STUDY / "averages" / average, STUDY / "exports" / average
    folder.mkdir(parents=True)
    exported.mkdir(parents=True)
    reference = REFERENCE / "manifest.json"
    made = {"manifest": folder / "manifest.json"}
    own = {"policies": [policy / "manifest.json" for policy in policies], "reference": reference}
    average_policies.main(Job(own, made, made, {}))
    names = {"weights": "model.safetensors", "config": "config.json"}
    names |= {"tokenizer": "tokenizer.json", "manifest": "manifest.json"}
    outputs = {name: exported / file for name, file in names.items()}
    inputs = {"policy": made["manifest"], "reference": reference, "adapters": []}
    export_policy.main(Job(inputs, outputs, outputs, {"prompt_format": "chat"}))
    found = AutoModelForCausalLM.from_pretrained(exported)
    assert_weights(found, plain_mean(REFERENCE, policies))
    card = (exported / "README.md").read_text()
    assert "# dpo: method dpo, seed 0, average 2" in card and f"`{folder}`, merged" in card
