"""The work folder: valid for exactly one job, and parts that survive kills and nothing else."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefgrid.job import work_folder
from prefgrid.run import execution

KEY = {"script": "do", "spec": {"seed": 1}, "inputs": {"shards": {"a": "1", "b": "2"}}}


def prepare(folder, key=None):
    return work_folder.prepare(folder, key or KEY, leader=True)


class Computation:
    """Counts its calls."""

    def __init__(self, value) -> None:
        self.value, self.calls = value, 0

    def __call__(self):
        self.calls += 1
        return self.value


def test_the_same_job_finds_what_it_left(tmp_path, capfd):
    folder = prepare(tmp_path / "work")
    assert capfd.readouterr().err == ""
    (folder / "checkpoint").write_text("x")
    assert prepare(tmp_path / "work") == folder
    assert (folder / "checkpoint").read_text() == "x"
    assert "continuing from what an interrupted run" in capfd.readouterr().err


@pytest.mark.parametrize(
    "other",
    [
        KEY | {"spec": {"seed": 2}},
        KEY | {"inputs": {"shards": {"a": "1", "b": "3"}}},
        # Shards in another order: their parts are numbered.
        KEY | {"inputs": {"shards": {"b": "2", "a": "1"}}},
    ],
    ids=["spec", "input", "order of inputs"],
)
def test_another_job_finds_it_empty(tmp_path, other):
    folder = prepare(tmp_path / "work")
    work_folder.part(folder, "one", Computation(1))
    prepare(folder, other)
    assert [path.name for path in folder.iterdir()] == [work_folder.KEY_FILE]
    prepare(folder)
    assert [path.name for path in folder.iterdir()] == [work_folder.KEY_FILE]


@pytest.mark.parametrize("key_file", [None, b"", b"{", b"\xff"])
def test_a_folder_with_a_broken_key_or_none_is_emptied(tmp_path, key_file):
    folder = prepare(tmp_path / "work")
    (folder / "checkpoint").write_text("x")
    if key_file is None:
        (folder / work_folder.KEY_FILE).unlink()
    else:
        (folder / work_folder.KEY_FILE).write_bytes(key_file)
    prepare(folder)
    assert not (folder / "checkpoint").exists()


def test_other_processes_of_a_job_wait_until_the_folder_is_prepared(tmp_path):
    folder = prepare(tmp_path / "work", KEY | {"script": "older"})
    (folder / "checkpoint").write_text("older")
    seen = []

    def follow() -> None:
        prepared = work_folder.prepare(folder, KEY, leader=False)
        seen.append([path.name for path in prepared.iterdir()])

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    follower.join(5 * work_folder.WAIT_SECONDS)
    assert follower.is_alive() and (folder / "checkpoint").exists()
    prepare(folder)
    follower.join(10)
    assert seen == [[work_folder.KEY_FILE]]


def test_the_place_is_the_runner_s_or_beside_the_first_output(tmp_path, monkeypatch):
    monkeypatch.delenv(execution.WORK_VARIABLE, raising=False)
    assert work_folder.location(tmp_path / "out.txt") == tmp_path / ".work-out.txt"
    monkeypatch.setenv(execution.WORK_VARIABLE, str(tmp_path / "elsewhere"))
    assert work_folder.location(tmp_path / "out.txt") == tmp_path / "elsewhere"


def test_only_a_folder_of_one_s_own_making_is_discarded(tmp_path, monkeypatch):
    """The runner removes the one that it named, once the whole script has ended well."""
    folder = prepare(tmp_path / ".work-out")
    monkeypatch.setenv(execution.WORK_VARIABLE, str(folder))
    work_folder.discard(tmp_path / "out")
    assert folder.exists()
    monkeypatch.delenv(execution.WORK_VARIABLE)
    work_folder.discard(tmp_path / "out")
    work_folder.discard(tmp_path / "out")
    assert not folder.exists()


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(value=JSON_VALUES)
def test_a_part_comes_back_as_it_was_the_second_time_without_computing(tmp_path_factory, value):
    folder = tmp_path_factory.mktemp("work")
    compute = Computation(value)
    first, second = (work_folder.part(folder, "x", compute) for _ in range(2))
    assert compute.calls == 1
    # repr tells -0.0 from 0.0 and 1 from 1.0.
    assert repr(first) == repr(second)
    assert repr(first) == repr(_sorted(value))


def _sorted(value):
    """Canonical JSON has its keys in order."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def test_a_fresh_part_is_no_other_than_a_kept_one(tmp_path):
    """Tuples become lists at once, not only after a kill."""
    assert work_folder.part(tmp_path, "x", lambda: [(1, 2)]) == [[1, 2]]


@given(data=st.data())
def test_a_damaged_part_is_computed_again(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("work")
    work_folder.part(folder, "x", Computation([1.5, "text"]))
    (path,) = (folder / work_folder.PARTS).iterdir()
    sound = path.read_bytes()
    place = data.draw(st.integers(0, len(sound) - 1))
    change = data.draw(st.sampled_from(["cut", "byte", "more"]))
    damaged = {
        "cut": sound[:place],
        "byte": sound[:place] + bytes([sound[place] ^ data.draw(st.integers(1, 255))]),
        "more": sound + data.draw(st.binary(min_size=1, max_size=4)),
    }[change]
    if change == "byte":
        damaged += sound[place + 1 :]
    path.write_bytes(damaged)
    compute = Computation([1.5, "text"])
    assert work_folder.part(folder, "x", compute) == [1.5, "text"]
    assert compute.calls == 1
    assert path.read_bytes() == sound


@pytest.mark.parametrize("value", [float("nan"), [float("inf")]])
def test_a_number_that_is_not_finite_is_named_and_not_kept(tmp_path, value):
    with pytest.raises(ValueError, match="shard-3: a computed number is not finite"):
        work_folder.part(tmp_path, "shard-3", lambda: value)
    assert not (tmp_path / work_folder.PARTS).exists()
