"""The whole config under random mutations: each is refused by its key, or planned and sane.

The kind: a value that every check lets pass and that trains, samples or scores nonsense. What is sane is
written here anew, in units and from the arithmetic that the value enters, not from the validators.
"""

import json
import math
import random
import re
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

import config_mutations
import numpy as np
import pytest
import rule_graph
import torch
import yaml

from prefgrid.config.merging import merged
from prefgrid.files.formats import canonical_json
from prefgrid.plan.load import ConfigError, load
from prefgrid.studies import registry
from prefgrid.studies.base import STAGES
from prefgrid.training.optimizers import OPTIMIZERS, make_optimizer
from prefgrid.training.options import SCHEDULES, TrainingOptions
from prefgrid.training.trackers import TRACKERS

REPOSITORY = rule_graph.REPOSITORY
MUTATIONS, PARTS = 300, 6
RULES = [rule for rule in rule_graph.rules() if rule.name not in rule_graph.OTHERS]
# Of every number of a config, by its key: what could be meant, at least and at most.
SANE = {
    # Shares and probabilities.
    **dict.fromkeys(("eval_share", "bad_row_share", "whole_text_share", "decay_share"), (0, 1)),
    **dict.fromkeys(("final_learning_rate_share", "dropout", "adam_betas", "top_p"), (0, 1)),
    **dict.fromkeys(("link_share", "logistic_blend", "merge_tolerance"), (0, 1)),
    **dict.fromkeys(("clip", "level_clip", "flip_rate"), (0, 0.4999)),
    # Rates and scales.
    "learning_rate": (1e-13, 100),
    **dict.fromkeys(("alpha", "max_grad_norm", "epochs", "reward_scale", "kappa"), (1e-7, 1e7)),
    **dict.fromkeys(("beta_train", "beta_grid", "link_temperature", "tau"), (1e-7, 1e7)),
    **dict.fromkeys(("shifts", "pareto_shifts", "weight_decay", "gamma"), (0, 1e7)),
    "temperature": (1e-4, 1e4),
    "initializer_range": (1e-5, 100),
    "rope_theta": (1, 1e10),
    **dict.fromkeys(("bandwidth", "projection_bandwidth"), (1e-5, 1e5)),
    "bandwidth_exponent": (0, 10),
    **dict.fromkeys(("bandwidth_floor", "prior_mass"), (1e-10, 1e10)),
    **dict.fromkeys(("warm_start_epochs", "refit_every_epochs"), (0, 1e7)),
    "refit_every_steps": (1, 1e10),
    # Seeds, of 32 bits; of single_index how many.
    **dict.fromkeys(("seed", "seeds"), (0, 2**31 - 1)),
    # Counts.
    **dict.fromkeys(("prompts", "train", "eval", "n", "steps", "max_steps"), (1, 1e10)),
    **dict.fromkeys(("schedule_steps", "fifo_capacity"), (1, 1e10)),
    "warmup_steps": (0, 1e10),
    # A share of the warm-up, and epochs of its schedule.
    **dict.fromkeys(("warmup_share", "schedule_epochs"), (1e-7, 1e7)),
    # Self-play: nats of log-ratio for a win, and what is left of a length.
    **dict.fromkeys(("eta", "clip_nats"), (1e-7, 1e7)),
    "length_power": (0, 10),
    "logit_scale": (1e-7, 1e7),
    "soften": (0, 1),
    "epsilon": (0, 0.4999),
    **dict.fromkeys(("iterations", "of"), (1, 1000)),
    "per_iteration": (1, 1e10),
    "discarded_orders": (0, 1e4),
    **dict.fromkeys(("batch_size", "micro_batch_size", "logp_batch_size", "batch_rows"), (1, 1e7)),
    "block_size": (2, 1e7),
    **dict.fromkeys(("contexts", "seeds_per_job", "vocabulary"), (1, 1e7)),
    **dict.fromkeys(("samples", "reference_samples", "index_pairs_per_prompt"), (1, 1e6)),
    **dict.fromkeys(("max_prompt_tokens", "max_response_tokens"), (1, 1e8)),
    **dict.fromkeys(("max_new_tokens", "max_tokens"), (1, 1e8)),
    **dict.fromkeys(("rank", "hidden_size", "intermediate_size", "head_dim"), (1, 1e6)),
    **dict.fromkeys(("num_attention_heads", "num_key_value_heads"), (1, 1e4)),
    **dict.fromkeys(("num_hidden_layers", "shards"), (1, 1e5)),
    **dict.fromkeys(("dimension", "actions", "hidden"), (1, 1e6)),
    # Soft-Q regression, and its numbers.
    **dict.fromkeys(("beta", "betas", "beta_start", "floor_nats", "huber_nats"), (1e-7, 1e7)),
    **dict.fromkeys(("anneal_share", "value_rate", "cap_nats"), (1e-7, 1)),
    "hinge": (0, 1e7),
    **dict.fromkeys(("min_valid_mass", "uniform", "policy"), (0, 1)),
    **dict.fromkeys(("targets", "lo", "hi", "center", "trained", "tested"), (0, 1e5)),
    "r_invalid": (-1e7, 1e7),
    **dict.fromkeys(
        ("answers", "group_size", "replay", "value_samples", "final_samples"), (1, 1e7)
    ),
    **dict.fromkeys(("refresh_steps", "patience"), (1, 1e10)),
    # Judges, comparisons and what learns from them.
    **dict.fromkeys(("scale", "start"), (1e-7, 1e7)),
    **dict.fromkeys(("share", "shares"), (0, 1)),
    **dict.fromkeys(("responses", "groups", "prompts_at_once"), (1, 1e7)),
    **dict.fromkeys(("pairs_per_prompt", "circles_per_prompt"), (1, 1e10)),
    # Machines.
    **dict.fromkeys(("torch_threads", "torch_threads_of", "jobs_per_gpu"), (1, 4096)),
    "gpus_per_job": (0, 4096),
    "checkpoint_seconds": (0, 1e9),
    **dict.fromkeys(("mem_mb", "light_mem_mb"), (1, 1e9)),
    **dict.fromkeys(("runtime_minutes", "light_runtime_minutes"), (1, 1e7)),
}
# What objectives and samplers divide by, multiply with and take the logarithm of.
SCALES = (
    "beta_train",
    "beta_grid",
    "temperature",
    "link_temperature",
    "tau",
    "reward_scale",
    "kappa",
    "beta",
    "betas",
    "beta_start",
    "eta",
)
# As large as a log-ratio of a response, a logit or a reward gets.
LARGE_NATS = np.float32(1e3)


def whole(name: str | None) -> dict[str, Any]:
    """The default config or a preset on top of it, all options written out."""
    raw = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
    if name:
        preset = REPOSITORY / "presets" / f"{name}.yaml"
        raw = merged(raw, yaml.safe_load(preset.read_text()))
    return config_mutations.complete(raw)


STARTS = (
    *(None, None, "spo_published", "single_index_baselines", "spo_link_stress"),
    "softpo_published",
)


@pytest.fixture(scope="module")
def starts() -> list[dict[str, Any]]:
    return [whole(name) for name in STARTS]


@pytest.mark.parametrize("part", range(PARTS))
def test_a_mutation_is_refused_by_its_key_or_planned_and_sane(starts, part):
    planned = 0
    for number in range(part, MUTATIONS, PARTS):
        source = random.Random(number)
        raw, mutation = config_mutations.mutated(source.choice(starts), source)
        label = f"mutation {number}: {mutation}"
        try:
            config = load(raw)
        except ConfigError as error:
            assert names_it(str(error), mutation), f"{label}\n{error}"
        else:
            planned += 1
            problems = [*insane(config), *insane_in(config, config.packages)]
            assert not problems, f"{label}\n{problems}"
    assert 0 < planned < MUTATIONS / PARTS


@pytest.mark.parametrize("name", dict.fromkeys(STARTS))
def test_what_is_not_mutated_is_sane(name):
    config = load(whole(name))
    assert [*insane(config), *insane_in(config, config.packages)] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("training", "learning_rate"), 1e300),
        (("methods", "dpo", "options", "beta_train"), 5e-324),
        (("link_robustness", "generation", "temperature"), 1e-300),
        (("execution", "torch_threads"), 10**6),
        (("training", "warmup_steps"), 10**5),
        (("soft_policy", "drawing", "samples"), 2801),
        (("soft_policy", "overrides", "softpo_squared", "drawing", "mix"), {"uniform": 0.5}),
        (("soft_policy", "reference", "training", "warmup_steps"), 500),
        (("soft_policy", "targets"), [101]),
    ],
)
def test_insanity_is_seen(path, value):
    """What the validators refuse, put past them."""
    config = load(whole(None))
    part: Any = config
    for name in path[:-1]:
        part = part[name] if isinstance(part, dict) else getattr(part, name)
    (part if isinstance(part, dict) else part.__dict__)[path[-1]] = value
    assert next(chain(insane(config), insane_in(config, config.packages)), None)


@pytest.mark.parametrize(
    ("section", "key", "fine"),
    [
        ("training", "optimizer", list(OPTIMIZERS)),
        ("training", "learning_rate_schedule", list(SCHEDULES)),
        ("training", "gradient_checkpointing", [False, True]),
        ("execution", "trackers", [[], ["wandb"], list(TRACKERS)]),
    ],
)
def test_of_a_choice_nothing_else_passes(section, key, fine):
    """Each value that a mutation can put there, in the section itself and in an override of it."""
    odd = (*config_mutations.NUMBERS, *config_mutations.TEXTS, *config_mutations.OTHERS)
    for value in (*fine, *odd, ["wandb", "wandb"], "wandb"):
        for override in (False, True) if section == "training" else (False,):
            raw = whole(None)
            place = raw["methods"]["dpo"]["training"] if override else raw[section]
            place[key] = value
            mutation = config_mutations.Mutation("choice", (section, key), (key,), value)
            if any(type(value) is type(one) and value == one for one in fine):
                config = load(raw)
                assert not [*insane(config), *insane_in(config, config.packages)]
            else:
                with pytest.raises(ConfigError) as caught:
                    load(raw)
                assert names_it(str(caught.value), mutation), (value, str(caught.value))


def names_it(text: str, mutation: config_mutations.Mutation) -> bool:
    """Whether a line's key or, where keys contradict each other, its words have the mutated key."""
    _, *lines = text.splitlines()
    for name in mutation.names:
        # Messages show odd keys as Python writes them; an empty one shows as '' or as two dots.
        shown = "|".join(map(re.escape, {name, repr(name)[1:-1]}))
        word = rf"(?<!\w)(?:{shown})(?!\w)" if name else r"''|\.[.:]"
        if any(re.search(word, line) for line in lines):
            return True
    return False


def insane(config: Any) -> Iterator[str]:
    """Numbers beyond what could be meant, and scales whose arithmetic leaves float32."""
    unread = set(registry.BUILT_IN) - config.packages.keys()
    for key, value in numbers(config.model_dump(exclude=unread)):
        low, high = SANE[key]
        if not (math.isfinite(value) and low <= value <= high):
            yield f"{key} = {value}"
        if key in SCALES and not finite_in_float32(value):
            yield f"{key} = {value} overflows or vanishes in float32"


def numbers(value: Any, key: str = "") -> Iterator[tuple[str, float]]:
    """(key, number) of all there are; of a dictionary of scripts the key is the dictionary's."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from numbers(inner, key if key == "torch_threads_of" else name)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from numbers(inner, key)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield key, value


def finite_in_float32(scale: float) -> bool:
    with np.errstate(all="ignore"):
        one = np.float32(scale)
        found = [
            np.log(one),
            np.square(np.float32(0.5) / one),
            np.square(one * LARGE_NATS),
            LARGE_NATS / one,
            np.logaddexp(np.float32(0), one * LARGE_NATS),
            np.logaddexp(np.float32(0), -one * LARGE_NATS),
        ]
    return bool(np.isfinite(found).all())


def insane_in(config: Any, packages: dict[str, str]) -> Iterator[str]:
    """Trainings that never reach their rate, and specs that are no JSON."""
    if "link_robustness" in packages:
        study = config.link_robustness
        for label in study.methods:
            training = config.training_of(config.methods[label].training)
            for n in study.n:
                yield from slow(training.options, n, label)
    if "soft_policy" in packages:
        study = config.soft_policy
        for label in study.methods:
            drawing = study.drawing_of(label)
            training = config.training_of(config.methods[label].training)
            a_step = drawing.group_size * training.batch_size
            if drawing.samples % a_step or drawing.samples // a_step % drawing.refresh_steps:
                yield f"soft_policy: {label} leaves out some of its {drawing.samples} samples"
            if not math.isclose(sum(drawing.mix.values()), 1):
                yield f"soft_policy: {label} draws by shares {drawing.mix}"
            steps = {"epochs": None, "max_steps": drawing.epochs * (drawing.samples // a_step)}
            yield from slow(training.options | steps, 1, f"soft_policy: {label}")
        taught = config.training_of(study.reference.training).options
        if taught["max_steps"] is None:
            yield "soft_policy: the reference is taught without end"
        yield from slow(taught, 1, "soft_policy: reference")
        if not study.task.lo <= min(study.targets) <= max(study.targets) <= study.task.hi:
            yield f"soft_policy: targets {study.targets} are no answers"
    sft = config.reference.sft
    if sft is not None and sft.prompts is not None and config.world == "tiny":
        training = config.training_of(sft.training).options
        each = {"best": 1, "all": 4}[sft.completions]
        examples = each * min(sft.prompts, config.tiny_world.data.prompts)
        yield from slow(training, examples, "sft")
    if not set(config.execution.trackers) <= TRACKERS.keys():
        yield f"trackers = {config.execution.trackers}"
    if config.tiny_world.base.schedule.steps < 30 or config.tiny_world.reward.schedule.steps < 30:
        yield "the tiny world's models are trained within their warm-up of 29 steps"
    for study, package in packages.items():
        wirings = {study: registry.wiring(package, config)}
        for path in first_and_last(wirings[study]):
            yield from bad_specs(path, wirings)


def slow(training: dict[str, Any], rows: int, label: str) -> Iterator[str]:
    """A run of no step, or one whose highest learning rate is less than half of the one asked for."""
    in_epoch = -(-rows // training["batch_size"])
    steps = training["max_steps"] or max(1, round(training["epochs"] * in_epoch))
    horizon = training["schedule_steps"] or steps
    if training["schedule_epochs"] is not None:
        horizon = round(training["schedule_epochs"] * in_epoch)
    warmup = training["warmup_steps"]
    if training["warmup_share"] is not None:
        warmup = math.ceil(training["warmup_share"] * horizon)
    options = TrainingOptions(**training)
    make_optimizer({"weight": torch.zeros(2, 2, requires_grad=True)}, options)
    tried = {0, min(warmup, steps - 1), steps - 1}
    highest = max(options.learning_rate_at(step, steps) for step in tried)
    if steps < 1 or warmup >= steps or not highest >= training["learning_rate"] / 2:
        yield f"{label}: {steps} steps, {warmup} of them warm-up, learning rate at most {highest}"


def first_and_last(wiring: Any) -> Iterator[str]:
    for stage in STAGES:
        cells = wiring.cells(stage)
        yield from cells[:1] + cells[-1:]
    yield f"results/{wiring.name}/section/section.json"


def bad_specs(path: str, wirings: dict[str, Any]) -> Iterator[str]:
    """Of the job that makes a file, and of some that it follows from."""
    waiting, seen = [path], 0
    while waiting and seen < 6:
        job = rule_graph.maker(waiting.pop(), wirings, RULES)
        seen += 1
        if job is None or job.step is None:
            continue
        text = canonical_json(job.step.spec)
        if json.loads(text.encode()) != json.loads(json.dumps(job.step.spec)):
            yield f"{path}: its spec is not what its text says"
        waiting += islice(sorted(job.inputs), 2)
