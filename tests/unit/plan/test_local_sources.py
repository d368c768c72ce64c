"""What a local source holds, as a signature: every change shows, and gigabytes cost milliseconds.

Kind: something that is known by its path alone changes under it, and nobody notices.
"""

import io
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prefgrid.plan import local_sources
from prefgrid.plan.local_sources import BLOCK_BYTES, WHOLE_BYTES, signature

YEAR_NS = 10**9 * 365 * 86400


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small model's."""
    made = tmp_path / "model"
    (made / "extra").mkdir(parents=True)
    (made / "config.json").write_text("{}")
    (made / "model.safetensors").write_bytes(bytes(range(256)) * 1000)
    (made / "extra" / "part.txt").write_text("x")
    return made


def touch(path: Path) -> None:
    state = os.stat(path)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + YEAR_NS))


def big_file(path: Path, size: int) -> Path:
    """A sparse file: zeros that take no room on the disk."""
    with open(path, "wb") as file:
        file.truncate(size)
    return path


def put(path: Path, place: int, text: bytes, *, keep_time: bool = False) -> None:
    state = os.stat(path)
    with open(path, "r+b") as file:
        file.seek(place)
        file.write(text)
    if keep_time:
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def test_the_hub_has_no_signature_here(tmp_path: Path) -> None:
    assert signature(str(tmp_path / "owner" / "name")) is None


def test_it_is_the_same_at_another_place_and_time(folder: Path, tmp_path: Path) -> None:
    """A small source is its bytes: a clone of a repository that holds its data is no change."""
    before = signature(str(folder))
    for path in folder.rglob("*"):
        touch(path)
    assert signature(str(folder)) == before
    shutil.copytree(folder, tmp_path / "other")
    assert signature(str(tmp_path / "other")) == before


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(place=st.integers(0, 255_999), byte=st.integers(0, 255))
def test_every_byte_of_a_small_source_counts(folder: Path, place: int, byte: int) -> None:
    """Also where the time of the last change is restored."""
    weights = folder / "model.safetensors"
    before, old = signature(str(folder)), weights.read_bytes()[place]
    put(weights, place, bytes([byte]), keep_time=True)
    assert (signature(str(folder)) == before) == (byte == old)
    put(weights, place, bytes([old]), keep_time=True)
    assert signature(str(folder)) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "chat_template.jinja").write_text("x"),
        lambda folder: (folder / "config.json").unlink(),
        lambda folder: (folder / "config.json").rename(folder / "other.json"),
        lambda folder: (folder / "extra" / "part.txt").write_text("y"),
        lambda folder: (folder / "extra").rename(folder / "more"),
    ],
    ids=["added", "removed", "renamed", "below", "folder renamed"],
)
def test_names_count(folder: Path, change) -> None:
    before = signature(str(folder))
    change(folder)
    assert signature(str(folder)) != before


def test_what_no_loader_reads_does_not_count(folder: Path) -> None:
    """Downloaders leave times in hidden folders, and our own records say how long a job took."""
    before = signature(str(folder))
    for name in (".cache/x.metadata", ".git/HEAD", "_provenance.json", "_provenance/train.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x")
    assert signature(str(folder)) == before


def test_links_are_followed_but_not_in_circles(folder: Path, tmp_path: Path) -> None:
    """As the hub's own cache has them: a snapshot's names lead to blobs."""
    before = signature(str(folder))
    shutil.move(folder / "extra", tmp_path / "elsewhere")
    (folder / "extra").symlink_to(tmp_path / "elsewhere")
    shutil.move(folder / "config.json", tmp_path / "blob")
    (folder / "config.json").symlink_to(tmp_path / "blob")
    assert signature(str(folder)) == before
    (tmp_path / "elsewhere" / "up").symlink_to(folder)
    assert signature(str(folder)) == before
    (tmp_path / "blob").write_text("other")
    assert signature(str(folder)) != before


def test_a_large_file_by_size_time_and_blocks(tmp_path: Path) -> None:
    path = big_file(tmp_path / "data.jsonl", WHOLE_BYTES + 1)
    seen = {signature(str(path))}
    assert signature(str(path)) in seen, "the same twice"
    for place in (0, WHOLE_BYTES, (WHOLE_BYTES + 1 - BLOCK_BYTES) * 7 // 15):  # in blocks
        put(path, place, b"x", keep_time=True)
        seen.add(signature(str(path)))
    assert len(seen) == 4
    put(path, WHOLE_BYTES // 2 + 10 * BLOCK_BYTES, b"x")  # between them, but then the time shows it
    touch(path)
    seen.add(signature(str(path)))
    with open(path, "ab") as file:
        file.write(b"x")
    seen.add(signature(str(path)))
    assert len(seen) == 6


def test_small_files_of_a_large_source_count_by_their_bytes(folder: Path) -> None:
    big_file(folder / "model-2.safetensors", WHOLE_BYTES + 1)
    before = signature(str(folder))
    touch(folder / "config.json")
    assert signature(str(folder)) == before
    put(folder / "config.json", 0, b"[", keep_time=True)
    assert signature(str(folder)) != before


def test_ten_gigabytes_cost_milliseconds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted in bytes read, not in seconds, which noise decides: 16 blocks of each large file."""
    for part in range(5):
        big_file(folder / f"model-{part}.safetensors", 2 * 2**30)
    read: list[int] = []

    class Counted(io.FileIO):
        def read(self, size: int) -> bytes:
            read.append(size)
            return super().read(size)

    monkeypatch.setattr(local_sources, "open", lambda path, *_, **__: Counted(path), raising=False)
    assert signature(str(folder))
    large = 5 + 1  # the folder's own weights are larger than 16 blocks
    assert sum(read) == large * local_sources.BLOCKS * BLOCK_BYTES


def test_an_empty_folder_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="an empty folder"):
        signature(str(tmp_path))
