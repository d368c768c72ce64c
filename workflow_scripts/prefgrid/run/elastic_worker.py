"""One process of a job on several devices: `python -m prefgrid.run.elastic_worker SCRIPT [ARGUMENTS]`.

torch's elastic launcher starts this once a device, in place of the script. It ties the process's
life to the launcher's, then runs the script in this process, as if it had been called by itself.
All processes print much the same, so only the first prints as it goes; another's output appears if
that process fails. Standard library only.
"""

import contextlib
import os
import runpy
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from prefgrid.run import supervision

# Set by the job runner: its process id.
SUPERVISOR_VARIABLE = "PREFGRID_SUPERVISOR"


def environment(base: Mapping[str, str]) -> dict[str, str]:
    """The launcher's environment, as the supervisor calls it."""
    folder = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [folder, base.get("PYTHONPATH")]))
    return {**base, SUPERVISOR_VARIABLE: str(os.getpid()), "PYTHONPATH": path}


def main() -> None:
    supervision.be_killed_with_parent()
    supervisor = os.environ.get(SUPERVISOR_VARIABLE)
    if supervisor and _parent_of(os.getppid()) != int(supervisor):
        sys.exit("error: the launcher is gone; this process would be an orphan")
    del sys.argv[0]
    first = os.environ["RANK"] == "0"
    with contextlib.nullcontext() if first else _silent_until_failure():
        runpy.run_path(sys.argv[0], run_name="__main__")
        _leave_the_group()


def _leave_the_group() -> None:
    """Interpreters that end inside a process group abort now and then: a thread of the group may
    let go of its last tensor after Python is gone (pytorch/pytorch, pull request 179291)."""
    distributed = sys.modules.get("torch.distributed")
    if distributed and distributed.is_initialized():
        distributed.destroy_process_group()


def _parent_of(process: int) -> int | None:
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except OSError:
        return None
    return int(status.partition("\nPPid:")[2].split()[0])


@contextlib.contextmanager
def _silent_until_failure() -> Iterator[None]:
    terminal = os.dup(sys.stderr.fileno())
    with tempfile.TemporaryFile() as kept:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(kept.fileno(), stream.fileno())
        try:
            yield
        except BaseException as error:
            if not isinstance(error, SystemExit) or error.code:
                sys.stdout.flush()
                kept.seek(0)
                with open(terminal, "wb", closefd=False) as shown:
                    shown.write(f"output of process {os.environ['RANK']}:\n".encode())
                    shutil.copyfileobj(kept, shown)
            raise
        finally:
            os.dup2(terminal, sys.stderr.fileno())
            os.close(terminal)


if __name__ == "__main__":
    main()
