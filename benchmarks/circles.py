"""What a scalar cannot say: circles of preferences, learned by Bradley-Terry (BT) and general preference
models (GPM), from features instead of text: `python -m benchmarks.circles`.

The three generators of the paper's experiments (arXiv 2410.02197), at sizes for a CPU: n-circles with free
embeddings, where BT ends at equal rewards; triples of responses that beat each other by different aspects,
four sets, measured on the edges that were learned; and circles of types that generalise, measured on new
pairs. Accuracies of all seeds together, with 95 % Wilson intervals over edges. BT's best are equal rewards,
which say nothing; a strict order of the responses gets some edges more, though it loses more by the others.
"""

import math
from collections.abc import Callable, Sequence
from itertools import combinations, permutations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prefgrid.limits.preference_models import UNGATED
from prefgrid.models.preference import GATES, Shape, skew_products
from prefgrid.statistics.intervals import wilson_interval
from prefgrid.statistics.intransitivity import gains, most_by_scores

SEEDS = 3
# BT's rewards, and embeddings of the paper.
BT = Shape(1, UNGATED, False, 1.0)
ASPECTS = ("instruction_following", "honesty", "truthfulness", "helpfulness")
# Differences of rewards below this are ties: free rewards on a circle end equal but for rounding.
TIE = 1e-3


class Learner(nn.Module):
    """Embeddings of features by an MLP, with the heads of a preference model."""

    def __init__(self, shape: Shape, features: int, prompt_features: int, hidden: int) -> None:
        super().__init__()
        self.shape, self.hidden = shape, hidden
        width = features + prompt_features
        self.body = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU()
        )
        self.value_head = nn.Linear(hidden, shape.dimension, bias=False)
        gated = shape.gate != UNGATED
        self.prompt_head = nn.Linear(prompt_features, shape.pairs, bias=False) if gated else None

    def forward(self, prompt: Tensor, first: Tensor, second: Tensor) -> Tensor:
        """[N] of s; features [N, …]."""
        scales = None
        if self.prompt_head is not None:
            scales = GATES[self.shape.gate](self.prompt_head(prompt), prompt.shape[1])
        sides = (self._embedded(prompt, one) for one in (first, second))
        return skew_products(*sides, scales)

    def _embedded(self, prompt: Tensor, response: Tensor) -> Tensor:
        v = self.value_head(self.body(torch.cat([prompt, response], 1)))
        return F.normalize(v, dim=1) if self.shape.normalize else v


def trained(
    model: nn.Module, rows: tuple[Tensor, ...], labels: Tensor, epochs: int, batch_size: int
) -> None:
    """AdamW on −log σ((2z−1)·s/τ) of labels z."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(epochs):
        for part in torch.randperm(len(labels)).split(batch_size):
            logits = model(*(row[part] for row in rows)) / model.shape.temperature
            loss = F.binary_cross_entropy_with_logits(logits, labels[part])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def right(s: Tensor) -> float:
    """Edges whose first won, ties half."""
    return (s > TIE).sum().item() + 0.5 * (s.abs() <= TIE).sum().item()


def circle(shape: Shape, n: int, steps: int = 3000) -> tuple[float, int]:
    """(edges said rightly, edges) of an n-circle, by free embeddings."""
    v = torch.randn(n, shape.dimension, requires_grad=True)
    adam = torch.optim.Adam([v], lr=0.02)
    first = torch.arange(n)
    for _ in range(steps):
        unit = F.normalize(v, dim=1) if shape.normalize else v
        s = skew_products(unit[first], unit[(first + 1) % n])
        adam.zero_grad()
        F.softplus(-s / shape.temperature).mean().backward()
        adam.step()
    return right(s.detach()), n


def aspect_triples(left_out: str, count: int = 360) -> tuple[Tensor, Tensor, Tensor]:
    """Features of prompt, winner and loser of 3·`count` edges: A ≻ B, B ≻ C, C ≻ A by one aspect each."""
    aspects = [number for number, name in enumerate(ASPECTS) if name != left_out]
    prompts, firsts, seconds = [], [], []
    while len(prompts) < 3 * count:
        ratings = torch.randint(1, 6, (4, len(ASPECTS)))
        triple = next(
            (
                three
                for three in permutations(range(4), 3)
                if all(
                    ratings[three[k], aspect] > ratings[three[(k + 1) % 3], aspect]
                    for k, aspect in enumerate(aspects)
                )
            ),
            None,
        )
        if triple is None:
            continue
        features = torch.cat([torch.randn(4, 28), (ratings - 3) / math.sqrt(2)], 1)
        prompts += [torch.randn(32)] * 3
        firsts += [features[triple[k]] for k in range(3)]
        seconds += [features[triple[(k + 1) % 3]] for k in range(3)]
    return torch.stack(prompts), torch.stack(firsts), torch.stack(seconds)


def triples(shape: Shape, left_out: str, epochs: int = 60) -> tuple[float, int]:
    rows = aspect_triples(left_out)
    model = Learner(shape, 32, 32, hidden=128)
    trained(model, rows, torch.ones(len(rows[0])), epochs, batch_size=32)
    with torch.no_grad():
        return right(model(*rows)), len(rows[0])


def types(shape: Shape, n: int, rows: int = 4000, new: int = 2000) -> tuple[float, int]:
    """On new pairs of different types z; P(i ≻ j) = σ(4 sin(2π(z_j − z_i)/n))."""
    centroids = torch.randn(n, 16)

    def drawn(count: int) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
        z = torch.randint(n, (count, 2))
        first, second = (centroids[z[:, side]] + 0.3 * torch.randn(count, 16) for side in (0, 1))
        logits = 4 * torch.sin(2 * math.pi * (z[:, 1] - z[:, 0]) / n)
        return (torch.zeros(count, 1), first, second), logits

    learned, logits = drawn(rows)
    model = Learner(shape, 16, 1, hidden=64)
    trained(model, learned, torch.bernoulli(logits.sigmoid()), epochs=20, batch_size=32)
    tested, logits = drawn(new)
    told = logits.abs() > TIE
    with torch.no_grad():
        return right((model(*tested) * logits.sign())[told]), int(told.sum())


def most_of_a_score(edges: Sequence[tuple[int, int]]) -> float:
    """The share of edges, (winner, loser) each, that the best order of the responses gets right."""
    first, second = np.array(edges).T
    return most_by_scores(gains(first, second, np.ones(len(edges)))) / len(edges)


def of_circle(n: int) -> list[tuple[int, int]]:
    return [(i, (i + 1) % n) for i in range(n)]


def of_types(n: int) -> list[tuple[int, int]]:
    """A type beats those up to half a turn ahead; n is odd."""
    return [(i, j) if (j - i) % n <= n // 2 else (j, i) for i, j in combinations(range(n), 2)]


def compared(
    name: str, measure: Callable[[Shape], tuple[float, int]], gpm: Shape, most: float
) -> str:
    """A row of the table."""
    cells = [name]
    for shape in (BT, gpm):
        found = []
        for seed in range(SEEDS):
            torch.manual_seed(seed)
            found.append(measure(shape))
        successes, trials = np.sum(found, axis=0)
        one = wilson_interval(successes, round(trials))
        cells.append(f"{one.mean:.3f} [{one.low:.3f}, {one.high:.3f}]")
    return f"| {' | '.join([*cells, f'{most:.3f}', str(gpm.dimension) + ' ' + gpm.gate])} |"


def main() -> None:
    torch.set_num_threads(1)
    print("| circle | BT | GPM | most a score can | d, gate |\n|---|---|---|---|---|")
    free = Shape(4, UNGATED, True, 0.1)
    for n in (3, 4, 5, 7):
        most = most_of_a_score(of_circle(n))
        print(compared(f"{n}-circle", lambda shape, n=n: circle(shape, n), free, most), flush=True)
    gated = Shape(6, "softmax", True, 0.1)
    for aspect in ASPECTS:
        name = f"aspects without {aspect.replace('_', ' ')}"
        measure = lambda shape, aspect=aspect: triples(shape, aspect)  # noqa: E731
        print(compared(name, measure, gated, most_of_a_score(of_circle(3))), flush=True)
    for n, d in ((3, 2), (5, 4)):
        shape = Shape(d, UNGATED, True, 0.25)
        measure = lambda shape, n=n: types(shape, n)  # noqa: E731
        print(compared(f"{n} types", measure, shape, most_of_a_score(of_types(n))), flush=True)


if __name__ == "__main__":
    main()
