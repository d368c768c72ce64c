"""Kill training runs with SIGKILL at random times, rerun them, and compare every byte.

    python tests/reliability/kill_training.py --kills 200

Each run is one of a tiny model, with checkpoints after every step; it is killed one to three times
and then left to finish. What it writes must equal what an undisturbed run wrote. The runs are
forked from this process, which computes nothing itself.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[1] / "support"), str(HERE.parents[2] / "workflow_scripts")]
os.environ["PREFGRID_EXECUTION"] = json.dumps({"checkpoint_seconds": 0})
os.environ["OMP_NUM_THREADS"] = "1"

from tiny_runs import DROPOUT, contents, methods, run  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100, help="how many, over all methods")
    parser.add_argument("--labels", default=",".join(methods()), help="methods, comma-separated")
    parser.add_argument("--seed", type=int, default=0, help="of the times")
    options = parser.parse_args()
    draw = random.Random(options.seed)
    left = options.kills
    with tempfile.TemporaryDirectory() as scratch:
        trials = [
            Trial(Path(scratch), label, dropout)
            for label in options.labels.split(",")
            for dropout in (0.0, DROPOUT)
        ]
        while left:
            for trial in trials:
                kills = min(left, draw.randint(1, 3))
                left -= kills
                if kills:
                    trial.disturb(kills, draw)
    print(f"{'method':<18}{'dropout':>8}{'kills':>7}{'runs':>6}{'resumed':>9}  bytes")
    for trial in trials:
        print(
            f"{trial.label:<18}{trial.dropout:>8}{trial.kills:>7}{trial.runs:>6}{trial.resumed:>9}"
            f"  {'equal' if trial.equal == trial.runs else 'DIFFERENT'}"
        )
    runs, equal = sum(t.runs for t in trials), sum(t.equal for t in trials)
    print(
        f"{options.kills} kills, {sum(t.resumed for t in trials)} of them with a checkpoint to "
        f"resume from; {runs} runs compared, {'all' if equal == runs else equal} equal"
    )
    return int(equal != runs)


class Trial:
    """One method with one dropout: an undisturbed run, and what killed ones did beside it."""

    def __init__(self, scratch: Path, label: str, dropout: float) -> None:
        self.label, self.dropout = label, dropout
        self.folder = scratch / f"{label} {dropout}"
        self.kills = self.runs = self.resumed = self.equal = 0
        started = time.monotonic()
        self._finish(self._start(self.folder / "quiet", None))
        self.seconds = time.monotonic() - started

    def disturb(self, kills: int, draw: random.Random) -> None:
        """One run that is killed so often before it may finish."""
        folder, work = self.folder / f"run {self.runs}", self.folder / f"work {self.runs}"
        while kills:
            process = self._start(folder, work)
            time.sleep(draw.uniform(0, self.seconds))
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                self._stop_if_failed(status)
                shutil.rmtree(work)  # it was faster; once more from the beginning
                continue
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            kills -= 1
            self.kills += 1
            self.resumed += (work / "checkpoint.json").is_file()
        self._finish(self._start(folder, work))
        self.runs += 1
        self.equal += contents(folder) == contents(self.folder / "quiet")
        shutil.rmtree(work, ignore_errors=True)

    def _start(self, folder: Path, work: Path | None) -> int:
        process = os.fork()
        if process:
            return process
        status = 1
        try:
            self.folder.mkdir(exist_ok=True)
            log = os.open(self.folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, sys.stderr.fileno())
            run(self.label, folder, work=work, dropout=self.dropout)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)

    def _finish(self, process: int) -> None:
        self._stop_if_failed(os.waitpid(process, 0)[1])

    def _stop_if_failed(self, status: int) -> None:
        if status:
            sys.exit(f"{self.label} failed:\n{(self.folder / 'log').read_text()}")


if __name__ == "__main__":
    sys.exit(main())
