"""Responses to a few prompts, a judge's logits of them, and the sections that say what becomes of these."""

import made_up
import numpy as np

from prefgrid.files import store
from prefgrid.job.jobs import Job
from prefgrid.judges import compared
from prefgrid.studies.self_play.config import Selection, Targets

BT = np.array([1.0, 0.5, 0.0, -0.5, -1.0])


def targets(**changes) -> dict:
    """The section, whole."""
    return Targets(**changes).model_dump()


def selection(**changes) -> dict:
    """The section, whole."""
    return Selection(**changes).model_dump()


def differences(rewards) -> np.ndarray:
    """A Bradley–Terry judge's logits."""
    rewards = np.asarray(rewards, dtype=float)
    return rewards[:, None] - rewards[None, :]


def circle_and_two(logit: float = 2.0) -> np.ndarray:
    """Response 0 beats 1, 1 beats 2, 2 beats 0, and 3 and 4 are as good as any."""
    found = np.zeros((5, 5))
    for winner, loser in ((0, 1), (1, 2), (2, 0)):
        found[winner, loser], found[loser, winner] = logit, -logit
    return found


def antisymmetric(rng: np.random.Generator, count: int, sd: float = 2.0) -> np.ndarray:
    upper = np.triu(rng.normal(scale=sd, size=(count, count)), 1)
    return upper - upper.T


def response(text: str, finish: str = "stop") -> dict:
    """Its tokens are its characters, and an end token 0."""
    tokens = [ord(letter) for letter in text] + [0] * (finish == "stop")
    return {"text": text, "tokens": tokens or [0], "finish": finish}


def group(number: int, texts, prompt_id: int | None = None) -> dict:
    """A row of responses.jsonl; a text that ends with … has no end."""
    prompt = number if prompt_id is None else prompt_id
    return {
        "group": number,
        "prompt_id": f"{prompt:016x}",
        "prompt": f"prompt {prompt}",
        "prompt_tokens": [7, 8],
        "responses": [response(text, "length" if text.endswith("…") else "stop") for text in texts],
    }


# Of a text: its first letter's number, doubled in capitals, so that files tell in which order they were read.
REWARDS = {letter: float(number) for number, letter in enumerate("abcdefgh")}
REWARDS |= {letter.upper(): 2 * reward for letter, reward in REWARDS.items()}


def reward(text: str) -> float:
    return REWARDS[text[0]] if text else 0.0


class Iteration:
    """Own responses, a file a shard, and those of other policies, a file each, with a judge's matrices."""

    def __init__(self, folder, own, others=(), position=0.25):
        """own: shard → [texts of each prompt]; others: policy → [texts of each prompt]. position: how much the
        judge prefers what stands first."""
        self.folder = folder
        counts = np.cumsum([0, *map(len, own)])
        self.rows = [
            [group(start + n, texts) for n, texts in enumerate(shard)]
            for start, shard in zip(counts.tolist(), own, strict=False)
        ]
        self.responses = self._write("own", self.rows)
        self.others = [[group(n, texts) for n, texts in enumerate(policy)] for policy in others]
        self.opponents = self._write("others", self.others)
        logits = [[self._logits(row, position) for row in shard] for shard in self.rows]
        table = compared.frame(list(zip(self.rows, logits, strict=True)), antisymmetric=False)
        self.matrices = folder / "matrices" / "matrices.parquet"
        store.write_parquet(self.matrices, table)
        made_up.record(self.matrices)

    def _write(self, name, files):
        paths = [self.folder / f"{name}/{n}/responses.jsonl" for n in range(len(files))]
        for path, rows in zip(paths, files, strict=True):
            store.write_jsonl(path, rows)
        return paths

    def texts(self, row):
        """All that are compared: its own, then each other policy's."""
        rows = [row, *(other[row["group"]] for other in self.others)]
        return [one["text"] for found in rows for one in found["responses"]]

    def source(self, row):
        """The group that a row to train on is of."""
        return next(
            one for shard in self.rows for one in shard if one["group"] == row["source_group"]
        )

    def _logits(self, row, position):
        table = differences([reward(text) for text in self.texts(row)]) + position
        np.fill_diagonal(table, 0.0)
        return table.astype(np.float32)

    def job(self, script, outputs, **spec):
        inputs = {
            "responses": self.responses,
            "matrices": self.matrices,
            "opponents": self.opponents,
        }
        places = {name: self.folder / file for name, file in outputs.items()}
        script.main(Job(inputs, places, places, spec))
        return places
