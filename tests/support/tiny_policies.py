"""Policies as the scripts make them, in the folder of a made-up run, for the tests beside it.

The working folder is the run's, as in a run: all paths are relative to it.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import made_up
from tiny_policy import random_groups, tiny_model, tiny_tokenizer

from prefgrid.files import store
from prefgrid.job.jobs import Job
from prefgrid.models.loading import save_model
from prefgrid.training.options import TrainingOptions
from steps import compute_reference_logps, export_policy, train_policy

REFERENCE = Path("results/models/reference")
STUDY = Path("results/toy")
CELL = "method=dpo/seed=0"
LORA = {"rank": 4, "alpha": 8, "dropout": 0.1, "targets": "all-linear"}
# It puts the empty thought of a mode that is switched off into the prompt; its end token is <end>.
TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}<end>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>"
    "{% if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}"
    "{% endif %}"
)


def make_reference(tokenizer: Any = None, source: dict[str, Any] | None = None) -> None:
    """A model whose embedding has more rows than the tokenizer has tokens; source: of source.json."""
    if tokenizer is None:
        tokenizer = tiny_tokenizer()
        tokenizer.chat_template = TEMPLATE
    REFERENCE.mkdir(parents=True)
    if source is not None:
        store.write_json(REFERENCE / "source.json", source)
    save_model(REFERENCE, tiny_model(vocab_size=260, eos_token_id=7), tokenizer)


def train(
    cell: str = CELL,
    *,
    stack: tuple[str, ...] = (),
    precision: str = "none",
    steps: int = 6,
    learning_rate: float = 2e-2,
    seed: int = 0,
) -> Path:
    """Score and train one policy; its folder. stack: cells of policies that it starts from; seed: its
    training's."""
    groups, data = random_groups(8), STUDY / "rewards" / cell / "rewards.jsonl"
    ids = [{"group": n, "prompt_id": f"{n:016x}"} for n in range(len(groups))]
    pairs = [
        {"pair": n, "prompt_id": f"{n:016x}", "prompt": "a", "prompt_tokens": group.prompt_tokens}
        | {f"tokens_{k}": tokens for k, tokens in enumerate(group.responses)}
        | {f"response_{k}": "b" for k in range(2)}
        | {f"finish_{k}": "stop" for k in range(2)}
        | {f"reward_{k}": float(k) for k in range(2)}
        | {"z": int(group.target), "reward_diff": 1.0, "reward_scale": 1.0}
        for n, group in enumerate(groups)
    ]
    store.write_jsonl(data, pairs)
    responses = data.with_name("responses.jsonl")
    store.write_jsonl(
        responses,
        [
            {**one, "prompt": "a", "prompt_tokens": group.prompt_tokens}
            | {"responses": [{"text": "b", "tokens": r, "finish": "stop"} for r in group.responses]}
            for one, group in zip(ids, groups, strict=True)
        ],
    )
    models = {
        "reference": REFERENCE / "manifest.json",
        "adapters": [STUDY / "policies" / one / "manifest.json" for one in stack],
    }
    logps = STUDY / "reference_logps" / cell / "logps.parquet"
    logps.parent.mkdir(parents=True)
    spec = {"batch_size": 8, "precision": precision, "first": None}
    own = {"logps": logps}
    compute_reference_logps.main(Job({"responses": [responses], **models}, own, own, spec))
    made_up.record(logps)
    settings = {"epochs": None, "max_steps": steps, "batch_size": 4, "micro_batch_size": 4}
    settings |= {"learning_rate": learning_rate, "lora": LORA, "precision": precision}
    training = TrainingOptions(**settings)
    spec = {"seed": seed, "objective": "prefgrid.objectives.dpo", "options": {"beta_train": 1.0}}
    spec |= {"training": asdict(training), "prompt_format": "chat"}
    folder = STUDY / "policies" / cell
    folder.mkdir(parents=True)
    names = {"adapter": "adapter_model.safetensors", "config": "adapter_config.json"}
    names |= {"metrics": "metrics.jsonl", "link": "link.json", "manifest": "manifest.json"}
    outputs = {name: folder / file for name, file in names.items()}
    job = Job({"data": data, **own, **models}, outputs, outputs, spec)
    train_policy.main(job)
    store.write_json(folder / "_provenance.json", job.identity() | {"outputs": {}})
    return folder


def export(cell: str = CELL, *, stack: tuple[str, ...] = ()) -> Path:
    """Merge a trained policy; its folder."""
    policies = STUDY / "policies"
    inputs = {
        "policy": policies / cell / "manifest.json",
        "reference": REFERENCE / "manifest.json",
        "adapters": [policies / one / "manifest.json" for one in stack],
    }
    folder = STUDY / "exports" / cell
    folder.mkdir(parents=True)
    names = {"weights": "model.safetensors", "config": "config.json"}
    names |= {"tokenizer": "tokenizer.json", "manifest": "manifest.json"}
    outputs = {name: folder / file for name, file in names.items()}
    export_policy.main(Job(inputs, outputs, outputs, {"prompt_format": "chat"}))
    return folder
