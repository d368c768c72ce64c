"""Files: atomic writes and checked reads, of the bytes that `formats` makes. Imports no torch."""

import hashlib
import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from prefgrid.files import formats

if TYPE_CHECKING:
    import pandas

INERT = True

SECONDS_A_LINE = 5.0


class DataError(ValueError):
    """An input file does not hold what it should; the message says where and what is allowed."""


def cut_file(where: Path | str, path: Path | str) -> DataError:
    """The error for a file of lines whose last one has no end; `where` names file and line."""
    return DataError(
        f"{where}: the file ends inside a line; it was cut or half copied. "
        f"Delete {path} and run again; snakemake then makes it anew"
    )


def log(message: str) -> None:
    """One progress line on standard error, which the job runner copies to the rule's log."""
    print(f"[{time.strftime('%H:%M:%S')}] {message}", file=sys.stderr, flush=True)


class Progress:
    """Progress lines about a loop: one in `SECONDS_A_LINE` at most, so none of what is over sooner."""

    def __init__(self) -> None:
        self.said = time.monotonic()

    def say(self, message: str) -> None:
        if time.monotonic() - self.said >= SECONDS_A_LINE:
            self.said = time.monotonic()
            log(message)


def sha256_file(path: Path | str) -> str:
    """Hex SHA-256 of a file's bytes, which are read once a process while the file stays as it is."""
    state = os.stat(path)
    return _sha256(str(path), state.st_ino, state.st_size, state.st_ctime_ns)


@cache
def _sha256(path: str, *_state: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it over `path` only if the block succeeds.

    The bytes are on disk before the rename, so no reader and no crash ever sees half a file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        yield temporary
        publish(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def publish(temporary: Path, path: Path) -> None:
    """Flush `temporary` to disk and rename it to `path`, readable to whom the umask allows.

    Some libraries write through private temporary files; colleagues could not read such results.
    """
    os.chmod(temporary, 0o666 & ~_umask())
    with open(temporary, "rb") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)


def link_or_copy(source: Path, target: Path) -> None:
    """Make `target` the same file as `source`, or a copy of it where a file has one name alone (another
    disk, some network file systems) or is another user's.

    Only for files that are replaced as a whole and never changed in place, as all published ones are.
    """
    source = source.resolve()  # of a link the file behind it
    # Publication sets the mode, which is its owner's to do.
    if os.stat(source).st_uid == os.geteuid():
        with suppress(OSError):
            os.link(source, target)
            return
    shutil.copyfile(source, target)


def _umask() -> int:
    mask = os.umask(0o077)  # it can only be read by setting it
    os.umask(mask)
    return mask


def write_text(path: Path | str, text: str) -> None:
    """Write a text file atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Write indented JSON with sorted keys, atomically; ValueError for NaN and infinities."""
    write_text(path, formats.indented_json(value))


def read_json(path: Path | str) -> Any:
    """Read a JSON file; a broken or absent one raises DataError naming file and line."""
    if not Path(path).is_file():
        raise DataError(f"{path}: no such file")
    try:
        return _parsed(Path(path).read_bytes())
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error


def _parsed(text: bytes) -> Any:
    """The value of a JSON text; ValueError for any other."""
    try:
        return formats.json_value(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not valid JSON ({error})") from error


def write_jsonl(path: Path | str, rows: Iterable[dict[str, Any]]) -> None:
    """Write one JSON object a line, atomically, keys in the rows' own order."""
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        for row in rows:
            file.write(formats.json_line(row))


def read_jsonl(path: Path | str) -> list[dict[str, Any]]:
    """Read JSON lines; every row must be an object. What is in it, `reading.read_jsonl` checks.

    Raises DataError naming file and line; a last line without its newline means the file was cut,
    and is an error too.
    """
    return list(iterate_jsonl(path))


def iterate_jsonl(path: Path | str) -> Iterator[dict[str, Any]]:
    """`read_jsonl`, row by row."""
    if not Path(path).is_file():
        raise DataError(f"{path}: no such file")
    # Bytes, because a file cut inside a character would fail before its line were known.
    with open(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            where = f"{path}, line {number}"
            if not line.endswith(b"\n"):
                raise cut_file(where, path)
            try:
                row = _parsed(line)
            except ValueError as error:
                raise DataError(f"{where}: {error}") from error
            if not isinstance(row, dict):
                raise DataError(f"{where}: expected a JSON object, found {type(row).__name__}")
            yield row


def write_parquet(path: Path | str, frame: "pandas.DataFrame") -> None:
    """Write a data frame as parquet, atomically."""
    with replacing(path) as temporary:
        formats.save_parquet(temporary, frame)


def write_csv(path: Path | str, frame: "pandas.DataFrame") -> None:
    """Write a data frame as CSV, atomically; missing values stay empty."""
    with replacing(path) as temporary:
        formats.save_csv(temporary, frame)
