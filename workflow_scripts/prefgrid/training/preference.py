"""Training of a preference model: comparisons of K responses to a prompt, as rows of the one loop."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from prefgrid.judges.preference_states import Reading, read
from prefgrid.logprobs.agreement import check_log_probs
from prefgrid.logprobs.ragged import as_table
from prefgrid.logprobs.sequence import token_logps
from prefgrid.models.preference import PreferenceModel, skew_products
from prefgrid.objectives.preference_losses import columns
from prefgrid.training.forward import Forward
from prefgrid.training.options import TrainingOptions
from prefgrid.training.preference_rows import ComparedGroup
from prefgrid.training.processes import Processes


@dataclass(frozen=True)
class Annealing:
    """τ starts `factor` times as high and falls geometrically to itself over the first `steps` steps.

    Under a low temperature the first logits, of nothing yet, are large; the quickest way to a lower loss is
    to make all embeddings alike. Of a circle each response then wins as often as it loses, and the gradient
    is zero: a saddle, which few runs leave.
    """

    factor: float
    steps: float

    def heat(self, step: int) -> float:
        """By what τ is multiplied at step `step` (0-based)."""
        return self.factor ** max(0.0, 1 - step / self.steps)


@dataclass
class PreferenceForward(Forward):
    """Of each group its E comparisons: (s − m)/τ of the better against the worse, then what a language-model
    term needs (`preference_losses`). One forward for all responses of a group, and each read once."""

    model: PreferenceModel
    groups: Sequence[ComparedGroup]
    options: TrainingOptions
    pad_id: int
    ptx_loss: str | None = None
    annealing: Annealing | None = None
    step: int = 0
    processes: Processes = Processes()
    sampling_logps: None = None

    def __post_init__(self) -> None:
        counts = torch.tensor([len(group.comparisons) for group in self.groups])
        flat = [(group, one) for group in self.groups for one in group.comparisons]
        parts = columns(self.ptx_loss)
        targets = as_table(torch.tensor([one.target for _, one in flat]), counts)
        self.targets = torch.cat([targets] + [torch.zeros_like(targets)] * (parts - 1), 1)
        lengths = [
            [1] * len(flat),
            [len(group.responses[one.better]) for group, one in flat],
            [len(group.responses[one.worse]) for group, one in flat],
        ]
        tables = [as_table(torch.tensor(column), counts) for column in lengths[:parts]]
        self.lengths = torch.cat(tables, 1)
        self.place(self.model.device, self.processes)

    @property
    def longest(self) -> int:
        return max(len(one.prompt_tokens) + max(map(len, one.responses)) for one in self.groups)

    def check(self) -> None:
        """`check_log_probs` of the first response: a family that we read wrongly has other states too."""
        first = self.groups[0]
        tokens = [*first.prompt_tokens, *first.responses[0]]
        check_log_probs(self.model.backbone, tokens, self.pad_id)

    def refresh(self, step: int) -> bool:
        """The rows stay; the temperature may not."""
        self.step = step
        return False

    def described(self, row: int) -> dict[str, Any]:
        group = self.groups[row]
        return {
            "prompt_tokens": list(group.prompt_tokens),
            "responses": [list(response) for response in group.responses],
            "comparisons": [[one.better, one.worse, one.target] for one in group.comparisons],
        }

    def micro_batch(self, rows: Sequence[int]) -> Tensor:
        groups = [self.groups[row] for row in rows]
        with self.autocast():
            reading = read(
                self.model,
                [(group.prompt_tokens, group.responses) for group in groups],
                pad_id=self.pad_id,
            )
        device = reading.embeddings.device
        counts = torch.tensor([len(group.comparisons) for group in groups])
        better, worse = (_numbers(groups, side) for side in ("better", "worse"))
        scales = reading.scales
        if scales is not None:
            scales = scales[torch.arange(len(groups)).repeat_interleave(counts).to(device)]
        products = skew_products(reading.embeddings[better], reading.embeddings[worse], scales)
        margins = torch.tensor([one.margin for group in groups for one in group.comparisons])
        heat = 1.0 if self.annealing is None else self.annealing.heat(self.step)
        logits = (products - margins.to(device)) / (self.model.temperature * heat)
        values = [logits]
        parts = columns(self.ptx_loss)
        if parts > 1:
            asked = [better, worse][: parts - 1]
            numbers = sorted({number for places in asked for number in places})
            logp_sums = self._logp_sums(groups, reading, numbers)
            values += [logp_sums[places] for places in asked]
        width = self.lengths.shape[1] // parts
        return torch.cat([as_table(column, counts, width) for column in values], 1)

    def _logp_sums(
        self, groups: Sequence[ComparedGroup], reading: Reading, numbers: list[int]
    ) -> Tensor:
        """float32 [R] in nats: log π of the responses with these numbers, from the states that were read; 0 of
        others."""
        device = reading.hidden.device
        texts = [response for group in groups for response in group.responses]
        ends = torch.from_numpy(reading.layout.lengths).cumsum(0)
        # The states of a response begin with that before its first token, and nothing follows its last.
        places = torch.cat(
            [
                torch.arange(int(ends[one]) - len(texts[one]) - 1, int(ends[one]) - 1)
                for one in numbers
            ]
        )
        hidden = reading.hidden[torch.from_numpy(reading.layout.states)[places].to(device)]
        targets = torch.tensor([token for one in numbers for token in texts[one]])
        with self.autocast():
            found = token_logps(self.model, hidden, targets.to(device))
        sums = as_table(found, torch.tensor([len(texts[one]) for one in numbers])).sum(1)
        return sums.new_zeros(len(texts)).index_put((torch.tensor(numbers, device=device),), sums)


def _numbers(groups: Sequence[ComparedGroup], side: str) -> list[int]:
    """Of the better or the worse response of every comparison, among the responses of all groups."""
    found, start = [], 0
    for group in groups:
        found += [start + getattr(one, side) for one in group.comparisons]
        start += len(group.responses)
    return found
