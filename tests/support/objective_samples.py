"""Small random batches for the tests of objectives."""

import torch

from prefgrid.objectives import base


def ratios_at(index: torch.Tensor) -> torch.Tensor:
    """Log-ratios [N, 2] whose indices are exactly the given ones: a0 = 0 and a1 = t."""
    return torch.stack([torch.zeros_like(index), index], dim=1)


def batch_at(index, labels, rows=None) -> base.Batch:
    """A batch of `ratios_at` the given indices."""
    index = torch.as_tensor(index, dtype=torch.float32)
    labels = torch.as_tensor(labels, dtype=torch.float32)
    rows = torch.arange(len(labels)) if rows is None else torch.as_tensor(rows)
    ratios = ratios_at(index)
    lengths = torch.full(ratios.shape, 5)
    return base.Batch(rows, ratios, ratios - 30.0, lengths, labels)


def sample(rows: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Indices and labels of `rows` pairs: t ~ N(0, 1.5²), P(z = 1) = σ(t)."""
    generator = torch.Generator().manual_seed(seed)
    index = 1.5 * torch.randn(rows, generator=generator)
    labels = (torch.rand(rows, generator=generator) < torch.sigmoid(index)).float()
    return index, labels


def created(name: str, options: dict, schedule: base.Schedule) -> base.Objective:
    """An objective; one that is told the data's link is told a link with a plateau."""
    told = {"link_shift": 4.0} if name == "true_link" else {}
    return base.create(name, told | options, schedule)


def fitted(name: str, options: dict, index: torch.Tensor, labels: torch.Tensor) -> base.Objective:
    """An objective past its warm start: refreshed with all rows and, if it looks, with one batch.

    The schedule has 10 steps of 1/10 of the rows, one epoch of warm start included.
    """
    rows = len(index)
    objective = created(name, options, base.Schedule(rows, 40, 10, seed=7))
    for step in range(11):
        if objective.wanted_rows(step) is not None:
            objective.update(step, ratios_at(index), labels)
        if step < 10:
            part = slice(step * rows // 10, (step + 1) * rows // 10)
            objective.observe(batch_at(index[part], labels[part], torch.arange(rows)[part]))
    return objective
