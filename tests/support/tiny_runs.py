"""Whole training runs of tiny models for every method of the config, for the tests beside it."""

from contextlib import contextmanager
from pathlib import Path

import tiny_scores
import torch
import yaml
from objective_samples import created
from safetensors.torch import save_file
from tiny_policy import LORA, PAD, logps_of, random_groups, tiny_model, trainable_of

from prefgrid.files import store
from prefgrid.models.loading import add_lora
from prefgrid.training import step
from prefgrid.training.link_table import link_table
from prefgrid.training.loop import TrainingResult, train
from prefgrid.training.options import TrainingOptions
from prefgrid.training.step import PolicyForward

CONFIG = Path(__file__).resolve().parents[2] / "config.yaml"
# 9 rows in batches of 4: the third step, an epoch's last, has 1. Every warm start is over then.
ROWS, BATCH, STEPS = 9, 4, 8
# Of the runs that two processes share: past every warm start and the short batch.
SHARED_STEPS = 5
TARGETS = ["q_proj", "v_proj", "down_proj"]
DROPOUT = 0.3
# Responses of the groups that have unequal numbers of them.
COUNTS = (3, 1, 2, 1, 3, 2, 2, 1, 3)
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
    pairs = method["objective"] not in ("sft", "scores")
    settings = {
        "epochs": None,
        "max_steps": STEPS,
        "batch_size": BATCH,
        "micro_batch_size": 3,
        "learning_rate": 1e-2,
        "lora": None if full else {**LORA, "dropout": dropout, "targets": TARGETS},
    }
    options = TrainingOptions(**{**settings, **changes})
    schedule = options.schedule(ROWS, 5)
    model = tiny_model(num_hidden_layers=1)
    if label == "scores":
        groups = tiny_scores.scored_groups(model, COUNTS)
        objective = tiny_scores.Objective(method["options"], schedule)
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
    weights = {name: weight.contiguous() for name, weight in trainable_of(model).items()}
    save_file(weights, folder / "weights.safetensors")
    store.write_json(folder / "link.json", link_table(objective, result.index) if pairs else None)
    return result


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
