"""The small grid of config.yaml: ours against the straightforward procedure of `published`.

Models, prompts, pairs and policies are those of a finished `make run`. Both sides are measured on
slices in this process, on one thread, and scaled to the grid; both make the same samples, take the
same optimizer steps and evaluate the same prompts at the same β. The published PSPO fits its link 10
times whatever the epochs are; ours once an epoch after the first, and at the end. The published scan
has no end token: it decodes every response to the limit, and drops nothing. What it would cost with
one has a row of its own.

Measured, for two cells of each method, smallest and largest n (n₀ is the smallest):
    naive  training steps; indices of pairs one by one; prompts decoded at every β by the cell's own
           policy; scores; held-out indices; sampled pairs.
    ours   the whole training of n₀; prompts scanned with the cell's own policy, judged, their
           held-out indices; sampled and scored pairs, reference log-probabilities, those of the
           held-out pairs too.
Extrapolated, with c = seeds × shifts:
    naive  samples     c · Σ_n n · (sample and score a pair): for every shift and n, for all methods
           training    c · Σ_n [steps(n) · step, and for PSPO 10 · n · (a pair one by one)]
           evaluation  c · Σ_n prompts · (a prompt at every β, scores, held-out indices)
    ours   samples     seeds · max n · (sample and score a pair, its reference log-probabilities)
                       + prompts · (held-out pairs of a prompt under the reference)
           training    c · Σ_n n / n₀ · (training of n₀)
           evaluation  c · Σ_n prompts · (a prompt's scan, scores, held-out indices)
Left out on both sides: the world's models, the reference's own evaluation samples, figures, starting
processes and loading models.
"""

from collections.abc import Iterable

import torch

from benchmarks import published
from benchmarks.clock import seconds
from benchmarks.finished_grid import FinishedGrid
from benchmarks.pipeline import Pipeline
from benchmarks.table import Row
from prefgrid.sampling.request import stop_ids
from prefgrid.training.batches import DataOrder

# The slices: optimizer steps, pairs one by one, prompts decoded and pairs sampled.
STEPS, ONE_BY_ONE, DECODED, SAMPLED = 2, 20, 4, 8


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
    def evaluation(self, method: str, n: int, *, to_the_end_token: bool) -> float:
        grid, evaluation = self.grid, self.grid.study.evaluation
        models = grid.policy(method, n), grid.reference
        prompts = [grid.tokens(row["prompt"]) for row in grid.eval_prompts[:DECODED]]
        eos_ids = (
            stop_ids(grid.tokenizer, grid.reference, grid.config.prompt_format)
            if to_the_end_token
            else ()
        )
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


def rows() -> list[Row]:
    """Two cells of each method, then the grid by parts and in all."""
    grid = FinishedGrid()
    study, ours, naive = grid.study, Pipeline(grid), Naive(grid)
    ends = min(study.n), max(study.n)
    cells = [(method, n) for method in study.methods for n in study.n]
    training = {cell: (ours.training(*cell), naive.training(*cell)) for cell in cells}
    scanned = {cell: ours.evaluation(*cell) for cell in cells}
    evaluation, stopped = (
        {cell: (scanned[cell], naive.evaluation(*cell, to_the_end_token=stop)) for cell in cells}
        for stop in (False, True)
    )
    found = []
    for method in study.methods:
        total = _sum(part[method, n] for part in (training, evaluation) for n in ends)
        found.append(_row(f"{method}, training and evaluation at n {ends[0]} and {ends[1]}", total))

    samples = (
        len(study.seeds) * ours.samples() + ours.held_out_reference(),
        len(study.seeds) * naive.samples(),
    )
    repeats = len(study.seeds) * len(study.shifts)
    trained, decoded, kinder = (
        _sum(list(measured.values()) * repeats) for measured in (training, evaluation, stopped)
    )
    stop = "if it stopped at the end token"
    return [
        *found,
        _row("small grid, samples", samples),
        _row("small grid, training", trained),
        _row("small grid, evaluation", decoded),
        _row(f"small grid, evaluation, {stop}", kinder),
        _row(f"small grid in all, {stop}", _sum([samples, trained, kinder])),
        _row("small grid in all", _sum([samples, trained, decoded]), target=">= 10"),
    ]


def _sum(pairs: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """(ours, naive) of all together."""
    ours, naive = zip(*pairs, strict=True)
    return sum(ours), sum(naive)


def _row(what: str, total: tuple[float, float], target: str = "reported") -> Row:
    ours, naive = total
    return Row(f"naive: {what}", f"{ours:.1f} s", f"{naive:,.0f} s (naive)", naive / ours, target)
