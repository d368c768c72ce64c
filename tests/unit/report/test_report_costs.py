"""What steps took: medians and maxima by hand, words for durations and memory."""

import pytest

from prefgrid.report import costs, masthead


def record(script: str, seconds: float, **peaks: int) -> dict:
    return {"script": script, "wall_time_seconds": seconds, "peak_memory_bytes": peaks}


def test_steps_by_script_the_longest_first():
    """Seconds 1, 2, 9 and memory 5, 3, 4: sum 12, median 2 and 4, largest 9 and 5. One job of three had
    a device."""
    found = costs.steps(
        [
            record("short", 3.0, host=7),
            record("long", 9.0, host=5),
            record("long", 1.0, host=3, device=8),
            record("long", 2.0, host=4),
        ]
    )
    assert found == [
        {
            "script": "long",
            "artifacts": 3,
            "seconds": 12.0,
            "median_seconds": 2.0,
            "longest_seconds": 9.0,
            "host_bytes": [4, 5],
            "device_bytes": [8, 8],
        },
        {
            "script": "short",
            "artifacts": 1,
            "seconds": 3.0,
            "median_seconds": 3.0,
            "longest_seconds": 3.0,
            "host_bytes": [7, 7],
            "device_bytes": None,
        },
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.082, "0.08 s"),
        (9.94, "9.94 s"),
        (12.4, "12 s"),
        (99.4, "99 s"),
        (204, "3.4 min"),
        (5969, "99.5 min"),
        (20160, "5.6 h"),
    ],
)
def test_durations(seconds, text):
    assert costs.duration(seconds) == text


@pytest.mark.parametrize(("size", "text"), [(432840704, "433 MB"), (1.2e9, "1.2 GB")])
def test_memory(size, text):
    assert costs.memory(size) == text


@pytest.mark.parametrize(
    ("finished", "text"),
    [
        ([], "of unknown date"),
        (["2026-11-28T09:30:15Z"], "2026-11-28 09:30 UTC"),
        (["2026-11-28T09:30:15Z", "2026-11-28T09:30:59Z"], "2026-11-28 09:30 UTC"),
        (["2026-11-28T09:30:15Z", "2026-11-28T11:02:00Z"], "2026-11-28 09:30 to 11:02 UTC"),
        (
            ["2026-11-28T09:30:15Z", "2026-11-29T09:30:00Z"],
            "2026-11-28 09:30 to 2026-11-29 09:30 UTC",
        ),
    ],
)
def test_when_records_were_made(finished, text):
    assert masthead.span(finished) == text


def test_a_run_started_by_hand_knows_no_config_file():
    rows = dict(masthead.rows([], "second try", "f", [], {"finished": [], "commits": ["a", "b"]}))
    assert rows["Run"] == "second try, folder f"
    assert rows["Config"] == "unknown" and rows["Code"] == "a, b"
