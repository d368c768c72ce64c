"""The paper's three synthetic circles, small: what Bradley-Terry cannot say and embeddings can."""

import itertools
import math
from pathlib import Path

import pytest
import torch

from prefgrid.models.preference import Shape

REPOSITORY = Path(__file__).resolve().parents[2]
EMBEDDINGS = Shape(4, "none", True, 0.1)


@pytest.fixture(autouse=True)
def circles(monkeypatch):
    monkeypatch.syspath_prepend(REPOSITORY)
    from benchmarks import circles

    torch.manual_seed(0)
    return circles


@pytest.mark.parametrize("n", [3, 5])
def test_an_n_circle(circles, n):
    assert circles.circle(EMBEDDINGS, n, steps=600) == (n, n)
    # Equal rewards: every edge is a tie.
    assert circles.circle(circles.BT, n, steps=600) == (n / 2, n)


def test_aspect_triples_are_circles_of_three_aspects(circles):
    prompt, winner, loser = circles.aspect_triples("honesty", count=20)
    assert len(prompt) == 60
    aspects = [28, 30, 31]
    for edge in range(60):
        assert winner[edge, aspects[edge % 3]] > loser[edge, aspects[edge % 3]]
        following = edge + 1 if edge % 3 < 2 else edge - 2
        assert torch.equal(loser[edge], winner[following])
        assert torch.equal(prompt[edge], prompt[following])


def test_aspect_triples_are_learned_by_embeddings_alone(circles, monkeypatch):
    few = circles.aspect_triples
    monkeypatch.setattr(circles, "aspect_triples", lambda left_out: few(left_out, count=60))
    gpm, edges = circles.triples(Shape(6, "softmax", True, 0.1), "honesty", epochs=60)
    bt, _ = circles.triples(circles.BT, "honesty", epochs=60)
    assert edges == 180 and gpm >= 0.98 * edges
    assert bt < 2 / 3 * edges


def test_a_circle_of_types_generalises(circles):
    shape = Shape(2, "none", True, 0.25)
    gpm, edges = circles.types(shape, 3, rows=2000, new=500)
    bt, _ = circles.types(circles.BT, 3, rows=2000, new=500)
    assert gpm >= 0.98 * edges
    assert 0.35 * edges < bt < 0.65 * edges


def test_ties_count_half(circles):
    assert circles.right(torch.tensor([1.0, -1.0, 0.0, 1e-5])) == 2.0


def test_a_row_of_the_table_has_both_intervals(circles):
    row = circles.compared(
        "all", lambda shape: (9.0 if shape is circles.BT else 10.0, 10), EMBEDDINGS, 0.75
    )
    assert row.startswith("| all | 0.900 [0.744, 0.965] | 1.000 [0.886, 1.000] | 0.750 |")


@pytest.mark.parametrize("n", [3, 4, 5, 7])
def test_a_strict_order_gets_all_but_one_edge_of_a_circle(circles, n):
    assert circles.most_of_a_score(circles.of_circle(n)) == pytest.approx((n - 1) / n)


@pytest.mark.parametrize("n", [3, 5])
def test_the_best_order_of_types_is_that_of_all_orders(circles, n):
    edges = circles.of_types(n)
    for i, j in edges:
        assert math.sin(2 * math.pi * (j - i) / n) > 0
    best = max(sum(p[i] < p[j] for i, j in edges) for p in itertools.permutations(range(n)))
    assert circles.most_of_a_score(edges) == pytest.approx(best / len(edges))
