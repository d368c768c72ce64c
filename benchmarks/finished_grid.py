"""Models, data and cells of a finished `make run`, for benchmarks that need real ones."""

from functools import cached_property
from pathlib import Path
from typing import Any

import pandas
import yaml

from prefgrid import chat
from prefgrid.files import reading, records
from prefgrid.job import devices
from prefgrid.judges.scalar import ScalarRewardModel
from prefgrid.models import loading
from prefgrid.objectives import base
from prefgrid.plan.load import load
from prefgrid.sampling.request import DecodingOptions, stop_ids
from prefgrid.training.batches import Group
from prefgrid.training.options import TrainingOptions
from prefgrid.training.policy import load_policy

ROOT = Path(__file__).resolve().parents[1]


class FinishedGrid:
    """Cells are those of the first seed and the first shift."""

    def __init__(self, results: Path = ROOT / "results") -> None:
        self.root = results / "link_robustness"
        if not (self.root / "gathered/evaluations.csv").is_file():
            raise FileNotFoundError(f"{results} holds no finished grid: run `make run` first")
        self.config = load(yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8")))
        self.study = self.config.link_robustness
        self.reference_folder = results / "models/reference"
        self.tokenizer = loading.load_tokenizer(self.reference_folder)
        self.pad_id = loading.pad_id(self.tokenizer)
        self.judge = ScalarRewardModel(
            results / "models/reward",
            **self.config.reward.model_dump(),
            prompt_format=self.config.prompt_format,
            device=devices.device(),
        )
        self.eval_prompts = reading.read_jsonl(self.root / "prompts/eval.jsonl", records.Prompt)
        self.cell = f"seed={self.study.seeds[0]}/shift={self.study.shifts[0]!r}"

    @cached_property
    def reference(self) -> Any:
        return loading.load_causal_lm(self.reference_folder).to(devices.device())

    @cached_property
    def reference_samples(self) -> pandas.DataFrame:
        return pandas.read_parquet(self.root / "reference_samples/samples.parquet")

    @cached_property
    def reference_sample_logps(self) -> pandas.DataFrame:
        return pandas.read_parquet(self.root / "reference_samples/logps.parquet")

    def tokens(self, prompt: str) -> list[int]:
        return chat.render_prompt(self.tokenizer, prompt, self.config.prompt_format)

    def preferences(self, n: int) -> list[dict[str, Any]]:
        path = self.root / f"preferences/{self.cell}/n={n}/preferences.jsonl"
        return reading.read_jsonl(path, records.Preference)

    def groups(self, n: int) -> list[Group]:
        return [
            Group(row["prompt_tokens"], (row["tokens_0"], row["tokens_1"]), float(row["z"]))
            for row in self.preferences(n)
        ]

    def policy(self, method: str, n: int) -> Any:
        """A cell's trained policy, in evaluation mode; its base is the reference."""
        model = loading.load_causal_lm(self.reference_folder)
        policy = loading.load_adapter(model, self.policy_folder(method, n))
        return policy.to(devices.device()).eval()

    def policy_folder(self, method: str, n: int) -> Path:
        return self.root / f"policies/method={method}/{self.cell}/n={n}"

    def untrained(self, method: str, n: int) -> tuple[TrainingOptions, base.Objective, Any]:
        """Options, a new objective and a new policy of a cell."""
        label, seed = self.config.methods[method], self.study.seeds[0]
        options = TrainingOptions(**self.config.training_of(label.training).model_dump())
        objective = base.create(label.objective, label.options, options.schedule(n, seed))
        policy = load_policy(self.reference_folder, options, seed=seed)
        return options, objective, policy.to(devices.device())

    def decoding(self, batch_rows: int) -> DecodingOptions:
        return DecodingOptions(
            eos_ids=stop_ids(self.tokenizer, self.reference),
            pad_id=self.pad_id,
            max_new_tokens=self.study.evaluation.max_new_tokens,
            batch_rows=batch_rows,
        )
