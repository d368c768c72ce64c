"""One iteration of self-play, ours against the published procedure: `python -m benchmarks.run self_play_iteration`.

Reference, judge and prompts are those of a finished `make run`. Both answer the same prompts with K responses,
judge all pairs, and take the same optimizer steps of SPPO over all K; CPU time, one thread.

    ours        all samples of a prompt in one batch, judged together; the reference's log-probabilities once;
                a prompt computed once for its responses
    published   K passes over the prompts, a few at a time; a prompt a batch of the judge; the reference in every
                step, in padded rows of one response; four programs (generate, rank, probabilities, train), each of
                which imports anew, where one import serves all iterations of our run

Left out on both sides: starting processes, loading models, files.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from benchmarks import published
from benchmarks.clock import seconds
from benchmarks.table import Row
from prefgrid import chat
from prefgrid.files import reading, records
from prefgrid.job import devices
from prefgrid.judges import embedding
from prefgrid.judges.pairwise import matrices
from prefgrid.limits import bounds
from prefgrid.logprobs.table import dataset_logps
from prefgrid.models import loading
from prefgrid.objectives import base
from prefgrid.plan.load import load
from prefgrid.sampling.request import DecodingOptions, stop_ids
from prefgrid.sampling.transformers_backend import sample_responses
from prefgrid.seeding import uniforms
from prefgrid.training.batches import DataOrder, Group
from prefgrid.training.loop import train
from prefgrid.training.optimizers import make_optimizer
from prefgrid.training.options import TrainingOptions
from prefgrid.training.policy import load_policy
from prefgrid.training.step import PolicyForward

ROOT = Path(__file__).resolve().parents[1]
METHOD = "sppo"
PROGRAMS = 4
PACKAGES = "import torch, transformers, peft, datasets, accelerate"


class Iteration:
    """What both start from."""

    def __init__(self, prompts: int | None = None, folder: Path = ROOT) -> None:
        """prompts: how many; None: as many as an iteration has. folder: the one that holds `results`."""
        config = load(yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8")))
        self.config, self.study = config, config.section("self_play")
        results = folder / "results"
        self.reference_folder = results / "models/reference"
        if not (self.reference_folder / "manifest.json").is_file():
            raise FileNotFoundError(f"{folder} holds no finished run: run `make run` first")
        self.tokenizer = loading.load_tokenizer(self.reference_folder)
        self.pad_id = loading.pad_id(self.tokenizer)
        self.reference = loading.load_causal_lm(self.reference_folder).to(devices.device())
        self.judge = embedding.load(
            results / "preference_models/model=bt/on=scores/seed=0",
            bounds.split(embedding.OPTIONS)[0],
            prompt_format=config.prompt_format,
            device=devices.device(),
        )
        pool = reading.read_jsonl(results / "data/prompts/train.jsonl", records.Prompt)
        pool = pool[: prompts or self.study.prompts.per_iteration]
        self.texts = [row["prompt"] for row in pool]
        self.prompts = [
            chat.render_prompt(self.tokenizer, text, config.prompt_format) for text in self.texts
        ]
        self.decoding = DecodingOptions(
            eos_ids=stop_ids(self.tokenizer, self.reference, config.prompt_format),
            pad_id=self.pad_id,
            max_new_tokens=self.study.generation.max_new_tokens,
            batch_rows=self.study.generation.batch_rows,
        )
        method = config.methods[METHOD]
        self.options = TrainingOptions(**config.training_of(method.training).options)
        self.responses = self.sample()
        self.groups = self.judged()
        self.schedule = self.options.schedule(len(self.groups), 0)
        self.objective = base.create(
            f"prefgrid.objectives.{method.objective}", method.options, self.schedule
        )

    def sample(self) -> list[list[Any]]:
        """[prompts][K]."""
        count, limit = self.study.generation.responses, self.decoding.max_new_tokens
        noise = uniforms(
            0, "benchmark", [(row,) for row in range(count * len(self.prompts))], limit
        )
        sampled = sample_responses(self.reference, self.prompts, noise, self.decoding)
        return [sampled[start : start + count] for start in range(0, len(sampled), count)]

    def judged(self) -> list[Group]:
        logits = matrices(self.judge, self.texts, self.said())
        return [
            Group(
                prompt,
                [one.tokens for one in sampled],
                (1 / (1 + np.exp(-own))).mean(1).tolist(),
                None,
            )
            for prompt, sampled, own in zip(self.prompts, self.responses, logits, strict=True)
        ]

    def said(self) -> list[list[str]]:
        return [
            [chat.decode_response(self.tokenizer, one.said) for one in sampled]
            for sampled in self.responses
        ]

    def policy(self) -> Any:
        return load_policy(self.reference_folder, self.options, seed=0).to(devices.device())


def ours(iteration: Iteration) -> dict[str, float]:
    """Seconds of each stage."""
    found = {"sampling": seconds(iteration.sample), "judging": seconds(iteration.judged)}
    policy = iteration.policy()
    groups = iteration.groups

    def trained() -> None:
        tokens = [group.prompt_tokens for group in groups], [group.responses for group in groups]
        logps, _ = dataset_logps(
            iteration.reference,
            *tokens,
            pad_id=iteration.pad_id,
            batch_size=iteration.config.logp_batch_size,
        )
        with tempfile.TemporaryDirectory() as folder:
            train(
                PolicyForward(policy, groups, iteration.options, iteration.pad_id),
                iteration.objective,
                reference_logps=logps,
                metrics_path=Path(folder, "metrics"),
                failure_path=Path(folder, "failure"),
            )

    return found | {"training": seconds(trained)}


def as_published(iteration: Iteration) -> dict[str, float]:
    """Seconds of each stage."""
    return {
        "sampling": seconds(lambda: _passes(iteration)),
        "judging": seconds(lambda: _one_by_one(iteration)),
        "training": seconds(lambda: _steps(iteration)),
    }


@torch.no_grad()
def _passes(iteration: Iteration) -> None:
    for _ in range(iteration.study.generation.responses):
        for start in range(0, len(iteration.prompts), published.GENERATED):
            batch = iteration.prompts[start : start + published.GENERATED]
            ids, mask = published.left_padded(batch, iteration.pad_id, iteration.reference.device)
            iteration.reference.generate(
                input_ids=ids,
                attention_mask=mask,
                do_sample=True,
                top_k=0,
                max_new_tokens=iteration.decoding.max_new_tokens,
                eos_token_id=list(iteration.decoding.eos_ids),
                pad_token_id=iteration.pad_id,
            )


def _one_by_one(iteration: Iteration) -> None:
    for text, responses in zip(iteration.texts, iteration.said(), strict=True):
        matrices(iteration.judge, [text], [responses])


def _steps(iteration: Iteration) -> None:
    policy, options = iteration.policy(), iteration.options
    optimizer = make_optimizer(
        {name: one for name, one in policy.named_parameters() if one.requires_grad}, options
    )
    order = DataOrder(iteration.schedule, options.batch_size)
    for step in range(iteration.schedule.steps):
        rows = order.rows(step)
        for start in range(0, len(rows), published.MICRO_BATCH):
            part = rows[start : start + published.MICRO_BATCH]
            batch = _batch(iteration, policy, part)
            (iteration.objective.loss(batch) * len(part) / len(rows)).backward()
        weights = [one for one in policy.parameters() if one.requires_grad]
        torch.nn.utils.clip_grad_norm_(weights, options.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()


def _batch(iteration: Iteration, policy: Any, part: Any) -> base.Batch:
    members = [iteration.groups[row] for row in part]
    rows = [(one.prompt_tokens, response) for one in members for response in one.responses]
    shape = len(members), len(members[0].responses)
    with torch.no_grad():
        reference = published.logps(iteration.reference, rows, iteration.pad_id).view(shape)
    sums = published.logps(policy, rows, iteration.pad_id).view(shape)
    return base.Batch(
        rows=torch.as_tensor(part),
        log_ratios=sums - reference,
        logp_sums=sums,
        lengths=torch.tensor([[len(one) for one in member.responses] for member in members]),
        targets=torch.tensor([member.target for member in members]),
    )


def import_seconds() -> float:
    """CPU time of a program that only imports."""
    child = subprocess.Popen(
        [sys.executable, "-c", f"{PACKAGES}\nimport time; print(time.process_time())"],
        stdout=subprocess.PIPE,
        text=True,
    )
    return float(child.communicate()[0])


def rows() -> list[Row]:
    """The whole iteration, and its stages."""
    iteration = Iteration()
    import_seconds()  # files are read once
    started = import_seconds()
    study = iteration.study
    served = study.iterations * sum(len(row.methods) for row in study.grid) * len(study.seeds)
    mine = ours(iteration) | {"imports": started / served}
    theirs = as_published(iteration) | {"imports": PROGRAMS * started}
    return [
        _row("a whole iteration, tiny world", sum(mine.values()), sum(theirs.values()), ">= 5"),
        *(_row(f"its {name}", mine[name], theirs[name], "reported") for name in mine),
    ]


def _row(what: str, own: float, other: float, target: str) -> Row:
    return Row(
        what=f"self-play: {what}, CPU time (other: the published procedure)",
        ours=f"{own:.2f} s",
        other=f"{other:.2f} s",
        ratio=other / own,
        target=target,
    )
