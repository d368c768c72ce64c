"""The configuration: the shipped files are valid, and every mistake is reported at once."""

import copy
import re
from io import StringIO
from pathlib import Path
from typing import Any

import pandas
import pytest
import yaml
from pandas._libs.parsers import STR_NA_VALUES
from pydantic import TypeAdapter, ValidationError

from prefgrid.config import objectives
from prefgrid.config.fields import Label
from prefgrid.config.merging import merged
from prefgrid.limits import bounds
from prefgrid.plan.load import ConfigError, load

REPOSITORY = Path(__file__).resolve().parents[3]
PRESETS = sorted((REPOSITORY / "presets").glob("*.yaml"))
DELETE = object()
TINY = ("pairwise_judges", "self_play")


DEFAULT = yaml.safe_load((REPOSITORY / "config.yaml").read_text())


def default() -> dict[str, Any]:
    return copy.deepcopy(DEFAULT)


def changed(changes: dict[str, Any]) -> dict[str, Any]:
    """The default config with dotted keys set (or deleted); in the hub world without the studies whose default
    judges know the tiny world's language alone."""
    raw = default()
    if changes.get("world") == "hub":
        raw["studies"] = [one for one in raw["studies"] if one not in TINY]
    for dotted, value in changes.items():
        *parents, last = dotted.split(".")
        place = raw
        for part in parents:
            place = place[part]
        if value is DELETE:
            del place[last]
        else:
            place[last] = value
    return raw


def mistakes(changes: dict[str, Any]) -> list[str]:
    """The lines that name mistakes, and the count above them checked."""
    with pytest.raises(ConfigError) as caught:
        load(changed(changes))
    head, *lines = str(caught.value).splitlines()
    assert head == f"{len(lines)} mistake{'s' * (len(lines) > 1)} in the configuration"
    return [line.strip() for line in lines]


# Those of an objective like DPO.
NEEDS = {"targets": "labels", "responses": 2, "reference_logps": True, "coupled": False}
GRID = "link_robustness"
JUDGE = "judges.reward.options"
DATA = {"source": "owner/data", "revision": "main", "split": "train"}
# A local path, here that of this file, has no revision.
LOCAL = {"source": str(Path(__file__).parent), "revision": None}
HUB = {"models": {"base": LOCAL, "reward": LOCAL}, "dataset": DATA}
# Leaves only DPO to the single-index study, so that other labels concern the language models alone.
ALONE = {"single_index.methods": ["dpo"]}
# Changes of the default config → the one line each must cause.
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "unknown key": (
        {"learning_rate": 1.0},
        r"learning_rate: unknown key; .*allowed: run_name, studies, world, .*",
    ),
    "unknown nested key": (
        {f"{GRID}.evaluation.beta_gird": [1.0]},
        rf"{GRID}.evaluation.beta_gird: unknown key; did you mean 'beta_grid'\? allowed: prompts, .*",
    ),
    "unknown key of a method": (
        {"methods.dpo.option": {}},
        r"methods.dpo.option: unknown key; did you mean 'options'\? "
        r"allowed: objective, options, training",
    ),
    "unknown key of overrides": (
        {"methods.dpo.training": {"learning_rat": 1.0}},
        r"methods.dpo.training.learning_rat: unknown key; did you mean 'learning_rate'\? .*",
    ),
    "missing key": (
        {"world": "hub", "hub": {**HUB, "dataset": {"source": "x", "revision": "main"}}},
        r"hub.dataset.split: missing; it has no default",
    ),
    "missing objective": (
        {"methods.new": {"options": {}}},
        r"methods.new.objective: missing; it has no default",
    ),
    "no seeds": ({f"{GRID}.seeds": []}, rf"{GRID}.seeds: \[\] .*at least 1 item.*"),
    "no shifts": ({f"{GRID}.shifts": []}, rf"{GRID}.shifts: \[\] .*at least 1 item.*"),
    "no methods": ({f"{GRID}.methods": []}, rf"{GRID}.methods: \[\] .*at least 1 item.*"),
    "no betas": (
        {f"{GRID}.evaluation.beta_grid": []},
        rf"{GRID}.evaluation.beta_grid: \[\] .*at least 1 item.*",
    ),
    "n beyond the pool": (
        {f"{GRID}.n": [500, 99999], f"{GRID}.prompts.train": 1500},
        rf"{GRID}.n: 99999 is larger than the training prompt pool; "
        rf"allowed: at most {GRID}.prompts.train = 1500",
    ),
    "too many evaluation prompts": (
        {f"{GRID}.evaluation.prompts": 201, f"{GRID}.prompts.eval": 200},
        rf"{GRID}.evaluation.prompts: 201 is larger than .* = 200",
    ),
    "repeated seed": (
        {f"{GRID}.seeds": [1, 2, 1]},
        rf"{GRID}.seeds: every value may appear once; repeated: \[1\]",
    ),
    "repeated shift, written twice": (
        {f"{GRID}.shifts": [0, 0.0, 4]},
        rf"{GRID}.shifts: every value may appear once; repeated: \[0.0\]",
    ),
    "negative shift": (
        {f"{GRID}.shifts": [0.0, -0.5]},
        rf"{GRID}.shifts.1: -0.5 should be greater than or equal to 0",
    ),
    "negative seed": ({f"{GRID}.seeds": [-1]}, rf"{GRID}.seeds.0: -1 should be .* equal to 0"),
    "beta zero": (
        {f"{GRID}.evaluation.beta_grid": [1.0, 0.0]},
        rf"{GRID}.evaluation.beta_grid.1: 0.0 should be greater than or equal to 0.000001",
    ),
    "negative beta": (
        {f"{GRID}.evaluation.beta_grid": [-1.0]},
        rf"{GRID}.evaluation.beta_grid.0: -1.0 should be greater than or equal to 0.000001",
    ),
    "infinite beta": (
        {f"{GRID}.evaluation.beta_grid": [float("inf")]},
        rf"{GRID}.evaluation.beta_grid.0: inf should be a finite number",
    ),
    "unknown objective": (
        {"methods.pspo.objective": "psop"},
        r"methods.pspo.objective: unknown objective 'psop'; did you mean 'pspo'\? allowed: cdpo, dpo, .*",
    ),
    "unknown dotted objective": (
        {"methods.pspo.objective": "no_such_package.loss"},
        r"methods.pspo.objective: unknown objective 'no_such_package.loss': no such .*",
    ),
    "objective that does not fit": (
        {"methods.rspo.objective": "sft", **ALONE},
        rf"{GRID}.methods: 'rspo' needs none on any number of responses; this study offers labels on 2",
    ),
    "unknown option": (
        {"methods.dpo.options": {"beta_trian": 1.0}},
        r"methods.dpo: objective 'dpo': no option 'beta_trian'; did you mean 'beta_train'\? .*",
    ),
    "option of the wrong type": (
        {"methods.dpo.options": {"beta_train": "1e-1"}},
        r"methods.dpo: objective 'dpo': option beta_train = '1e-1'; allowed: a number in \[1e-6, 1e6\]",
    ),
    "bool for a number": (
        {"methods.dpo.options": {"beta_train": True}},
        r"methods.dpo: objective 'dpo': option beta_train = True; allowed: a number in \[1e-6, 1e6\]",
    ),
    "option out of its bound": (
        {"methods.pspo.options": {"bandwidth": -1}},
        r"methods.pspo: objective 'pspo': option bandwidth = -1; allowed: a number in \[1e-4, 1e4\]",
    ),
    "null where there is no such thing": (
        {"methods.dpo.options": {"beta_train": None}},
        r"methods.dpo: objective 'dpo': option beta_train = None; allowed: a number in \[1e-6, 1e6\]",
    ),
    "two options at once": (
        {"methods.pspo.options": {"smoother": "foo", "link_share": 1.0}},
        r"methods.pspo: objective 'pspo': option smoother = 'foo'; allowed: gaussian_cdf, "
        r"knot_softmax, knot_linear; option link_share = 1.0; allowed: a number in \[0, 0.9\]",
    ),
    "warm start that never ends": (
        {"methods.pspo.training": {"epochs": 1}},
        r"methods.pspo: at n = 400 the warm start \(warm_start_epochs 1\) takes 13 of 13 optimizer "
        r"steps, .*; allowed: longer training .*",
    ),
    # 400 pairs are 13 steps an epoch, 1000 are 32: 32 steps of training are too few for these only.
    "warm start that never ends at the largest n": (
        {"methods.ospo.training": {"epochs": None, "max_steps": 32}},
        r"methods.ospo: at n = 1000 the warm start .* takes 32 of 32 optimizer steps, .*",
    ),
    "an optimizer that is not there": (
        {"methods.rspo.training": {"optimizer": "adam"}},
        r"methods.rspo.training.optimizer: .*'adam'.*'adamw', 'adafactor', 'sgd' or 'rmsprop'.*",
    ),
    "fp16 of a method on a CPU": (
        {"methods.dpo.training": {"precision": "fp16"}},
        r"methods.dpo.training.precision: fp16 needs a GPU: set execution.gpus_per_job .*",
    ),
    "fp16 of the reward model on a CPU": (
        {f"{JUDGE}.precision": "fp16"},
        rf"{JUDGE}.precision: fp16 needs a GPU: .*; allowed without: none, bf16",
    ),
    "more devices than pairs in a step": (
        {"execution.gpus_per_job": 4, "methods.dpo.training": {"batch_size": 3}},
        r"methods.dpo.training.batch_size: 3 leaves devices without work; allowed: at least "
        r"execution.gpus_per_job = 4",
    ),
    # A loss over pairs of groups of a step: alone, a group has no loss and nothing is learned.
    "one group in the step of a loss that compares groups": (
        {"methods.rspo.training": {"batch_size": 1, "micro_batch_size": 1}},
        r"methods.rspo.training.batch_size: 1 leaves nothing to compare: .*; allowed: at least 2",
    ),
    "target below another parent": (
        {"methods.dpo.training": {"lora": {"targets": ["mlp.q_proj"]}}},
        r"methods.dpo.training.lora.targets: the tiny world's models have no linear layer 'mlp.q_proj'.*",
    ),
    "one row in a block of a loss that compares rows": (
        {"methods.rspo.options": {"block_size": 1}},
        r"methods.rspo: objective 'rspo': option block_size = 1; allowed: an integer in \[2, .*",
    ),
    "more devices than examples in a step of the reference": (
        {"execution.gpus_per_job": 8, "reference.sft.training": {"batch_size": 7}},
        r"reference.sft.training.batch_size: 7 leaves devices without work; .* = 8",
    ),
    "jobs that share a device on the CPU": (
        {"execution.jobs_per_gpu": 2},
        r"execution.jobs_per_gpu: 2 jobs share a device, but execution.gpus_per_job is 0; "
        r"allowed on the CPU: 1",
    ),
    "horizon within the warm-up": (
        {"methods.dpo.training": {"schedule_steps": 10}},
        r"methods.dpo.training: schedule_steps is 10 and warmup_steps is 10; .*",
    ),
    # 400 pairs in batches of 32, thrice: 39 steps.
    # 400 and 1000 pairs in batches of 32, thrice: 39 and 96 steps.
    "rate of 0 before the end": (
        {"methods.pspo.training": {"schedule_steps": 40, "final_learning_rate_share": 0.0}},
        r"methods.pspo.training: at n = 1000 schedule_steps is 40 of 96 optimizer steps and .* 0, so .*",
    ),
    "warm-up that never ends": (
        {"methods.pspo.training": {"warmup_steps": 39}},
        r"methods.pspo.training: at n = 400 warmup_steps is 39 of 39 optimizer steps, .*; allowed: .*",
    ),
    "warm-up by steps and by share": (
        {"methods.pspo.training": {"warmup_share": 0.1}},
        r"methods.pspo.training: warmup_share is 0.1 and warmup_steps is 10; set one of them: .*",
    ),
    "warm-up by a share that never ends": (
        {"methods.pspo.training": {"warmup_steps": 0, "warmup_share": 0.98}},
        r"methods.pspo.training: at n = 400 the warm-up \(warmup_share 0.98\) takes 39 of 39 .*; allowed: .*",
    ),
    "horizon by steps and by epochs": (
        {"methods.pspo.training": {"schedule_epochs": 6, "schedule_steps": 100}},
        r"methods.pspo.training: schedule_epochs is 6 and schedule_steps is 100; set at most one .*",
    ),
    "horizon in epochs of a training by steps": (
        {"methods.pspo.training": {"schedule_epochs": 6, "epochs": None, "max_steps": 100}},
        r"methods.pspo.training: schedule_epochs is 6, but the training is as long as max_steps; .*",
    ),
    # 13 steps of 39, and 32 of 96.
    "horizon in epochs that the warm-up fills": (
        {"methods.pspo.training": {"schedule_epochs": 1, "warmup_steps": 13}},
        r"methods.pspo.training: at n = 400 warmup_steps is 13 of 13 .* longer schedule \(schedule_epochs\).*",
    ),
    "rate of 0 before the end, by epochs": (
        {"methods.pspo.training": {"schedule_epochs": 1, "final_learning_rate_share": 0.0}},
        r"methods.pspo.training: at n = 1000 the schedule \(schedule_epochs 1\) takes 32 of 96 .*",
    ),
    "warm-up that never ends, of all methods": (
        {"training.warmup_steps": 39, "studies": ["link_robustness"]},
        r"training: at n = 400 warmup_steps is 39 of 39 optimizer steps, .*; allowed: .*",
    ),
    # Four completions of 80 prompts in batches of 32: 10 steps.
    "warm-up of the reference that never ends": (
        {"reference.sft.prompts": 80},
        r"reference.sft.training: over at most 320 examples \(prompts 80, completions all\) "
        r"warmup_steps is 10 of 10 optimizer steps, .*",
    ),
    "warm-up of the reference on the best completions": (
        {"reference.sft": {"completions": "best", "prompts": 320}},
        r"reference.sft.training: over at most 320 examples .* is 10 of 10 optimizer steps, .*",
    ),
    "warm-up of the tiny world's models": (
        {"tiny_world.reward.schedule.steps": 29},
        r"tiny_world.reward.schedule.steps: 29 should be greater than 29",
    ),
    "weights that change their sign at a step": (
        {"methods.dpo.training": {"learning_rate": 0.01, "weight_decay": 100}},
        r"methods.dpo.training: learning_rate is 0.01 and weight_decay is 100; .* a product below 1",
    ),
    "a run's name of two lines": (
        {"run_name": "first\nsecond"},
        r"run_name: 'first\\nsecond' should be one line of printable characters, without spaces at .*",
    ),
    "a run's name that a table reads as missing": (
        {"run_name": "NA"},
        r"run_name: 'NA' is no usable label: tables of results would read it as a missing value; .*",
    ),
    "a run without a name": (
        {"run_name": ""},
        r"run_name: .. String should have at least 1 character",
    ),
    "a run's name that is long": (
        {"run_name": "n" * 61},
        r"run_name: .n+. String should have at most 60 characters",
    ),
    "the seed of the reference, where it once was": (
        {"reference.sft.seed": 3},
        r"reference.sft: seed: unknown key; the seed of its training is training.seed",
    ),
    "all layers, in a list": (
        {"training.lora.targets": ["q_proj", "all-linear"]},
        r"training.lora.targets: \['q_proj', 'all-linear'\]; allowed: all-linear as it is, without .*",
    ),
    "no layers": (
        {"training.lora.targets": []},
        r"training.lora.targets: \[\]; allowed: all-linear as it is, .*",
    ),
    "a layer that the tiny world's models do not have": (
        {"methods.dpo.training": {"lora": {"targets": ["q_proj", "v_porj"]}}, **ALONE},
        r"methods.dpo.training.lora.targets: the tiny world's models have no linear layer 'v_porj'; "
        r"did you mean 'v_proj'\? allowed: q_proj, k_proj, .*",
    ),
    "a layer that the tiny reference does not have": (
        {"reference.sft.training.lora": {"targets": ["c_attn"]}},
        r"reference.sft.training.lora.targets: the tiny world's models have no .* 'c_attn'; .*",
    ),
    "a shift that is neither none nor any": (
        {f"{GRID}.shifts": [0.0, 5e-324, 4.0]},
        rf"{GRID}.shifts.1: 5e-324 should be 0 or at least 1e-06",
    ),
    "a temperature of nothing": (
        {f"{GRID}.generation.temperature": 1e-300},
        rf"{GRID}.generation.temperature: 1e-300 should be greater than or equal to 0.001",
    ),
    "a link without a temperature": (
        {f"{GRID}.link_temperature": 1e-320},
        rf"{GRID}.link_temperature: 1e-320 should be greater than or equal to 0.000001",
    ),
    "an option beyond float32": (
        {"methods.dpo.options": {"beta_train": 1e300}},
        r"methods.dpo: objective 'dpo': option beta_train = 1e\+300; allowed: a number in \[1e-6, 1e6\]",
    ),
    "a million threads": (
        {"execution.torch_threads": 10**6},
        r"execution.torch_threads: 1000000 should be less than or equal to 1024",
    ),
    "a label too long for a folder": (
        {f"methods.{'a' * 101}": {"objective": "dpo"}},
        r"methods.a+.\[key\]: 'a+' String should have at most 100 characters",
    ),
    "more tiny prompts than exist": (
        {"tiny_world.data.prompts": 2881},
        r"tiny_world.data.prompts: 2881 should be less than or equal to 2880",
    ),
    "pools beyond the tiny prompts": (
        {"tiny_world.data.prompts": 1199},
        rf"{GRID}.prompts: train \+ eval = 1200 prompts are asked for; allowed: .* = 1199",
    ),
    "heads that do not share evenly": (
        {"tiny_world.base.architecture.num_key_value_heads": 3},
        r"tiny_world.base.architecture: num_attention_heads is 4 and num_key_value_heads is 3; .*",
    ),
    "texts beyond the tiny positions": (
        {"max_prompt_tokens": 937},
        r"max_prompt_tokens: max_prompt_tokens \+ max_response_tokens = 1001; .* at most 1000 .*",
    ),
    "judge without room for a prompt": (
        {f"{JUDGE}.max_tokens": 64},
        rf"{JUDGE}.max_tokens: 64 leaves no room .*; allowed: more than max_response_tokens = 64",
    ),
    "unknown module of a judge": (
        {"judges.reward.judge": "scaler"},
        r"judges.reward.judge: unknown judge 'scaler'; did you mean 'scalar'\? allowed: .*, scalar, or .*",
    ),
    "judge that is not there": (
        {f"{GRID}.judge": "rewards"},
        rf"{GRID}.judge: unknown judge 'rewards'; did you mean 'reward'\? .* \(see judges\)",
    ),
    "unknown option of a judge": (
        {f"{JUDGE}.max_token": 64},
        r"judges.reward: judge 'scalar': no option 'max_token'; did you mean 'max_tokens'\? .*",
    ),
    "option of a judge out of its bound": (
        {f"{JUDGE}.batch_size": 0},
        r"judges.reward: judge 'scalar': option batch_size = 0; allowed: an integer in \[1, 1e6\]",
    ),
    "hub without a revision": (
        {"world": "hub", "hub": {**HUB, "dataset": {**DATA, "revision": None}}},
        r"hub.dataset.revision: is null, but 'owner/data' is no local path \(looked for .*\); .*",
    ),
    "local model that is not there": (
        {
            "world": "hub",
            "hub": {
                "models": {
                    "base": {"source": "./models/gone", "revision": "main"},
                    "reward": LOCAL,
                },
                "dataset": DATA,
            },
        },
        r"hub.models.base.source: './models/gone' is no local path .* and no hub id; allowed: .*",
    ),
    "model that is a file": (
        {
            "world": "hub",
            "hub": {
                "models": {"base": LOCAL, "reward": {**LOCAL, "source": __file__}},
                "dataset": DATA,
            },
        },
        r"hub.models.reward.source: '.*' is a file; allowed of a model: a folder, or a hub id",
    ),
    "attention of the tiny world": (
        {"model.attention": "eager"},
        r"model.attention: 'eager' is for world: hub; .*; allowed: auto",
    ),
    "1e-5 is text in YAML": (
        {"training.learning_rate": yaml.safe_load("1e-5")},
        r"training.learning_rate: '1e-5' is text, not a number; .*write 1.0e-5",
    ),
    "text for a count": (
        {"logp_batch_size": "500"},
        r"logp_batch_size: '500' should be a valid integer",
    ),
    "fraction for a count": (
        {f"{GRID}.evaluation.samples": 1.5},
        rf"{GRID}.evaluation.samples: 1.5 should be a valid integer",
    ),
    "one value for a list": ({f"{GRID}.seeds": 3}, rf"{GRID}.seeds: 3 should be a valid list"),
    "not one of the words": (
        {"prompt_format": "alpaca"},
        r"prompt_format: 'alpaca' should be 'chat' or 'raw'",
    ),
    "a time of day": (
        {"prompt_date": "2024-07-26 10:00"},
        r"prompt_date: '2024-07-26 10:00' is no date; allowed: year-month-day, as \"2024-07-26\"",
    ),
    "a number for a date": ({"prompt_date": 20240726}, r"prompt_date: 20240726 is no date.*"),
    "epochs and max_steps": (
        {"training.max_steps": 10, "reference.sft.training": {"max_steps": None}},
        r"training: epochs is .* and max_steps is 10; set exactly one of them, the other to null",
    ),
    "epochs and max_steps in overrides": (
        {"methods.dpo.training": {"max_steps": 10}},
        r"methods.dpo.training: epochs is .* and max_steps is 10; set exactly one of them.*",
    ),
    "part of an adapter over none": (
        {"reference.sft.training.lora": {"rank": 0}},
        r"reference.sft.training.lora.rank: 0 should be greater than or equal to 1",
    ),
    "unknown label": (
        {f"{GRID}.methods": ["dpo", "rspoo"]},
        rf"{GRID}.methods: unknown label 'rspoo'; did you mean 'rspo'\? allowed: dpo, .*",
    ),
    "baseline that is not run": (
        {f"{GRID}.methods": ["ospo", "rspo"], f"{GRID}.baseline": "dpo"},
        rf"{GRID}.baseline: 'dpo' is not run; allowed: ospo, rspo",
    ),
    "label that is no path": (
        {"methods.a/b": {"objective": "dpo", "options": {}, "training": {}}},
        r"methods.a/b.\[key\]: 'a/b' String should match pattern .*",
    ),
    "label that tables read as missing": (
        {"methods.NA": {"objective": "dpo", "options": {}, "training": {}}},
        r"methods.NA.\[key\]: 'NA' is no usable label: .* a missing value; "
        r"allowed: any but NA, NULL, NaN, None, nan, null",
    ),
    "more shards than pairs": (
        {f"{GRID}.n": [3], f"{GRID}.generation.shards": 4, "training.warmup_steps": 2},
        rf"{GRID}.generation.shards: 4 shards for 3 pairs; allowed: at most one shard a pair",
    ),
    "responses over the limit": (
        {f"{GRID}.generation.max_new_tokens": 65, "max_response_tokens": 64},
        rf"{GRID}.generation.max_new_tokens: 65 exceeds max_response_tokens = 64; .*",
    ),
    "too few reference samples": (
        {f"{GRID}.evaluation.reference_samples": 63},
        rf"{GRID}.evaluation.reference_samples: 63 should be greater than or equal to 64",
    ),
    "hub world without hub": ({"world": "hub", "hub": None}, r"hub: is null, but world: hub .*"),
    "threads of an unknown script": (
        {"execution.torch_threads_of": {"train_polices": 2}},
        r"execution.torch_threads_of: unknown script 'train_polices'; "
        r"did you mean 'train_policy'\? .*",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_mistake_names_key_value_and_what_is_allowed(case):
    changes, expected = CASES[case]
    lines = mistakes(changes)
    assert len(lines) == 1, lines
    assert re.fullmatch(expected, lines[0]), lines[0]


def test_every_label_comes_back_from_a_table():
    """All that pandas takes for missing; the rest of it is no label for its characters."""
    label, refused = TypeAdapter(Label), []
    for text in (*STR_NA_VALUES, "nano", "Na", "none", "inf"):
        read = pandas.read_csv(StringIO(f"method\n{text}\ndpo\n"), skip_blank_lines=False)
        try:
            label.validate_python(text)
        except ValidationError:
            refused.append(text)
        else:
            assert read["method"].tolist() == [text, "dpo"]
    assert sorted(refused) == sorted(STR_NA_VALUES)


def test_all_mistakes_are_reported_at_once():
    """Those of the schema, of keys compared with each other, of options and of overrides."""
    together = [
        "unknown nested key",
        "no seeds",
        "n beyond the pool",
        "repeated shift, written twice",
        "beta zero",
        "unknown objective",
        "unknown option",
        "text for a count",
        "unknown label",
        "hub world without hub",
        "1e-5 is text in YAML",
    ]
    changes = {key: value for case in together for key, value in CASES[case][0].items()}
    changes["methods.rspo.training"] = {"batch_size": 0}
    changes["reference.sft.training"] = {"epoch": 1}
    lines = mistakes(changes)
    for case in together:
        assert any(re.fullmatch(CASES[case][1], line) for line in lines), (case, lines)
    assert sum("methods.rspo.training.batch_size: 0" in line for line in lines) == 1
    assert sum("reference.sft.training.epoch: unknown key" in line for line in lines) == 1
    assert len(lines) == len(together) + 2, lines


def test_one_unknown_objective_hides_no_other_method():
    lines = mistakes(
        {
            "methods.dpo.objective": "dop",
            "methods.pspo.training": {"lora": {"targets": ["v_porj"]}},
            "methods.rspo": {"objective": "sft", "options": {}, "training": {}},
            **ALONE,
        }
    )
    assert [line.split(":")[0] for line in lines] == [
        "methods.dpo.objective",
        f"{GRID}.methods",
        "methods.pspo.training.lora.targets",
    ]
    assert "'rspo' needs none on any number of responses" in lines[1]


@pytest.mark.parametrize(
    "key", ["training", f"{GRID}.prompts.train", "judges", "execution.preload"]
)
def test_a_key_that_is_missing_has_its_default(key):
    assert load(changed({key: DELETE})) == load(default())


@pytest.mark.parametrize("section", [{"n": [99999]}, {"n": "none"}, {"seedz": [1]}, {}])
def test_the_section_of_a_study_that_is_not_run_is_not_looked_at(section):
    config = load(changed({"studies": ["single_index"], GRID: section}))
    assert config.section("single_index").seeds == 5
    with pytest.raises(ConfigError, match="link_robustness: 3 should be a valid dictionary"):
        load(changed({"studies": ["single_index"], GRID: 3}))


def test_several_devices_a_job_and_jobs_a_device():
    load(changed({"execution.gpus_per_job": 8, "execution.jobs_per_gpu": 4}))


def test_local_sources_need_no_revision_and_float16_is_fine_on_a_gpu():
    load(changed({"world": "hub", "hub": HUB}))
    load(changed({f"{JUDGE}.precision": "fp16", "execution.gpus_per_job": 1}))


def test_an_empty_local_source_is_refused_by_its_key(tmp_path):
    config = {"world": "hub", "hub": {**HUB, "dataset": {**DATA, "source": str(tmp_path)}}}
    (line,) = mistakes(config)
    assert line.startswith("hub.dataset.source: ") and "an empty folder" in line


def test_a_warm_up_of_unknown_data_is_judged_by_what_is_known():
    """How many completions a prompt of the hub's data has is seen by the job alone, which asks again."""
    hub = {"world": "hub", "hub": HUB}
    load(changed({**hub, "reference.sft.prompts": None}))
    load(changed({**hub, "reference.sft.prompts": 1}))
    load(changed({"reference.sft.prompts": 81, "training.warmup_steps": 10}))
    lines = mistakes({**hub, "reference.sft.training": {"epochs": None, "max_steps": 10}})
    assert [line[:60] for line in lines] == [
        "reference.sft.training: warmup_steps is 10 of 10 optimizer steps"[:60]
    ]


def test_the_default_config_is_valid():
    config = load(default())
    assert config.world == "tiny"
    study = config.link_robustness
    assert len(study.seeds) >= 2 and {0.0, 4.0} <= set(study.shifts) and len(study.n) == 2
    assert study.link_temperature == 0.25 and min(study.evaluation.beta_grid) == 0.25
    assert set(study.methods) >= {"dpo", "pspo", "ospo", "rspo"}


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_presets_are_valid_over_the_default(preset):
    raw = merged(default(), yaml.safe_load(preset.read_text()))
    if preset.stem == "local_paths":  # its folders are made in test_local_paths
        raw = merged(raw, {"hub": HUB})
    config = load(raw)
    of_the_hub = preset.stem not in ("local_paths", "link_knowledge")
    if "link_robustness" in config.studies and of_the_hub:
        assert config.world == "hub"
        assert config.hub.dataset.source == "openbmb/UltraFeedback"


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_a_preset_names_its_studies_and_sets_nothing_of_others(preset):
    """Else a grid on real models would build whatever config.yaml names beside it."""
    raw = yaml.safe_load(preset.read_text())
    sections = {name for name in default()["studies"] if name in raw}
    assert raw["studies"] and sections <= set(raw["studies"])


def test_there_are_presets():
    assert {"spo_ultrafeedback", "spo_smoke", "spo_link_stress", "single_index"} <= {
        p.stem for p in PRESETS
    }


@pytest.mark.parametrize("path", [REPOSITORY / "config.yaml", *PRESETS], ids=lambda path: path.stem)
def test_no_number_is_written_so_that_yaml_reads_text(path):
    """Anything that Python could read as a number must not arrive as a string."""

    def texts(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [text for inner in value.values() for text in texts(inner)]
        if isinstance(value, list):
            return [text for inner in value for text in texts(inner)]
        return [value] if isinstance(value, str) else []

    for text in texts(yaml.safe_load(path.read_text())):
        with pytest.raises(ValueError):
            float(text)


def test_every_key_has_a_comment():
    """On its line or directly above. Inside `methods`, `preference_models` and `overrides` a label's
    comment covers all of the label."""
    bare, above, inside = [], False, -1  # the indentation of the key that covers, −1: none
    for number, line in enumerate((REPOSITORY / "config.yaml").read_text().splitlines(), start=1):
        key = re.match(r"( *)([\w.-]+):", line)
        if key:
            depth = len(key[1])
            if depth <= inside:
                inside = -1
            covering = ((0, "methods"), (0, "preference_models"), (2, "overrides"))
            if inside < 0 and (depth, key[2]) in covering:
                inside = depth
            if not (above or " #" in line or depth > inside >= 0):
                bare.append(f"line {number}: {key[2]}")
        above = line.lstrip().startswith("#")
    assert not bare, "keys without a comment: " + ", ".join(bare)


class TestTrainingOverrides:
    def test_dictionaries_merge_and_the_rest_is_replaced(self):
        defaults = {"a": 1, "lora": {"rank": 8, "alpha": 16}, "betas": [0.9, 0.99]}
        found = merged(defaults, {"lora": {"rank": 4}, "betas": [0.5], "new": {"x": 1}})
        assert found == {
            "a": 1,
            "lora": {"rank": 4, "alpha": 16},
            "betas": [0.5],
            "new": {"x": 1},
        }
        assert defaults["lora"] == {"rank": 8, "alpha": 16}, "the defaults stay as they were"

    def test_null_switches_an_adapter_off(self):
        config = load(default())
        assert config.training_of({"lora": None}).lora is None
        assert config.training_of({"lora": {"rank": 3}}).lora.rank == 3
        assert config.training_of({}) == config.training

    def test_integers_become_floats_so_that_one_value_has_one_spec(self):
        one = load(changed({"training.learning_rate": 1})).training.model_dump()
        two = load(changed({"training.learning_rate": 1.0})).training.model_dump()
        assert repr(one) == repr(two)


class TestObjectiveConstants:
    def test_every_objective_is_found_and_no_helper(self):
        assert {"dpo", "pspo", "ospo", "rspo", "sft"} <= set(objectives.known())
        assert not {"base", "pairs", "isotonic", "__init__"} & set(objectives.known())

    @pytest.mark.parametrize("name", objectives.known())
    def test_constants_are_complete(self, name):
        constants = objectives.constants(name)
        assert set(constants.needs) == {"targets", "responses", "reference_logps", "coupled"}
        objectives.check_options(name, constants.defaults)

    @pytest.mark.parametrize("name", objectives.known())
    def test_every_option_has_a_bound_that_some_value_breaks(self, name):
        constants = objectives.constants(name)
        assert constants.bounds.keys() == constants.defaults.keys()
        for option in constants.defaults:
            with pytest.raises(ValueError, match=f"option {option} = 'no such value'; allowed: "):
                objectives.check_options(name, {option: "no such value"})

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"NEEDS": "{"}, "line 1: '{' was never closed"),
            ({"NEEDS": "[]"}, "NEEDS: must be a dictionary of targets, responses"),
            ({"NEEDS": "dict(a=1)"}, "NEEDS is no literal"),
            ({"NEEDS": "{'targets': 'labels', 'responses': 2}"}, "NEEDS: lacks 'reference_logps'"),
            ({"NEEDS": NEEDS | {"coupledd": 1}}, "unknown 'coupledd'; did you mean 'coupled'"),
            ({"NEEDS": NEEDS | {"coupled": "no"}}, "coupled 'no'; allowed: True, False"),
            ({"NEEDS": NEEDS | {"responses": 0}}, "responses 0; allowed: a number from 1"),
            ({"OPTIONS": "[]"}, "OPTIONS: must be a dictionary"),
            ({"OPTIONS": "{'a': (1, 0)}"}, "a: 0 is no bound; allowed: a list of values"),
            ({"OPTIONS": "{'a': (-1, '> 0')}"}, "default a = -1; allowed: a number > 0"),
            ({"Objective": None}, "lacks Objective"),
        ],
    )
    def test_what_is_wrong_in_an_objective_is_one_mistake_among_others(
        self, tmp_path, monkeypatch, changes, said
    ):
        package = f"objectives_{tmp_path.name}"  # what was read is kept
        (tmp_path / package).mkdir()
        parts = {"NEEDS": NEEDS, "OPTIONS": "{}", "Objective": "object"} | changes
        text = "\n".join(f"{name} = {value}" for name, value in parts.items() if value)
        (tmp_path / package / "own.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        lines = mistakes({"methods.own": {"objective": f"{package}.own"}, "logp_batch_size": 0})
        assert [line.split(":")[0] for line in lines] == [
            "logp_batch_size",
            "methods.own.objective",
        ]
        assert "own.py" in lines[1] and said in lines[1]

    def test_an_objective_of_somebody_else(self, tmp_path, monkeypatch):
        monkeypatch.syspath_prepend(tmp_path)
        folder = tmp_path / "their_package"
        folder.mkdir()
        (folder / "__init__.py").touch()
        (folder / "loss.py").write_text(
            "import not_installed_here\n"
            f"NEEDS: dict = {NEEDS}\n"
            "OPTIONS = {'width': (None, '> 0 or null')}\n"
            "class Objective: ...\n"
        )
        (folder / "partial.py").write_text(
            f"from their_package.loss import Objective\nNEEDS = {NEEDS}\n"
            "OPTIONS = {'a': 1, 'b': (1,), 'c': (1, '> 0')}\n"
        )
        (folder / "bare.py").write_text("OPTIONS = {}\n")
        (folder / "odd.py").write_text(
            f"NEEDS = {NEEDS | {'targets': 'score'}}\nOPTIONS = {{}}\nclass Objective: ...\n"
        )
        assert objectives.module_name("their_package.loss") == "their_package.loss"
        assert objectives.constants("their_package.loss").defaults == {"width": None}
        objectives.check_options("their_package.loss", {"width": 3})
        with pytest.raises(ValueError, match="OPTIONS: 'a', 'b' must be .default, bound"):
            objectives.constants("their_package.partial")
        with pytest.raises(ValueError, match=r"'their_package.bare' \(bare.py\) lacks .* NEEDS"):
            objectives.constants("their_package.bare")
        with pytest.raises(ValueError, match="targets 'score'; allowed: labels, win_prob"):
            objectives.constants("their_package.odd")

    @pytest.mark.parametrize(
        ("needs", "said"),
        [
            ({"targets": "labels", "responses": 2}, None),
            ({"targets": "labels", "responses": 2, "sampling_logps": False}, None),
            ({"targets": "none", "responses": 1}, "none on 1 responses"),
            ({"targets": "scores", "responses": None}, "scores on any number of responses"),
            (
                {"targets": "labels", "responses": 2, "sampling_logps": True},
                "the log-probabilities that responses were sampled with",
            ),
        ],
    )
    def test_what_a_study_of_pairs_does_not_offer(self, needs, said):
        assert objectives.Constants(needs, {}, {}).beyond_pairs() == said


class TestBounds:
    @pytest.mark.parametrize(
        ("bound", "inside", "outside"),
        [
            ("> 0", [1, 0.5], [0, -1, None, True, "1", float("inf"), float("nan")]),
            (">= 0", [0, 0.0, 2], [-1.0e-9, None]),
            ("[0, 0.5)", [0, 0.49], [0.5, -0.1]),
            ("[1e-6, 1e6]", [1e-6, 1, 1e6], [9e-7, 5e-324, 0, 1000001, 10**400]),
            ("integer in [1, 1e3] or null", [1, 1000, None], [0, 1001, 1.0, True]),
            ("integer > 0", [1, 4096], [0, 1.0, True]),
            ("integer > 0 or null", [None, 2], [0, 2.5]),
            (["a", "b"], ["a"], ["c", None]),
            ([True, False], [True, False], [0, 1, None]),
            ("text", ["A", " "], ["", None, 1]),
            ("text with {a}, {b_1}", ["{b_1} {a} {c}"], ["{a} b_1", "", None, 2]),
        ],
    )
    def test_grammar(self, bound, inside, outside):
        assert all(bounds.fits(value, bound) for value in inside)
        assert not any(bounds.fits(value, bound) for value in outside)

    def test_a_bound_that_is_none(self):
        for text in ("positive", "in [0, 1]", "integer [0, 1]", "text with a"):
            with pytest.raises(ValueError, match=f"{re.escape(repr(text))} is no bound"):
                bounds.fits(1, text)

    def test_words(self):
        assert bounds.words("integer > 0 or null") == "an integer > 0 or null"
        assert bounds.words("[0, 1)") == "a number in [0, 1)"
        assert bounds.words("integer in [1, 8]") == "an integer in [1, 8]"
        assert bounds.words([True, False]) == "true, false"
        assert bounds.words("text with {a}") == "a text with {a}"
