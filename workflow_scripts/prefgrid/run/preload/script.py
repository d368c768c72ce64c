"""What a plain `python SCRIPT ARGUMENTS` gives its script, given to it in a forked process."""

import atexit
import contextlib
import ctypes
import gc
import importlib
import io
import os
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, TracebackType

# What Python itself sets at its start; everything else has the kernel's default.
PYTHON_HANDLERS = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGPIPE: signal.SIG_IGN,
    signal.SIGXFSZ: signal.SIG_IGN,
}


@dataclass(frozen=True)
class Request:
    """A script's start. descriptors: its output, then others that it only has to hold."""

    script: str
    arguments: list[str]
    environment: dict[str, str]
    descriptors: tuple[int, ...]


def run(request: Request) -> None:
    """Run the script in this process and end it, with the exit status of a plain start."""
    _become(request)
    status = 0
    try:
        _run_as_main(request.script)
    except SystemExit as end:
        status = _exit_status(end)
    except BaseException as error:
        sys.excepthook(type(error), error.with_traceback(_own_part(error, request.script)), None)
        status = -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    # As Python ends, but for the teardown of its modules: that would copy all that is shared.
    threading._shutdown()
    atexit._run_exitfuncs()
    _flush()
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


def _run_as_main(path: str) -> None:
    # Not by runpy, which lets go of the script's variables before the interpreter ends.
    main = ModuleType("__main__")
    main.__file__ = path
    sys.modules["__main__"] = main
    with io.open_code(path) as file:
        code = compile(file.read(), path, "exec", dont_inherit=True)
    exec(code, vars(main))


def _become(request: Request) -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, PYTHON_HANDLERS.get(number, signal.SIG_DFL))
    output = request.descriptors[0]
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    os.environ.clear()
    os.environ.update(request.environment)
    entries = request.environment.get("PYTHONPATH", "").split(os.pathsep)
    found = [os.path.abspath(entry) for entry in entries if entry] + sys.path
    # The server's flags are this script's too, so that both were started in safe-path mode or neither.
    own = [] if sys.flags.safe_path else [str(Path(request.script).parent)]
    sys.path[:] = [*own, *dict.fromkeys(found)]
    sys.argv[:] = [request.script, *request.arguments]
    _show_command([sys.executable, *sys.argv])
    importlib.invalidate_caches()
    # Python renews its own generator in a fork.
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()
    if torch := sys.modules.get("torch"):
        torch.default_generator.seed()


def _show_command(words: list[str]) -> None:
    """Let `ps` show the script's command line, cut to the room that the server's own has."""
    fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    start, end = int(fields[45]), int(fields[46])  # arg_start and arg_end of proc(5)
    text = b"\0".join(map(os.fsencode, words))[: end - start - 1]
    ctypes.memset(start, 0, end - start)
    ctypes.memmove(start, text, len(text))


def _exit_status(end: SystemExit) -> int:
    if end.code is None or isinstance(end.code, int):
        return (end.code or 0) & 0xFF
    print(end.code, file=sys.stderr)
    return 1


def _own_part(error: BaseException, path: str) -> TracebackType | None:
    """The traceback from the script's first line on."""
    part = error.__traceback__
    while part is not None and part.tb_frame.f_code.co_filename != path:
        part = part.tb_next
    return part


def _flush() -> None:
    """Write out every buffer that is left, of files that nobody has closed too."""
    # The collector's list has none of what the server made.
    made_here = [thing for thing in gc.get_objects() if issubclass(type(thing), io.IOBase)]
    for stream in (*made_here, sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    ctypes.CDLL(None).fflush(None)
