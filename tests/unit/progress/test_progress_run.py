"""The state of a run and its words. Oracles: queues simulated job by job; arithmetic by hand."""

import heapq
import io
import random

import pytest
from snakemake_logger_plugin_progress import joblogs, words
from snakemake_logger_plugin_progress.run import Job, Run
from snakemake_logger_plugin_progress.screen import Screen


def job(rule: str, started: float, **more) -> Job:
    return Job(rule, more.pop("cell", ""), more.pop("logs", ()), started, **more)


def simulated(durations: list[tuple[str, float]], workers: int, look: float) -> tuple[Run, float]:
    """(a run as it is at the moment `look`, the true seconds from then to its end)."""
    run, end = Run(began=0.0), 0.0
    rules = [rule for rule, _ in durations]
    run.plan({**{rule: rules.count(rule) for rule in rules}, "total": len(rules)})
    free, events = [0.0] * workers, []
    for number, (rule, seconds) in enumerate(durations):
        start = heapq.heappop(free)
        heapq.heappush(free, start + seconds)
        end = max(end, start + seconds)
        events += [(start, 1, number, rule), (start + seconds, 0, number, rule)]
    for moment, is_start, number, rule in sorted(events):
        if moment > look:
            break
        if is_start:
            run.start(number, job(rule, moment))
        else:
            run.finish(number, moment)
    return run, end - look


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("look", [6.0, 20.5, 40.0])
def test_time_left_is_exact_for_even_jobs_that_keep_all_workers_busy(workers, look):
    """With the work of the running ones, whose rest counts and not their whole."""
    run, left = simulated([("a", 5.0)] * 20 * workers, workers, look)
    assert run.seconds_left(look) == pytest.approx(left)


def test_time_left_knows_rules_apart():
    """Short jobs first, long ones after: a rate over all would promise a tenth of the time."""
    durations = [("short", 1.0)] * 20 + [("long", 50.0)] * 10
    run, left = simulated(durations, 1, 70.0)
    assert run.done == 21
    assert run.seconds_left(70.0) == pytest.approx(left) == 450.0
    by_rate = (30 - 21) * 70 / 21
    assert by_rate == 30.0


def test_time_left_of_scattered_jobs_is_near():
    draw = random.Random(0)
    durations = [("a", draw.uniform(1, 9)) for _ in range(400)]
    run, left = simulated(durations, 8, 100.0)
    assert run.seconds_left(100.0) == pytest.approx(left, rel=0.15)


def test_nothing_is_promised_before_a_job_has_ended():
    run, _ = simulated([("a", 5.0)] * 4, 2, 3.0)
    assert run.seconds_left(3.0) is None
    assert words.status(run, 3.0) == "0/4 done | running: a ×2"


def test_the_status_line_counts_what_runs_and_how_fast():
    run, left = simulated([("a", 5.0)] * 6 + [("b", 30.0)] * 4, 2, 50.0)
    # At 50 s two of b have run from 15 to 45 s, and two for 5 s: 50 s of work, by two at once.
    assert left == run.seconds_left(50.0) == 25.0
    assert words.status(run, 50.0) == "8/10 done | about 25s left | 9.6 jobs/min | running: b ×2"


def test_a_job_that_failed_and_works_the_second_time_is_not_told_of():
    run = Run(began=0.0)
    run.plan({"a": 2, "total": 2})
    run.start(1, job("a", 0.0))
    run.fail(1, ("a.log",), "error: first")
    assert [one.error for one in run.failed.values()] == ["error: first"]
    run.start(1, job("a", 1.0))
    assert not run.failed
    run.finish(1, 3.0)
    assert (run.done, run.seconds["a"]) == (1, [2.0])
    assert words.end(run, 60.0) == "1 of 2 jobs done in 1m00s, 1 left"


def test_failures_say_the_error_and_where_its_log_is():
    failed = [
        job("train_policy", 0.0, cell="study/seed=0", logs=("a.log", "b.log"), error="error: x")
    ]
    assert words.failures(failed).splitlines() == [
        "FAILED  train_policy  study/seed=0",
        "    error: x",
        "    log: a.log",
        "    log: b.log",
    ]
    assert words.failures([]) == ""


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0.4, "0s"),
        (59.4, "59s"),
        (59.6, "1m00s"),
        (3599, "59m59s"),
        (3600, "1h00m"),
        (7439, "2h03m"),
        (90000, "1d01h"),
    ],
)
def test_durations(seconds, text):
    assert words.duration(seconds) == text


def test_a_table_has_a_line_a_rule():
    assert words.table({"train_policy": 24, "all": 1, "total": 25}) == (
        "train_policy      24\nall                1\ntotal             25"
    )


class TestLogs:
    def test_warnings_are_found_once_each(self, tmp_path):
        log = tmp_path / "a.log"
        log.write_text(
            "[12:00:00] warning: odd\nno warning: here\nwarning: cannot lock\n"
            "[12:00:01] warning: odd\nUserWarning: of a library\n"
        )
        assert joblogs.warnings([str(log), str(tmp_path / "none.log")]) == [
            "warning: odd",
            "warning: cannot lock",
        ]

    def test_the_last_error_of_the_first_log_that_has_one(self, tmp_path):
        """A cluster's log comes behind the job's own, and quotes it."""
        own, cluster, empty = tmp_path / "own", tmp_path / "cluster", tmp_path / "empty"
        own.write_text("error: early\nerror: late\nbye\n")
        cluster.write_text("slurmstepd: error: killed\n")
        empty.write_text("\n")
        last = joblogs.last_error
        assert last([str(own), str(cluster)]) == "error: late"
        assert last([str(empty), str(cluster)]) == "slurmstepd: error: killed"
        assert last([str(empty), str(tmp_path / "none")]) == ""

    def test_a_long_log_is_read_from_its_end(self, tmp_path):
        log = tmp_path / "log"
        log.write_bytes(b"error: first\n" + b"\xff" * 2**17 + b"\nlast words\n")
        assert joblogs.last_error([str(log)]) == "last words"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class TestScreen:
    def test_lines_go_above_the_last_line(self, monkeypatch):
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "12")
        terminal = Terminal()
        screen = Screen(terminal, colours=True)
        screen.status("0/2 done | running")
        screen.status("0/2 done | running")  # as it is: nothing is written
        screen.write("start")
        screen.write("failed", alarming=True)
        screen.status("")
        assert terminal.getvalue() == (
            "\r\x1b[K0/2 done | " + "\r\x1b[Kstart\n0/2 done | "
            "\r\x1b[K\x1b[31mfailed\x1b[0m\n0/2 done | " + "\r\x1b[K"
        )

    @pytest.mark.parametrize("stream, term", [(io.StringIO, "xterm"), (Terminal, "dumb")])
    def test_without_a_terminal_there_are_lines_alone(self, stream, term, monkeypatch):
        monkeypatch.setenv("TERM", term)
        out = stream()
        screen = Screen(out, colours=True)
        screen.status("0/2 done")
        screen.write("failed", alarming=True)
        assert out.getvalue() == "failed\n"

    def test_a_locale_without_a_letter_still_gets_the_line(self):
        raw = io.BytesIO()
        stream = io.TextIOWrapper(raw, encoding="ascii")
        Screen(stream, colours=False).write("a ×2")
        assert raw.getvalue() == b"a \\xd72\n"

    def test_a_closed_terminal_ends_no_run(self):
        closed = io.StringIO()
        screen = Screen(closed, colours=False)
        closed.close()
        screen.write("start")
