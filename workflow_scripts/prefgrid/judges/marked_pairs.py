"""The tokens of two candidates and their source as PairRM reads them, each part behind its marker.

    [CLS] <|source|> x [SEP] [CLS] <|candidate1|> y_i [SEP] [CLS] <|candidate2|> y_j [SEP]

Each part is what the tokenizer makes of marker and text, special tokens included, as in the published
`tokenize_pair` (llm-blender/PairRM-hf). In three things ours differs: a source that is too long loses
its start there its end (a dialogue's last turn is what is answered), budgets are per prompt and not per
batch, and what a text spells like a special token is a space, as LLM-Blender's collator has it of [SEP].
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prefgrid.models.pair_ranker import MARKERS


@dataclass(frozen=True)
class Row:
    """One ordered pair: its token ids, and where source, candidate 1 and candidate 2 have their marker."""

    tokens: list[int]
    markers: tuple[int, int, int]


@dataclass
class Cut:
    """How many sources lost their start and how many candidates their end."""

    sources: int = 0
    candidates: int = 0


def check_tokenizer(folder: Any, tokenizer: Any, config: Any) -> None:
    """ValueError unless the tokenizer writes each marker as the one token that the model's config names."""
    for key, marker in MARKERS.items():
        found = tokenizer(marker, add_special_tokens=False)["input_ids"]
        if len(found) != 1 or found[0] == tokenizer.unk_token_id:
            raise ValueError(
                f"{folder}: its tokenizer lacks the marker {marker}, by which a pair ranker tells source "
                "and candidates apart; allowed: the tokenizer that the model was published with"
            )
        if found[0] != getattr(config, key):
            raise ValueError(
                f"{folder}: its tokenizer writes {marker} as {found[0]}, but config.json says {key} = "
                f"{getattr(config, key)}: it is another model's tokenizer"
            )


class PairWriter:
    """Writes rows of at most `source_tokens` + 2·`candidate_tokens`, special tokens included.

    What a source leaves of its budget goes to both candidates in equal parts, so they are cut by what their
    own prompt takes and by nothing else. An empty text is a part without one: marker and separator.
    """

    def __init__(self, tokenizer: Any, source_tokens: int, candidate_tokens: int) -> None:
        """ValueError for budgets that leave no text any room."""
        self.tokenizer = tokenizer
        self.source_tokens = source_tokens
        self.row_tokens = source_tokens + 2 * candidate_tokens
        self.special = sorted({*MARKERS.values(), *tokenizer.all_special_tokens}, key=len)[::-1]
        source, first, second = MARKERS.values()
        self.source, self.candidates = (
            self._frame(source),
            (self._frame(first), self._frame(second)),
        )
        for name, budget in (("source", source_tokens), ("candidate", candidate_tokens)):
            least = len(self.source[0]) + len(self.source[1]) + 1
            if budget < least:
                raise ValueError(
                    f"{name}_tokens = {budget} leaves no room for a text between its special tokens; "
                    f"allowed: at least {least}"
                )

    def rows(self, prompt: str, responses: Sequence[str], cut: Cut) -> dict[tuple[int, int], Row]:
        """(i, j) → the row that shows response i first and j second, i != j; `cut` is counted up."""
        source = self._text(prompt, MARKERS["source_prefix_id"], self.source)
        room = self.source_tokens - sum(map(len, self.source))
        cut.sources += len(source) > room
        head = [*self.source[0], *source[len(source) - min(len(source), room) :], *self.source[1]]
        budget = (self.row_tokens - len(head)) // 2
        room = budget - sum(map(len, self.candidates[0]))
        # The marker's text stands before the candidate's in either place, and both are one token.
        texts = [
            self._text(one, MARKERS["cand1_prefix_id"], self.candidates[0]) for one in responses
        ]
        cut.candidates += sum(len(one) > room for one in texts)
        first, second = (
            [[*begin, *one[:room], *end] for one in texts] for begin, end in self.candidates
        )
        start = len(self.source[0]) - 1
        offset = len(self.candidates[0][0]) - 1
        return {
            (i, j): Row(
                [*head, *first[i], *second[j]],
                (start, len(head) + offset, len(head) + len(first[i]) + offset),
            )
            for i in range(len(responses))
            for j in range(len(responses))
            if i != j
        }

    def _frame(self, marker: str) -> tuple[list[int], list[int]]:
        """What stands before a text, its marker last, and what behind."""
        [token] = self.tokenizer(marker, add_special_tokens=False)["input_ids"]
        whole = self.tokenizer(marker)["input_ids"]
        place = whole.index(token) + 1
        return whole[:place], whole[place:]

    def _text(self, text: str, marker: str, frame: tuple[list[int], list[int]]) -> list[int]:
        """Token ids of a text where it stands behind its marker."""
        for special in self.special:
            text = text.replace(special, " ")
        whole = self.tokenizer(marker + text)["input_ids"]
        before, behind = frame
        return whole[len(before) : len(whole) - len(behind)]
