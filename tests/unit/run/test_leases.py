"""Leases: who gets which keys, in which order, and that the dead hold nothing."""

import fcntl
import json
import multiprocessing
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from prefgrid.run import leases

EIGHT = tuple("01234567")
PROCESSES = multiprocessing.get_context("fork")
STRESS = Path(__file__).resolve().parents[2] / "reliability" / "stress_leases.py"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv(leases.FOLDER_VARIABLE, str(tmp_path / "leases"))
    return tmp_path / "leases"


class Holder:
    """A process that asks for a lease, says what it got, and holds it until it is ended."""

    def __init__(self, keys=EIGHT, count=1, shares=1, user=None):
        self._connection, theirs = PROCESSES.Pipe()
        self._process = PROCESSES.Process(
            target=self._hold, args=(theirs, keys, count, shares, user), daemon=True
        )
        self._process.start()
        theirs.close()

    @staticmethod
    def _hold(connection: Connection, keys, count, shares, user) -> None:
        if user:
            os.umask(0o077)
            os.setresuid(user, user, user)
        waited = lambda held, first: connection.send(("waits", held, first))  # noqa: E731
        lease = leases.acquire(keys, count, shares, waited)
        connection.send(lease.keys)
        connection.recv()
        lease.release()
        connection.send("released")
        connection.recv()

    def got(self) -> object:
        """The keys, after a wait if need be."""
        said = self.said()
        return self.said() if said[0] == "waits" else said

    def said(self) -> object:
        assert self._connection.poll(10), "nothing said"
        return self._connection.recv()

    def quiet(self, seconds: float = 0.15) -> bool:
        return not self._connection.poll(seconds)

    def release(self) -> None:
        self._connection.send("release")
        assert self.said() == "released"

    def signal(self, number: int) -> None:
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        self._process.kill()
        self._process.join()


@pytest.fixture
def hold():
    """Makes holders, and ends them."""
    holders: list[Holder] = []

    def make(*arguments, **options) -> Holder:
        holders.append(Holder(*arguments, **options))
        return holders[-1]

    yield make
    for holder in holders:
        holder.kill()


class TestChoose:
    @pytest.mark.parametrize(
        ("holders", "count", "shares", "expected"),
        [
            ({}, 1, 1, "0"),
            ({}, 3, 1, "012"),
            ({"0": [1]}, 1, 1, "1"),
            ({"0": [1]}, 2, 1, "12"),
            ({"0": [1], "1": [1]}, 2, 1, None),
            # Shares: a device has at most as many holders as each of them agrees to.
            ({"0": [2]}, 1, 2, "1"),  # the emptiest first
            ({"0": [2], "1": [2], "2": [2]}, 1, 2, "0"),
            ({"0": [2, 2], "1": [2], "2": [2, 2]}, 1, 2, "1"),
            ({"0": [2, 2], "1": [2, 2], "2": [2, 2]}, 1, 4, None),  # they agreed to two
            ({"0": [4, 4], "1": [4, 4], "2": [4]}, 1, 2, "2"),  # the newcomer agrees to two
            ({"0": [4, 4], "1": [4, 4], "2": [4, 4]}, 1, 2, None),
            ({"0": [1], "1": [1], "2": [1]}, 1, 4, None),  # held alone
            ({"0": [4], "1": [4]}, 1, 1, "2"),  # wants to be alone
        ],
    )
    def test_on_three_keys(self, holders, count, shares, expected):
        chosen = leases.choose("012", holders, count, shares)
        assert (chosen and "".join(chosen)) == expected

    def test_other_keys_do_not_matter(self):
        assert leases.choose("01", {"7": [1]}, 2, 1) == ("0", "1")


def test_more_than_there_are_is_an_error_at_once(folder):
    with pytest.raises(ValueError, match="3 asked for, 2 there; allowed: at most 2"):
        leases.acquire("01", 3, 1)
    assert not folder.exists()


def test_all_at_once_and_back_again(hold, folder):
    first = hold(count=4)
    assert first.said() == ("0", "1", "2", "3")
    second = hold(count=4)
    assert second.said() == ("4", "5", "6", "7")
    first.release()
    assert hold(count=2).said() == ("0", "1")
    second.release()
    assert len(list(folder.iterdir())) == 1  # the lease that is held


def test_first_come_first_served(hold):
    """A request for all holds back a later one that would fit; it would starve otherwise."""
    one = hold()
    one.said()
    everything = hold(count=8)
    assert everything.said() == ("waits", 1, True)
    another = hold()
    assert another.said() == ("waits", 1, False)
    assert another.quiet()
    one.release()
    assert everything.said() == EIGHT
    assert another.quiet()
    everything.release()
    assert another.said() == ("0",)


def test_requests_with_nothing_in_common_do_not_wait_for_each_other(hold):
    holder = hold("01", 2)
    holder.said()
    waiting = hold("01", 2)
    assert waiting.said() == ("waits", 2, True)
    assert hold("23", 2).said() == ("2", "3")
    # One that overlaps the waiting request waits behind it, and holds back a third.
    behind = hold("14", 1)
    assert behind.said() == ("waits", 1, False)
    assert hold("45", 1).said() == ("waits", 0, False)
    assert hold("67", 1).said() == ("6",)


@pytest.mark.parametrize("victim", [0, 1, 2])
def test_the_queue_closes_up_over_a_dead_waiter(hold, victim):
    holder = hold("0")
    holder.said()
    waiting = [hold("0")]
    for number in range(3):
        assert waiting[-1].said() == ("waits", 1, number == 0)
        waiting.append(hold("0"))
    assert waiting[-1].said() == ("waits", 1, False)
    waiting.pop(victim).kill()
    assert waiting[0].quiet()
    for waiter in waiting:
        holder.release()
        assert waiter.said() == ("0",)
        holder = waiter


def test_the_dead_hold_nothing(hold, folder):
    dead = hold("01", 2)
    dead.said()
    waiting = hold("01", 1)
    assert waiting.said() == ("waits", 2, True)
    dead.kill()
    assert waiting.said() == ("0",)
    assert len(list(folder.iterdir())) == 1


def test_a_stopped_holder_still_holds(hold):
    stopped = hold("0")
    stopped.said()
    stopped.signal(signal.SIGSTOP)
    waiting = hold("0")
    assert waiting.said() == ("waits", 1, True)
    assert waiting.quiet()
    stopped.signal(signal.SIGCONT)
    stopped.release()
    assert waiting.said() == ("0",)


def test_shares(hold):
    """Two jobs a device: spread first, then join; the ninth of four devices waits."""
    sharers = [hold("0123", shares=2) for _ in range(8)]
    taken = sorted(key for sharer in sharers for key in sharer.got())
    assert taken == sorted("01230123")
    ninth = hold("0123", shares=2)
    assert ninth.said() == ("waits", 4, True)
    sharers[3].release()
    assert len(ninth.got()) == 1


def test_several_keys_are_not_shared(hold):
    pair = hold("012", 2, shares=4)
    assert pair.said() == ("0", "1")
    assert hold("012", shares=4).said() == ("2",)
    assert hold("012", shares=4).said() == ("2",)


def test_an_inherited_descriptor_keeps_the_lease():
    lease = leases.acquire("0", 1, 1)
    reading, writing = os.pipe()
    heir = os.fork()
    if heir == 0:
        os.close(writing)
        os.read(reading, 1)  # until the test has closed it
        os._exit(0)
    os.close(reading)
    lease.release()
    held = []
    with pytest.raises(InterruptedError):
        leases.acquire("0", 1, 1, lambda *standing: held.append(standing) or _interrupt())
    os.close(writing)
    os.waitpid(heir, 0)
    assert held == [(1, True)]
    leases.acquire("0", 1, 1).release()


def _interrupt():
    raise InterruptedError


class TestFolder:
    def test_it_is_for_everybody_whatever_the_umask(self, folder):
        mask = os.umask(0o077)
        try:
            lease = leases.acquire("0", 1, 1)
            assert os.umask(0o077) == 0o077
        finally:
            os.umask(mask)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o1777
        assert [stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()] == [0o644]
        lease.release()

    def test_a_link_in_its_place_is_refused(self, folder, tmp_path):
        (tmp_path / "elsewhere").mkdir()
        folder.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(OSError):
            leases.acquire("0", 1, 1)
        assert not list((tmp_path / "elsewhere").iterdir())

    def test_links_pipes_and_nonsense_in_it_lead_nobody_astray(self, folder, tmp_path):
        folder.mkdir()
        (tmp_path / "secret").write_text("{}")
        (folder / "1.ticket").symlink_to(tmp_path / "secret")
        os.mkfifo(folder / "2.ticket")
        (folder / "3.ticket").mkdir()
        (folder / "4.lease").write_text("no JSON")
        (folder / "notes.txt").write_text("")
        leases.acquire("0", 1, 1).release()
        assert (tmp_path / "secret").read_text() == "{}"
        assert (folder / "notes.txt").exists()

    def test_nonsense_that_somebody_holds_stops_nobody(self, hold, folder):
        folder.mkdir()
        (folder / "1.ticket").write_text('{"keys": 3}')
        with open(folder / "1.ticket") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            assert hold("0").said() == ("0",)

    def test_a_folder_removed_between_leases_is_made_again(self, hold, folder):
        hold("0").said()
        for place in (folder, folder.with_name("leases-entrance")):
            shutil.rmtree(place)
        leases.acquire("1", 1, 1).release()

    def test_a_folder_removed_while_in_use_is_an_ordinary_error(self, folder, monkeypatch):
        files = leases._files

        def after_removal(gate: int) -> dict[str, list[int]]:
            shutil.rmtree(folder)
            return files(gate)

        monkeypatch.setattr(leases, "_files", after_removal)
        with pytest.raises(FileNotFoundError):
            leases.acquire("0", 1, 1)

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root may act as another user")
    def test_users_see_each_others_leases_and_leave_each_others_files(self, hold, monkeypatch):
        place = tempfile.mkdtemp()  # pytest's own folders are closed to others
        os.chmod(place, 0o777)
        folder = Path(place, "leases")
        monkeypatch.setenv(leases.FOLDER_VARIABLE, str(folder))
        try:
            first = hold("01", user=65534)
            assert first.said() == ("0",)
            second = hold("01", user=65533)
            assert second.said() == ("1",)
            waiting = hold("01", user=65532)
            assert waiting.said() == ("waits", 2, True)
            behind = hold("01", user=65531)
            assert behind.said() == ("waits", 2, False)
            second.kill()
            assert waiting.said() == ("1",)
            # The dead one's file is not theirs to remove; it counts for nothing.
            assert len([path for path in folder.iterdir() if path.stat().st_uid == 65533]) == 1
            first.release()
            assert behind.said() == ("0",)
        finally:
            shutil.rmtree(place)


def test_two_hundred_processes_with_kills():
    """The program checks that no device is oversubscribed and nobody served out of turn."""
    done = subprocess.run([sys.executable, str(STRESS)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    crowd = found["crowd"]
    assert (crowd["processes"], crowd["longest queue"] > 50) == (200, True), crowd
    assert min(crowd["killed holders"], crowd["killed waiters"]) > 5, crowd
    for name, figures in found.items():
        # On a busy machine nobody wakes in time, so what a sleeping bystander suffers is forgiven.
        idle = figures["longest idle while the next fits"] - figures["longest delay of a bystander"]
        assert idle < 0.5, (name, figures)
