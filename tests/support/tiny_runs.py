"""Whole training runs of tiny models for every method of the config, for the tests beside it."""

import copy
import math
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import tiny_scores
import torch
import yaml
from objective_samples import created
from safetensors.torch import save_file
from tiny_policy import LORA, PAD, logps_of, random_groups, tiny_model, trainable_of
from tiny_preferences import compared, preference_model

from prefgrid.files import store
from prefgrid.models.loading import add_lora
from prefgrid.objectives import softpo
from prefgrid.objectives.preference_losses import PreferenceLoss
from prefgrid.sampling.request import DecodingOptions
from prefgrid.training import step
from prefgrid.training.batches import DataOrder, Group
from prefgrid.training.behaviours import PolicySamples, Replay
from prefgrid.training.drawn import DrawnForward
from prefgrid.training.link_table import link_table
from prefgrid.training.loop import TrainingResult, train
from prefgrid.training.options import TrainingOptions
from prefgrid.training.preference import Annealing, PreferenceForward
from prefgrid.training.sources import Drawn, MixedSource, Stateless
from prefgrid.training.step import PolicyForward
from prefgrid.training.watch import Watch

CONFIG = Path(__file__).resolve().parents[2] / "config.yaml"
# 9 rows in batches of 4: the third step, an epoch's last, has 1. Every warm start is over then.
ROWS, BATCH, STEPS = 9, 4, 8
# Of the runs that two processes share: past every warm start and the short batch.
SHARED_STEPS = 5
# Labels that both are killed in: with a state of the objective, and with drawn groups.
KILLED = ("pspo", "drawn_learned")
# Without a cap or a clamp, where two splits of a batch could round to different sides.
SOFTPO = {"beta": 0.3, "beta_start": 0.6, "loss": "squared"}
TARGETS = ["q_proj", "v_proj", "down_proj"]
DROPOUT = 0.3
# Responses of the groups that have unequal numbers of them.
COUNTS = (3, 1, 2, 1, 3, 2, 2, 1, 3)
# Objectives of ours that learn from a number a response, of any responses or of two.
SCORED = ("softpo", "reinforce", "sppo", "gpo")
SCORED_PAIRS = ("sppo_single",)
FILES = ("weights.safetensors", "metrics.jsonl", "link.json")


def methods() -> dict[str, dict]:
    """label → {objective, options} of the config, and of what no label there covers."""
    ours = {
        "ospo_fifo": {"objective": "ospo", "options": {"fifo_capacity": 6}},
        "dpo_full": {"objective": "dpo", "options": {}},
        "dpo_adapter_off": {"objective": "dpo", "options": {}},
        "sft": {"objective": "sft", "options": {}},
        "sft_full": {"objective": "sft", "options": {}},
        "scores": {"objective": "scores", "options": {}},
        "drawn": {"objective": "scores", "options": {}},
        "drawn_full": {"objective": "scores", "options": {}},
        "drawn_softpo": {"objective": "softpo", "options": {**SOFTPO, "value": "given"}},
        "preferences": {"objective": "preferences", "options": {"ptx_loss": "dpo"}},
        "preferences_full": {"objective": "preferences", "options": {}},
        "drawn_learned": {"objective": "softpo", "options": {**SOFTPO, "value": "learned"}},
    }
    return {**yaml.safe_load(CONFIG.read_text())["methods"], **ours}


def shared_methods() -> list[str]:
    """Labels that two processes train; the steps of those left out are dpo's and sft's."""
    return [label for label in methods() if label not in ("dpo_published", "dpo_full")]


def run(
    label: str,
    folder: Path,
    *,
    work: Path | None = None,
    dropout: float = 0.0,
    elsewhere: bool = False,
    **changes,
) -> TrainingResult:
    """Train one tiny policy by `label` and write `FILES` into `folder`.

    A `…_full` label trains all weights, where no dropout is on; the others an adapter.
    `elsewhere`: the policy does not start at its reference, whose indices then are no rounding.
    """
    method, full = methods()[label], label.endswith("_full")
    scored = method["objective"] in ("scores", *SCORED, *SCORED_PAIRS)
    pairs = method["objective"] != "sft" and not scored
    settings = {
        "epochs": None,
        "max_steps": STEPS,
        "batch_size": BATCH,
        "micro_batch_size": 3,
        "learning_rate": 1e-2,
        "lora": None if full else {**LORA, "dropout": dropout, "targets": TARGETS},
    }
    options = TrainingOptions(**{**settings, **changes})
    model = tiny_model(num_hidden_layers=1)
    if label.startswith("drawn"):
        return run_drawn(method, folder, model, options, work)
    if label.startswith("preferences"):
        return run_preferences(method, folder, model, options, work)
    schedule = options.schedule(ROWS, 5)
    if label == "scores":
        groups = tiny_scores.scored_groups(model, COUNTS)
        objective = tiny_scores.Objective(method["options"], schedule)
    elif scored:
        counts = [2] * ROWS if method["objective"] in SCORED_PAIRS else COUNTS
        groups = compared_groups(model, counts)
        objective = created(method["objective"], method["options"], schedule)
    else:
        groups = random_groups(ROWS, responses=2 if pairs else 1, labels=pairs)
        objective = created(method["objective"], method["options"], schedule)
    reference = None
    if objective.needs["reference_logps"]:
        reference = logps_of(model, groups, batch_size=1)
        if label == "dpo_adapter_off":  # too rough a table
            reference += torch.linspace(0, 9, reference.numel()).view_as(reference).sin()
    if not full:
        model = add_lora(model, **options.lora, seed=1)
    if elsewhere:
        random = torch.Generator().manual_seed(2)
        with torch.no_grad():
            for weight in model.parameters():
                if weight.requires_grad:
                    weight += 0.05 * torch.randn(weight.shape, generator=random)
    folder.mkdir(parents=True, exist_ok=True)
    result = train(
        PolicyForward(model, groups, options, PAD),
        objective,
        metrics_path=folder / "metrics.jsonl",
        failure_path=folder / "failure.json",
        reference_logps=reference,
        work=work,
    )
    _write(folder, model, link_table(objective, result.index) if pairs else None)
    return result


def compared_groups(model, counts: Sequence[int] = COUNTS) -> list[Group]:
    """Groups of unequal size, each of two responses at least, with scores up to 0 and values."""
    groups = tiny_scores.scored_groups(model, [max(2, count) for count in counts])
    return [
        replace(group, target=[score - 1 for score in group.target], prompt_value=-0.8)
        for group in groups
    ]


def run_drawn(
    method: dict, folder: Path, model, options: TrainingOptions, work: Path | None
) -> TrainingResult:
    """`run` on groups that are drawn anew every three steps, half of them from the policy, every other
    one with a response fewer; the weights of the best of three looks are kept, and what was seen is in
    link.json."""
    reference, model = (
        (None, add_lora(model, **options.lora, seed=1))
        if options.lora
        else (copy.deepcopy(model).requires_grad_(False), model)
    )
    source = Unequal(drawn_source(seed=5))
    forward = DrawnForward(
        model=model,
        options=options,
        pad_id=PAD,
        source=source,
        refresh_steps=3,
        reference_model=reference,
    )
    schedule = options.schedule(forward.held, 5)
    if method["objective"] == "softpo":
        objective = softpo.Objective(method["options"], schedule)
    else:
        objective = tiny_scores.Objective(method["options"], schedule)
    watch = Watch(lambda step: {"value": (step - 4) ** 2}, every=2, by="value", patience=3)
    folder.mkdir(parents=True, exist_ok=True)
    result = train(
        forward,
        objective,
        metrics_path=folder / "metrics.jsonl",
        failure_path=folder / "failure.json",
        order=forward,
        work=work,
        watch=watch,
    )
    seen = [[group.behaviours, group.responses, group.target] for group in forward.groups]
    state = objective.state_dict()
    values = [state[name].tolist() for name in ("prompts", "values") if name in state]
    _write(
        folder, model, {"groups": seen, "looks": watch.rows, "best": watch.best, "values": values}
    )
    return result


def run_preferences(
    method: dict, folder: Path, model, options: TrainingOptions, work: Path | None
) -> TrainingResult:
    """`run` of a preference model on circles of three, in blocks of two rows, under a falling temperature."""
    if options.lora:
        model = add_lora(model, **options.lora, seed=1)
    model = preference_model(model=model, gate="softplus", temperature=1.0, learn_temperature=True)
    ptx = method["options"].get("ptx_loss")
    forward = PreferenceForward(
        model, compared(ROWS), options, PAD, ptx_loss=ptx, annealing=Annealing(3.0, STEPS / 2)
    )
    schedule = options.schedule(ROWS, 5)
    folder.mkdir(parents=True, exist_ok=True)
    result = train(
        forward,
        PreferenceLoss(method["options"], schedule),
        metrics_path=folder / "metrics.jsonl",
        failure_path=folder / "failure.json",
        order=DataOrder(schedule, options.batch_size, block=2),
        work=work,
    )
    _write(folder, model, None)
    return result


class Unequal:
    """A source without the last response of every other group, and with a value of each prompt."""

    def __init__(self, source: MixedSource) -> None:
        self.source = source
        self.state_dict, self.load_state_dict = source.state_dict, source.load_state_dict

    def draw(self, steps, groups_a_step, model, processes):
        groups = self.source.draw(steps, groups_a_step, model, processes)
        return [
            replace(
                group,
                responses=group.responses[: len(group.responses) - place % 2],
                target=group.target[: len(group.target) - place % 2],
                sampling_logps=group.sampling_logps[: len(group.sampling_logps) - place % 2],
                behaviours=group.behaviours[: len(group.behaviours) - place % 2],
                prompt_value=group.prompt / 10 - 0.4,
            )
            for place, group in enumerate(groups)
        ]


def drawn_source(seed: int, size: int = 5) -> MixedSource:
    prompts = [group.prompt_tokens for group in random_groups(6, responses=1, labels=False)]
    policy = PolicySamples(DecodingOptions(eos_ids=(1,), pad_id=PAD, max_new_tokens=4), seed)
    mix = {"policy": (policy, 0.5), "replay": (Replay(7, seed, FixedAnswer()), 0.3)}
    mix["fixed"] = (FixedAnswer(), 0.2)
    return MixedSource(prompts, mix, score_of_tokens, size=size, seed=seed)


class FixedAnswer(Stateless):
    """Counts through four answers."""

    def draw(self, asks, prompts, model):
        return [Drawn([2 + ask.number % 4, 1], math.log(0.25)) for ask in asks]


def score_of_tokens(prompts, responses) -> list[float]:
    return [
        (7 * prompt + sum(tokens)) % 11 / 11 - 0.45
        for prompt, tokens in zip(prompts, responses, strict=True)
    ]


def _write(folder: Path, model, link) -> None:
    weights = {name: weight.contiguous() for name, weight in trainable_of(model).items()}
    save_file(weights, folder / "weights.safetensors")
    store.write_json(folder / "link.json", link)


@contextmanager
def one_group_a_forward():
    """Within, what a row's float32 sums round to does not depend on the rows beside it.

    So whatever differs between two splits of a batch is due to the splitting, and a method that
    makes much of small differences (pspo_published fits its link to the rounding of t ≡ 0) can be
    compared too.
    """
    micro_batch, dataset = PolicyForward.micro_batch, step.dataset_logps

    def one_by_one(self, rows):
        return torch.cat([micro_batch(self, [row]) for row in rows])

    def dataset_one_by_one(*arguments, batch_size, **named):
        return dataset(*arguments, batch_size=1, **named)

    PolicyForward.micro_batch, step.dataset_logps = one_by_one, dataset_one_by_one
    try:
        yield
    finally:
        PolicyForward.micro_batch, step.dataset_logps = micro_batch, dataset


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}
