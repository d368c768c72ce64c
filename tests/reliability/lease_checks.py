"""What `stress_leases` saw of its requests: was it allowed, and what are its figures."""

import statistics
from dataclasses import dataclass

DEVICES = tuple("01234567")


@dataclass
class Request:
    """What became of one request; times in seconds of the clock that all processes share.

    ended: before its lease was given back, or its process killed. gone: after that.
    """

    process: int
    count: int
    queued: float
    granted: float | None = None
    keys: tuple[str, ...] = ()
    ended: float | None = None
    gone: float | None = None
    killed: bool = False


def check(requests: list[Request], shares: int) -> None:
    """AssertionError if a device had too many holders, or somebody was served out of turn."""
    grants = [request for request in requests if request.granted is not None]
    for device in DEVICES:
        on_it = [request for request in grants if device in request.keys]
        for request in on_it:
            beside = [r for r in on_it if r.granted <= request.granted < r.ended]
            alone = any(r.count > 1 for r in beside)
            limit = 1 if alone else shares
            assert len(beside) <= limit, f"device {device} has {len(beside)} holders: {beside}"
    for request in grants:
        assert len(set(request.keys)) == request.count
    times = [request.granted for request in grants]  # in the order in which they queued
    assert times == sorted(times), "a later request was served before an earlier one"
    assert all(request.granted is not None or request.killed for request in requests)


def idle_seconds(requests: list[Request], shares: int) -> list[float]:
    """For each grant: how long the request had been first in line with enough devices free."""
    waits = []
    turn = 0.0
    served: list[Request] = []
    for request in requests:
        if request.granted is None:
            turn = max(turn, request.gone)
            continue
        # Its turn comes when all before it are served or dead, or when it queues.
        turn = max(turn, request.queued)
        moments = [turn, *sorted(r.gone for r in served if r.gone > turn)]
        fits = next(t for t in moments if _fits(request, [r for r in served if r.gone > t], shares))
        waits.append(request.granted - fits)
        served.append(request)
        turn = max(turn, request.granted)
    return waits


def _fits(request: Request, holders: list[Request], shares: int) -> bool:
    free = 0
    for device in DEVICES:
        on_it = [holder for holder in holders if device in holder.keys]
        alone = request.count > 1 or any(holder.count > 1 for holder in on_it)
        free += not on_it if alone else len(on_it) < shares
    return free >= request.count


def figures(requests: list[Request], delay: float, shares: int) -> dict[str, object]:
    """Check the run, and describe it; times in seconds."""
    check(requests, shares)
    grants = [request for request in requests if request.granted is not None]
    begin = min(request.queued for request in requests)
    end = max(request.gone for request in grants)
    busy = sum((r.gone - r.granted) * r.count / (shares if r.count == 1 else 1) for r in grants)
    waits = {
        count: sorted(r.granted - r.queued for r in grants if r.count == count)
        for count in sorted({request.count for request in grants})
    }
    killed = [request for request in requests if request.killed]
    return {
        "processes": len({request.process for request in requests}),
        "grants": len(grants),
        "killed holders": sum(request.granted is not None for request in killed),
        "killed waiters": sum(request.granted is None for request in killed),
        "longest queue": max(
            sum(r.queued <= t and (r.granted or r.gone) > t for r in requests)
            for t in [request.queued for request in requests]
        ),
        "seconds": round(end - begin, 2),
        "devices busy": round(busy / (end - begin) / len(DEVICES), 3),
        "longest idle while the next fits": round(max(idle_seconds(requests, shares)), 3),
        "longest delay of a bystander": round(delay, 3),
        **{
            f"wait for {count}: median, longest": (
                round(statistics.median(times), 3),
                round(times[-1], 3),
            )
            for count, times in waits.items()
        },
    }
