"""Contests: one policy's responses against those of its opponents, by a judge's logits."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from prefgrid.judges import compared


@dataclass(frozen=True)
class Contest:
    """logits: float64 [P, C, C] of (l_ij − l_ji)/2 among the candidates to each of P prompts: `own` of the policy,
    then `each` of every opponent, the base first, then iterates 1, 2, …"""

    logits: np.ndarray
    own: int
    each: int

    def against(self, opponent: int) -> np.ndarray:
        """[P, own, each] of the policy against opponent number `opponent`; 0 is the base."""
        start = self.own + opponent * self.each
        return self.logits[:, : self.own, start : start + self.each]

    def among(self, opponent: int) -> np.ndarray:
        """[P, each, each] of opponent number `opponent` among its own; 0 is the base."""
        start = self.own + opponent * self.each
        of = slice(start, start + self.each)
        return self.logits[:, of, of]

    def among_own(self) -> np.ndarray:
        """[P, own, own]."""
        return self.logits[:, : self.own, : self.own]


def read(
    table: pd.DataFrame, prompt_ids: Sequence[str], own: int, each: int, opponents: int
) -> Contest:
    """From the one file of a table of `judges.compared.frame`.

    ValueError unless it has these prompts in this order, each with own + opponents·each candidates.
    """
    candidates = own + opponents * each
    matrices = list(compared.matrices(table, file=0).values())
    found = table.drop_duplicates("row")["prompt_id"].tolist()
    if found != list(prompt_ids) or any(len(one) != candidates for one in matrices):
        raise ValueError(
            f"a contest of {len(found)} prompts is not one of {candidates} responses to each of these "
            f"{len(prompt_ids)} prompts: it was made from other samples"
        )
    return Contest(np.stack(matrices), own, each)
