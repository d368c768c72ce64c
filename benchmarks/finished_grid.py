"""Models, data and cells of a finished `make run`, for benchmarks that need real ones."""

import importlib
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from prefgrid import chat
from prefgrid.data import preferences
from prefgrid.data.groups import tokens
from prefgrid.files import cells, reading, records
from prefgrid.job import devices
from prefgrid.models import loading
from prefgrid.objectives import base
from prefgrid.plan.load import load
from prefgrid.sampling.request import DecodingOptions, stop_ids
from prefgrid.studies import registry
from prefgrid.training.batches import Group
from prefgrid.training.options import TrainingOptions
from prefgrid.training.policy import load_policy

ROOT = Path(__file__).resolve().parents[1]
STUDY = "link_robustness"


class FinishedGrid:
    """Cells are those of the first seed and the first shift; the study's wiring knows their files."""

    def __init__(self, folder: Path = ROOT) -> None:
        """folder: the one that holds `results`."""
        self.folder = folder
        self.config = load(yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8")))
        package = self.config.packages[STUDY]
        self.wiring = registry.wiring(package, self.config)
        self.study = self.config.section(STUDY)
        if not (
            self.policy_folder(self.study.methods[-1], max(self.study.n)) / "link.json"
        ).is_file():
            raise FileNotFoundError(f"{folder} holds no finished grid: run `make run` first")
        shared = self.files(self.study.baseline, min(self.study.n))
        self.reference_folder = folder / "results/models/reference"
        self.tokenizer = loading.load_tokenizer(self.reference_folder)
        self.pad_id = loading.pad_id(self.tokenizer)
        judge = self.config.judges[self.study.judge]
        self.judge = importlib.import_module(judge.module).load(
            shared["judge"].parent,
            judge.all_options,
            prompt_format=self.config.prompt_format,
            device=devices.device(),
        )
        prompts = reading.read_jsonl(shared["prompts"], records.Prompt)
        self.eval_prompts = prompts[: self.study.evaluation.prompts]
        # Scored groups of the reference's samples, one an evaluation prompt, in their order.
        self.reference_samples = reading.read_jsonl(
            shared["reference_rewards"], records.ScoredGroup, key="group"
        )
        self.reference_sample_logps = reading.read_table(shared["reference_logps"])

    @cached_property
    def reference(self) -> Any:
        return loading.load_causal_lm(self.reference_folder).to(devices.device())

    def files(self, method: str, n: int) -> dict[str, Path]:
        """What the wiring gives the evaluation of a cell, by name; of single files alone."""
        inputs = self.wiring.evaluation(self._cell(method, n)).inputs
        return {name: self.folder / path for name, path in inputs.items() if isinstance(path, str)}

    def policy_folder(self, method: str, n: int) -> Path:
        return self.folder / self.wiring.root / "policies" / self._cell(method, n)

    def _cell(self, method: str, n: int) -> str:
        study = self.study
        axes = {"method": method, "seed": study.seeds[0], "shift": study.shifts[0], "n": n}
        return cells.folders(axes)

    def tokens(self, prompt: str) -> list[int]:
        return chat.render_prompt(self.tokenizer, prompt, self.config.prompt_format)

    def preferences(self, n: int) -> list[dict[str, Any]]:
        path = self.files(self.study.baseline, n)["preferences"]
        return reading.read_jsonl(path, records.Preference)

    def groups(self, n: int) -> list[Group]:
        rows = preferences.groups(self.preferences(n))
        return [Group(*both, row["target"]) for row, *both in zip(rows, *tokens(rows), strict=True)]

    def policy(self, method: str, n: int) -> Any:
        """A cell's trained policy, in evaluation mode; its base is the reference."""
        model = loading.load_causal_lm(self.reference_folder)
        policy = loading.load_adapter(model, self.policy_folder(method, n))
        return policy.to(devices.device()).eval()

    def untrained(self, method: str, n: int) -> tuple[TrainingOptions, base.Objective, Any]:
        """Options, a new objective and a new policy of a cell."""
        label, seed = self.config.methods[method], self.study.seeds[0]
        options = TrainingOptions(**self.config.training_of(label.training).options)
        objective = base.create(label.objective, label.options, options.schedule(n, seed))
        policy = load_policy(self.reference_folder, options, seed=seed)
        return options, objective, policy.to(devices.device())

    def decoding(self, batch_rows: int) -> DecodingOptions:
        return DecodingOptions(
            eos_ids=stop_ids(self.tokenizer, self.reference, self.config.prompt_format),
            pad_id=self.pad_id,
            max_new_tokens=self.study.evaluation.max_new_tokens,
            batch_rows=batch_rows,
        )
