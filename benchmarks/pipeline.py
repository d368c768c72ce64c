"""What the small grid costs our pipeline, by its own functions: the side that `naive` compares."""

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.clock import seconds
from benchmarks.finished_grid import FinishedGrid
from prefgrid.evaluation.beta_scan import scan
from prefgrid.evaluation.held_out import HeldOutPairs, held_out_pairs
from prefgrid.evaluation.indices import held_out_indices
from prefgrid.files import reading, records
from prefgrid.logprobs.table import dataset_logps
from prefgrid.sampling.transformers_backend import sample_responses
from prefgrid.seeding import uniforms
from prefgrid.training.loop import train
from prefgrid.training.step import PolicyForward

# The slices: prompts scanned and pairs sampled.
SCANNED, SAMPLED = 50, 200


class Pipeline:
    """Seconds of each part of a grid."""

    def __init__(self, grid: FinishedGrid) -> None:
        self.grid = grid
        self._training: dict[str, float] = {}

    def samples(self) -> float:
        """Of one seed."""
        grid = self.grid
        rows = grid.preferences(max(grid.study.n))[:SAMPLED]
        prompts = [row["prompt_tokens"] for row in rows]
        width = grid.study.generation.max_new_tokens
        noise = uniforms(0, "benchmark", [(row,) for row in range(2 * len(rows))], width)
        responses = [(row["tokens_0"], row["tokens_1"]) for row in rows]

        def make() -> None:
            options = grid.decoding(grid.study.generation.batch_rows)
            sample_responses(grid.reference, prompts, noise, options)
            texts = [row[f"response_{side}"] for row in rows for side in (0, 1)]
            grid.judge.score([row["prompt"] for row in rows for _ in (0, 1)], texts)
            dataset_logps(
                grid.reference,
                prompts,
                responses,
                pad_id=grid.pad_id,
                batch_size=grid.config.logp_batch_size,
            )

        return seconds(make) / len(rows) * max(grid.study.n)

    def training(self, method: str, n: int) -> float:
        smallest = min(self.grid.study.n)
        if method not in self._training:
            self._training[method] = self._train(method, smallest)
        return self._training[method] * n / smallest

    def _train(self, method: str, n: int) -> float:
        grid = self.grid
        options, objective, policy = grid.untrained(method, n)
        groups = grid.groups(n)
        tokens = [group.prompt_tokens for group in groups], [group.responses for group in groups]
        logps, _ = dataset_logps(
            grid.reference, *tokens, pad_id=grid.pad_id, batch_size=grid.config.logp_batch_size
        )
        with tempfile.TemporaryDirectory() as folder:
            files = {name: Path(folder, name) for name in ("metrics_path", "failure_path")}
            forward = PolicyForward(policy, groups, options, grid.pad_id)
            return seconds(lambda: train(forward, objective, reference_logps=logps, **files))

    def held_out_reference(self) -> float:
        """The reference's log-probabilities of all held-out pairs: once for all policies."""
        grid = self.grid
        pairs = self._held_out()
        took = seconds(lambda: self._logps(grid.reference, pairs))
        return took / len(pairs.prompts) * grid.study.evaluation.prompts

    def _held_out(self) -> HeldOutPairs:
        """Of the slice's prompts."""
        shown = {row["prompt_id"] for row in self._scanned()}
        samples = [row for row in self.grid.reference_samples if row["prompt_id"] in shown]
        return held_out_pairs(samples, self.grid.study.evaluation.index_pairs_per_prompt)

    def _scanned(self) -> list[dict[str, Any]]:
        return self.grid.eval_prompts[:SCANNED]

    def _logps(self, model: Any, pairs: HeldOutPairs) -> Any:
        grid = self.grid
        batches = {"pad_id": grid.pad_id, "batch_size": grid.config.logp_batch_size}
        return pairs.logps(model, **batches)[0]

    def evaluation(self, method: str, n: int) -> float:
        grid, evaluation = self.grid, self.grid.study.evaluation
        policy = grid.policy(method, n)
        link = reading.read_json(grid.policy_folder(method, n) / "link.json", records.Link)
        prompts = self._scanned()

        def evaluate() -> None:
            scan(
                policy,
                grid.tokenizer,
                grid.judge,
                prompts,
                betas=evaluation.beta_grid,
                samples=evaluation.samples,
                sign=link["sign"],
                seed=evaluation.seed,
                prompt_format=grid.config.prompt_format,
                options=grid.decoding(evaluation.batch_rows),
            )
            pairs = self._held_out()
            held_out_indices(
                pairs,
                self._logps(policy, pairs),
                pairs.looked_up(grid.reference_sample_logps),
                reward_scale=1.0,
                link=link,
                truth={
                    "shift": grid.study.shifts[0],
                    "temperature": grid.study.link_temperature,
                },
            )

        return seconds(evaluate) / len(prompts) * evaluation.prompts
