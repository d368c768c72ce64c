"""The task: write one whole number, the nearer to a target the better. Few answers, all known."""

import math
import re
from dataclasses import dataclass

# Of an answer and nothing else: ASCII digits, no sign, no leading zero.
GRAMMAR = re.compile(r"0|[1-9][0-9]*")


@dataclass(frozen=True)
class NumberTask:
    """Numbers `lo` to `hi`; one at a distance d from `target` is worth −d/(the largest distance).

    So rewards of numbers lie in [−1, 0], and what is no number of them has `r_invalid`. ValueError
    for a task without such numbers.
    """

    target: int
    lo: int = 1
    hi: int = 100
    r_invalid: float = -1.0

    def __post_init__(self) -> None:
        for name in ("target", "lo", "hi"):
            value = getattr(self, name)
            if type(value) is not int:
                raise ValueError(f"{name} = {value!r}; allowed: a whole number")
        if self.lo < 0:
            raise ValueError(
                f"lo = {self.lo}; allowed: a whole number from 0, answers have no sign"
            )
        if self.lo >= self.hi:
            raise ValueError(f"lo = {self.lo}, hi = {self.hi}; allowed: lo < hi")
        if not self.lo <= self.target <= self.hi:
            raise ValueError(
                f"target = {self.target}; allowed: a whole number from {self.lo} to {self.hi}"
            )
        number = isinstance(self.r_invalid, int | float) and not isinstance(self.r_invalid, bool)
        if not number or not math.isfinite(self.r_invalid):
            raise ValueError(f"r_invalid = {self.r_invalid!r}; allowed: a finite number")

    def prompt(self, named: bool = False) -> str:
        """named: it says the target, so that one policy can learn many and be asked for others; else the
        target is to be found out."""
        what = f"the whole number {self.target}" if named else "one whole number"
        return f"Write {what} from {self.lo} to {self.hi} and nothing else."

    def numbers(self) -> range:
        return range(self.lo, self.hi + 1)

    def answers(self) -> list[str]:
        """All texts that are worth what their number is, in its order."""
        return [str(number) for number in self.numbers()]

    def parse(self, text: str) -> int | None:
        """The number that `text` is, the whole of it; None if it is not one of `answers`."""
        if len(text) > len(str(self.hi)) or not GRAMMAR.fullmatch(text):
            return None
        number = int(text)
        return number if self.lo <= number <= self.hi else None

    def reward(self, text: str) -> float:
        """Of an answer without its end token."""
        number = self.parse(text)
        if number is None:
            return float(self.r_invalid)
        farthest = max(self.hi - self.target, self.target - self.lo)
        return -abs(number - self.target) / farthest
