"""What a killed job leaves to its rerun: a folder of resumable state, valid for exactly one job.

`run_job.py` names the folder and removes it once the script has ended well. Snakemake knows nothing
of it, since it deletes what a failed job has declared.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prefgrid.files import formats, store
from prefgrid.run import execution

INERT = True

KEY_FILE = "key.json"
PARTS = "parts"
WAIT_SECONDS = 0.02


def location(first_output: Path) -> Path:
    """The runner's choice; for a script run by hand a hidden folder beside its first output."""
    chosen = os.environ.get(execution.WORK_VARIABLE)
    return Path(chosen) if chosen else first_output.with_name(f".work-{first_output.name}")


def discard(first_output: Path) -> None:
    """Remove the work folder of a script run by hand; the runner removes its own."""
    if not os.environ.get(execution.WORK_VARIABLE):
        shutil.rmtree(location(first_output), ignore_errors=True)


def prepare(folder: Path, key: dict[str, Any], *, leader: bool) -> Path:
    """Return `folder` once it belongs to the job `key`, emptied if it belonged to another.

    key: JSON-ready; the order of its entries counts, since the order of a job's inputs may. Of
    several processes of one job only the leader writes; the others wait for it to have done so.
    """
    text = json.dumps(key, indent=2) + "\n"
    if not leader:
        # A launcher that loses the leader ends the others, so this wait needs no limit.
        while not _belongs(folder, text):
            time.sleep(WAIT_SECONDS)
        return folder
    if _belongs(folder, text):
        store.log(f"continuing from what an interrupted run of this job left in {folder}")
        return folder
    if folder.exists():
        shutil.rmtree(folder)
    # The key comes last: whoever sees it sees a folder that nothing will be removed from.
    store.write_text(folder / KEY_FILE, text)
    return folder


def part(folder: Path, name: str, compute: Callable[[], Any]) -> Any:
    """A JSON value kept in `folder` under `name`; computed and written first where it is not there.

    Numbers survive JSON exactly, and the value comes from its text either way, so that a resumed
    job cannot differ from an undisturbed one. A part that its checksum does not fit is computed
    again. ValueError for a value with NaN or infinities.
    """
    path = folder / PARTS / name
    content = _sound_part(path)
    if content is None:
        content = _content(name, compute())
        with store.replacing(path) as temporary:
            temporary.write_bytes(_digest(content) + b"\n" + content)
    return json.loads(content)


def _belongs(folder: Path, key_text: str) -> bool:
    try:
        return (folder / KEY_FILE).read_text(encoding="utf-8") == key_text
    except (OSError, UnicodeDecodeError):
        return False


def _sound_part(path: Path) -> bytes | None:
    if not path.exists():
        return None
    digest, _, content = path.read_bytes().partition(b"\n")
    if digest == _digest(content):
        return content
    store.log(f"{path} is damaged; computing it again")
    return None


def _content(name: str, value: Any) -> bytes:
    try:
        return formats.canonical_json(value).encode()
    except ValueError as error:
        raise ValueError(f"{name}: a computed number is not finite ({error})") from error


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()
