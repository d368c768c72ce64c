"""Stress of the leases with real processes and real kills: python tests/reliability/stress_leases.py

Two hundred processes ask for 1, 2 or 4 of eight devices and hold them for a moment; some of them
are killed while they hold or wait. Then a steady crowd of one-device requests, with a few for four
devices among them. Every process notes its times as they happen; from these notes, and from nothing
that the leases believe, follows what was held when. `--help` shows the sizes.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow_scripts"))

from lease_checks import DEVICES, Request, figures  # noqa: E402

from prefgrid.run import leases


def ask(notes: Path, seed: int, plan: list[tuple[float, int, float]], shares: int) -> None:
    """One process: for each (pause, count, hold) of the plan wait, lease, hold, give back."""
    note = _noting(notes / str(seed))
    create = leases._create

    def created(gate, name, keys, share):
        # Noted while the folder is locked, so that the order of the notes is the true order.
        descriptor = create(gate, name, keys, share)
        note("queued" if name.endswith(".ticket") else "granted", count=count, keys=keys)
        return descriptor

    leases._create = created
    for pause, count, hold in plan:
        time.sleep(pause)
        lease = leases.acquire(DEVICES, count, shares)
        time.sleep(hold)
        note("ended")
        lease.release()
        note("gone")


def _noting(path: Path) -> Callable[..., None]:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note(event: str, **values: object) -> None:
        line = json.dumps({"event": event, "time": time.monotonic(), **values}) + "\n"
        os.write(file, line.encode())

    return note


def run(
    plans: list[list[tuple[float, int, float]]], shares: int, kills: int
) -> tuple[list[Request], float]:
    """Run a process a plan, and kill some of them at random moments.

    Returns all requests in queue order, and the seconds by which the machine was late at worst in
    waking a process that only slept: what the leases cannot be blamed for.
    """
    with tempfile.TemporaryDirectory() as folder:
        os.environ[leases.FOLDER_VARIABLE] = f"{folder}/leases"
        notes = Path(folder) / "notes"
        notes.mkdir()
        processes = {}
        for seed, plan in enumerate(plans):
            process = os.fork()
            if process == 0:
                ask(notes, seed, plan, shares)
                os._exit(0)
            processes[process] = seed
        bystander = os.fork()
        if bystander == 0:
            _measure_delay(Path(folder, "delay"))
        deaths = _kill(processes, kills, notes)
        for process in processes.keys() - deaths.keys():
            if os.waitpid(process, 0)[1]:
                raise RuntimeError("a process that nobody killed has failed")
        os.kill(bystander, signal.SIGTERM)
        os.waitpid(bystander, 0)
        delay = float(Path(folder, "delay").read_text())
        leases.acquire(DEVICES, len(DEVICES), 1, _refuse_to_wait).release()
        left = os.listdir(f"{folder}/leases")
        if left:
            raise AssertionError(f"the dead have left something behind: {left}")
        dead = {processes[process]: times for process, times in deaths.items()}
        requests = [
            request
            for seed in range(len(plans))
            for request in _read(seed, notes / str(seed), dead.get(seed))
        ]
    return sorted(requests, key=lambda request: request.queued), delay


def _measure_delay(result: Path) -> None:
    """Until SIGTERM, sleep as the first in line does, and note how late it is woken at worst."""
    longest = 0.0

    def finish(number: int, frame: object) -> None:
        result.write_text(str(longest))
        os._exit(0)

    signal.signal(signal.SIGTERM, finish)
    while True:
        started = time.monotonic()
        time.sleep(leases.POLL_SECONDS)
        longest = max(longest, time.monotonic() - started - leases.POLL_SECONDS)


def _refuse_to_wait(held: int, first: bool) -> None:
    raise AssertionError(f"all are gone, but {held} devices are held; first in line: {first}")


def _kill(processes: dict[int, int], kills: int, notes: Path) -> dict[int, tuple[float, float]]:
    """Kill processes at random moments, holders and waiters; process → time before and after."""
    chance = random.Random(len(processes))
    deaths: dict[int, tuple[float, float]] = {}
    for number in range(kills):
        time.sleep(chance.uniform(0, 4 / kills))
        state = ("granted", "queued")[number % 2]
        last = {p: _last(notes / str(processes[p])) for p in processes.keys() - deaths.keys()}
        # Who has not asked yet has nothing to lose.
        asked = sorted(p for p, event in last.items() if event is not None)
        if not asked:
            continue
        victim = chance.choice([p for p in asked if last[p] == state] or asked)
        before = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        if os.waitpid(victim, 0)[1] == signal.SIGKILL:
            deaths[victim] = (before, time.monotonic())
        else:
            deaths[victim] = (float("inf"), float("inf"))  # it had finished
    return deaths


def _last(path: Path) -> str | None:
    lines = path.read_text().splitlines() if path.exists() else []
    return json.loads(lines[-1])["event"] if lines else None


def _read(seed: int, path: Path, death: tuple[float, float] | None) -> list[Request]:
    requests: list[Request] = []
    if not path.exists():
        return requests  # killed before it asked
    for line in path.read_text().splitlines():
        note = json.loads(line)
        event, at = note["event"], note["time"]
        # One that is served at once never queues.
        if event == "queued" or (event == "granted" and not _waits(requests)):
            requests.append(Request(seed, note["count"], at))
        if event == "granted":
            requests[-1].granted, requests[-1].keys = at, tuple(note["keys"])
        elif event != "queued":
            setattr(requests[-1], event, at)
    if requests and requests[-1].gone is None:
        last = requests[-1]
        last.killed = True
        last.ended = min(death[0], last.ended or death[0])
        last.gone = death[1]
    return requests


def _waits(requests: list[Request]) -> bool:
    return bool(requests) and requests[-1].granted is None


def crowd(processes: int, seed: int) -> list[list[tuple[float, int, float]]]:
    """Each process asks twice, for 1, 2 or 4 devices."""
    chance = random.Random(seed)
    return [
        [
            (chance.uniform(0, 2), chance.choice((1, 2, 4)), chance.uniform(0.02, 0.1))
            for _ in range(2)
        ]
        for _ in range(processes)
    ]


def steady_load(processes: int, seed: int) -> list[list[tuple[float, int, float]]]:
    """One-device requests without a pause, and three processes that want four devices twice."""
    chance = random.Random(seed)
    ones = [[(0.0, 1, chance.uniform(0.05, 0.15)) for _ in range(10)] for _ in range(processes)]
    fours = [[(0.5 + 0.2 * k, 4, 0.1), (0.5, 4, 0.1)] for k in range(3)]
    return ones + fours


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=200)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    runs = {
        "crowd": (crowd(options.processes, options.seed), 1, options.kills),
        "two jobs a device": (
            crowd(options.processes // 2, options.seed + 1),
            2,
            options.kills // 2,
        ),
        "four devices under steady load": (steady_load(30, options.seed), 1, 0),
    }
    found = {
        name: figures(*run(plans, shares, kills), shares)
        for name, (plans, shares, kills) in runs.items()
    }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
