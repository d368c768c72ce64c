"""The small grid of config.yaml: ours against the straightforward procedure of `published`.

Models, prompts, pairs and policies are those of a finished `make run`. Both sides are measured on
slices in this process, on one thread, and scaled to the grid; both make the same samples, take the
same optimizer steps and evaluate the same prompts at the same β. The published PSPO fits its link 10
times whatever the epochs are; ours once an epoch after the first, and at the end.

Measured, for two cells of each method, smallest and largest n (n₀ is the smallest):
    naive  training steps; indices of pairs one by one; prompts decoded at every β by the cell's own
           policy; scores; held-out indices; sampled pairs.
    ours   the whole training of n₀; prompts scanned with the cell's own policy, judged, their
           held-out indices; sampled and scored pairs, reference log-probabilities.
Extrapolated, with c = seeds × shifts:
    naive  samples     c · Σ_n n · (sample and score a pair): for every shift and n, for all methods
           training    c · Σ_n [steps(n) · step, and for PSPO 10 · n · (a pair one by one)]
           evaluation  c · Σ_n prompts · (a prompt at every β, scores, held-out indices)
    ours   samples     seeds · max n · (sample and score a pair, its reference log-probabilities)
           training    c · Σ_n n / n₀ · (training of n₀)
           evaluation  c · Σ_n prompts · (a prompt's scan, scores, held-out indices)
Left out on both sides: the world's models, the reference's own evaluation samples, figures, starting
processes and loading models.
"""

import tempfile
from pathlib import Path

import torch

from benchmarks import published
from benchmarks.clock import seconds
from benchmarks.finished_grid import FinishedGrid
from benchmarks.table import Row, print_table
from prefgrid import store
from prefgrid.evaluation.beta_scan import scan
from prefgrid.evaluation.indices import held_out_indices
from prefgrid.logprobs.table import dataset_logps
from prefgrid.sampling.request import stop_ids
from prefgrid.sampling.transformers_backend import sample_responses
from prefgrid.seeding import uniforms
from prefgrid.training.batches import DataOrder
from prefgrid.training.loop import train

# The slices: of the naive side optimizer steps, pairs one by one, prompts decoded and pairs sampled;
# of ours prompts scanned and pairs sampled.
STEPS, ONE_BY_ONE, DECODED, SAMPLED = 2, 20, 4, 8
OUR_SCANNED, OUR_SAMPLED = 50, 200


class Naive:
    """Seconds of the straightforward procedure."""

    def __init__(self, grid: FinishedGrid) -> None:
        self.grid = grid
        rows = grid.preferences(min(grid.study.n))[:SAMPLED]
        prompts = [row["prompt_tokens"] for row in rows]
        limit = grid.study.generation.max_new_tokens
        sampling = seconds(
            lambda: published.sample_pairs(grid.reference, prompts, limit, grid.pad_id), warm=True
        )
        dialogues = [(row["prompt"], row[f"response_{side}"]) for row in rows for side in (0, 1)]
        self.score = seconds(lambda: self._score(dialogues), warm=True) / len(dialogues)
        self.pair = sampling / len(prompts) + 2 * self.score

    def _score(self, dialogues: list[tuple[str, str]]) -> None:
        for start in range(0, len(dialogues), published.SCORED):
            part = dialogues[start : start + published.SCORED]
            self.grid.judge.score(*map(list, zip(*part, strict=True)))

    def samples(self) -> float:
        """Of one seed."""
        return len(self.grid.study.shifts) * sum(self.grid.study.n) * self.pair

    def training(self, method: str, n: int) -> float:
        grid = self.grid
        options, objective, policy = grid.untrained(method, n)
        policy.train()
        groups, order = grid.groups(n), DataOrder(objective.schedule, options.batch_size)
        weights = [weight for weight in policy.parameters() if weight.requires_grad]
        optimizer = torch.optim.AdamW(weights, lr=options.learning_rate)
        models = policy, grid.reference

        def steps() -> None:
            for step in range(STEPS):
                published.training_step(
                    *models, optimizer, objective, groups, order.rows(step), grid.pad_id
                )

        total = objective.schedule.steps * seconds(steps, warm=True) / STEPS
        if grid.config.methods[method].objective == "pspo":
            some = groups[:ONE_BY_ONE]
            alone = seconds(lambda: published.indices_one_by_one(*models, some, grid.pad_id))
            total += published.REFITS * n * alone / ONE_BY_ONE
        return total

    @torch.no_grad()
    def evaluation(self, method: str, n: int) -> float:
        grid, evaluation = self.grid, self.grid.study.evaluation
        models = grid.policy(method, n), grid.reference
        prompts = [grid.tokens(row["prompt"]) for row in grid.eval_prompts[:DECODED]]
        eos_ids = stop_ids(grid.tokenizer, grid.reference)
        limit = evaluation.max_new_tokens

        def decode() -> None:
            for beta in evaluation.beta_grid:
                published.decode_at_beta(*models, prompts, 1 / beta, limit, eos_ids, grid.pad_id)

        pairs = grid.groups(n)[: published.MICRO_BATCH]
        indices = seconds(lambda: published.log_ratios(*models, pairs, grid.pad_id)) / len(pairs)
        scores = len(evaluation.beta_grid) * self.score
        a_prompt = (
            evaluation.samples * (seconds(decode, warm=True) / DECODED + scores)
            + evaluation.index_pairs_per_prompt * indices
        )
        return evaluation.prompts * a_prompt


class Ours:
    """Seconds of the same by the pipeline's own functions."""

    def __init__(self, grid: FinishedGrid) -> None:
        self.grid = grid
        self._training: dict[str, float] = {}

    def samples(self) -> float:
        """Of one seed."""
        grid = self.grid
        rows = grid.preferences(max(grid.study.n))[:OUR_SAMPLED]
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
            arguments = {"pad_id": grid.pad_id, "reference_logps": logps, **files}
            return seconds(lambda: train(policy, groups, objective, options, **arguments))

    def evaluation(self, method: str, n: int) -> float:
        grid, evaluation = self.grid, self.grid.study.evaluation
        policy = grid.policy(method, n)
        link = store.read_json(grid.policy_folder(method, n) / "link.json")
        prompts = grid.eval_prompts[:OUR_SCANNED]
        tokens = {row["prompt_id"]: grid.tokens(row["prompt"]) for row in prompts}
        samples = grid.reference_samples[grid.reference_samples["prompt_id"].isin(tokens.keys())]

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
            held_out_indices(
                policy,
                samples,
                tokens,
                pairs_per_prompt=evaluation.index_pairs_per_prompt,
                reward_scale=1.0,
                link=link,
                link_shift=grid.study.shifts[0],
                link_temperature=grid.study.link_temperature,
                pad_id=grid.pad_id,
                batch_size=grid.config.logp_batch_size,
            )

        return seconds(evaluate) / len(prompts) * evaluation.prompts


def rows() -> list[Row]:
    """Two cells of each method, then the grid by parts and in all."""
    grid = FinishedGrid()
    study, sides = grid.study, (Ours(grid), Naive(grid))
    both = {min(study.n), max(study.n)}
    cells = {
        (method, n): [(side.training(method, n), side.evaluation(method, n)) for side in sides]
        for method in study.methods
        for n in study.n
    }
    found = [
        _row(f"naive: {method}, training and evaluation at n {min(both)} and {max(both)}", *totals)
        for method in study.methods
        for totals in [[sum(sum(cells[method, n][side]) for n in both) for side in (0, 1)]]
    ]
    repeats = len(study.seeds) * len(study.shifts)
    parts = {"samples": [len(study.seeds) * side.samples() for side in sides]}
    for number, part in enumerate(("training", "evaluation")):
        parts[part] = [
            repeats * sum(cell[side][number] for cell in cells.values()) for side in (0, 1)
        ]
    found += [_row(f"naive: small grid, {part}", *totals) for part, totals in parts.items()]
    ours, naive = map(sum, zip(*parts.values(), strict=True))
    return [*found, _row("naive: small grid in all", ours, naive, target=">= 10")]


def _row(what: str, ours: float, naive: float, target: str = "reported") -> Row:
    return Row(what, f"{ours:.1f} s", f"{naive:,.0f} s (naive)", naive / ours, target)


def main() -> None:
    torch.set_num_threads(1)
    store.log = lambda *_: None
    print_table(rows())


if __name__ == "__main__":
    main()
