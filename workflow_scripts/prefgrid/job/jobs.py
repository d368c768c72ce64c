"""What every workflow script shares: its command line, its outputs' atomic publication, provenance.

A script declares the names of its inputs and outputs, gets them as paths in a `Job`, and writes
outputs only to the job's temporary paths. When its `main` returns, the files are flushed and
renamed into place, `manifest.json` last; when it raises, nothing is published. The folder of a
manifest is one artifact: files that an earlier run left there and this one did not write go.

Under torch's elastic launcher a script runs once a device, and all ranks have the same inputs, spec
and work folder. Rank 0 alone prepares that folder, publishes, records and cleans up. The other
ranks' outputs are paths in a scratch folder that is thrown away.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

from prefgrid.files import artifacts, store
from prefgrid.job import dates, explaining, provenance, publication, work_folder

INERT = True

REPOSITORY = Path(__file__).resolve().parents[3]
# Matches uuid4().hex and nothing longer, so that no other job's folder is taken for ours.
UNIQUE_PART = "[0-9a-f]" * 32


@dataclass(frozen=True)
class Job:
    """One run of one script.

    inputs: name → path; list of paths for names declared with a trailing "*" (one or several) or
        "**" (none or several); path or None for names declared with a trailing "?".
    outputs: name → the temporary path to write; files added beside an output are published too.
    finals: name → the path an output will be published at.
    spec: the part of the config this job depends on, wildcards included.
    code: fingerprint of the code, "" where none was given.
    """

    inputs: dict[str, Any]
    outputs: dict[str, Path]
    finals: dict[str, Path]
    spec: dict[str, Any]
    code: str = ""

    @cached_property
    def work(self) -> Path:
        """Folder for what a rerun may continue from, should this run be killed.

        It holds state of exactly this job or nothing: other code, settings, inputs or packages
        find it empty. It goes when the job has ended well.
        """
        folder = work_folder.location(next(iter(self.finals.values())))
        return work_folder.prepare(folder, self.identity(), leader=rank() == 0)

    def part(self, name: str, compute: Callable[[], Any]) -> Any:
        """`compute()`, a JSON value, or what an interrupted run of this job computed for `name`."""
        return work_folder.part(self.work, name, compute)

    def identity(self) -> dict[str, Any]:
        """`provenance.identity` of this job, with the inputs that it has so far."""
        listed = {
            name: value if isinstance(value, list) else [value] if value else []
            for name, value in self.inputs.items()
        }
        return provenance.identity(
            script=Path(sys.argv[0]).stem,
            spec=self.spec,
            code=self.code,
            inputs={
                name: {str(path): self._checksum(path) for path in paths if path.is_file()}
                for name, paths in listed.items()
            },
        )

    @cached_property
    def _known_checksums(self) -> dict[Path, str]:
        return {}

    def _checksum(self, path: Path) -> str:
        """SHA-256 of an input as it was at first sight."""
        if path not in self._known_checksums:
            self._known_checksums[path] = store.sha256_file(path)
        return self._known_checksums[path]

    def input_files(self) -> list[Path]:
        """All inputs in one list, absent ones left out."""
        groups = (value if isinstance(value, list) else [value] for value in self.inputs.values())
        return [path for group in groups for path in group if path is not None]

    def folders(self, name: str) -> list[Path]:
        """The folders of an input of several files, such as manifests."""
        return [path.parent for path in self.inputs[name]]

    def folder(self, output: str) -> Path:
        """The temporary folder of an output, for artifacts of several files."""
        return self.outputs[output].parent


def run(
    main: Callable[[Job], None],
    *,
    inputs: Sequence[str],
    outputs: Sequence[str],
    shared_folder: bool = False,
) -> None:
    """Parse the command line, call `main(job)`, publish its outputs, write their provenance.

    shared_folder: several artifacts live in the outputs' folder, so the provenance file is named
    after the first output (`_provenance/<stem>.json`) and not `_provenance.json`.
    """
    arguments = _parse(main, inputs, outputs)
    finals = {name: Path(getattr(arguments, name)) for name in outputs}
    mark, unique = f".partial-{finals[outputs[0]].name}-", uuid4().hex
    partials = {path.parent: path.parent / (mark + unique) for path in finals.values()}
    if rank() != 0:
        scratch = Path(tempfile.gettempdir())
        partials = {
            folder: scratch / f"prefgrid-{unique}-{number}"
            for number, folder in enumerate(partials)
        }
    started = time.monotonic()
    try:
        for folder, partial in partials.items():
            # No two jobs write the same path, so a leftover of this name is a killed run's.
            for stale in folder.glob(mark + UNIQUE_PART) if rank() == 0 else ():
                shutil.rmtree(stale, ignore_errors=True)
            partial.mkdir(parents=True)
        job = Job(
            inputs={name.rstrip("*?"): _paths(arguments, name) for name in inputs},
            outputs={name: partials[path.parent] / path.name for name, path in finals.items()},
            finals=finals,
            spec=json.loads(arguments.spec),
            code=arguments.code,
        )
        if "torch" in sys.modules:
            from prefgrid.job import devices

            devices.limit_threads()
        # Behind all others: a plug-in may be any module in the repository's folder.
        sys.path.append(str(REPOSITORY))
        if rank() == 0:
            dates.bring_back(job.input_files())
        job.identity()  # takes the inputs' checksums now: the script works on what is there now
        main(job)
        if rank() == 0:
            _finish(job, partials, started, shared_folder)
    except Exception as error:
        # A damaged input needs no look into our code.
        if not isinstance(error, store.DataError):
            traceback.print_exc()
        line = explaining.explained(error, finals[outputs[0]].parent)
        print(f"error: {line}", file=sys.stderr, flush=True)
        sys.exit(1)
    finally:
        for partial in partials.values():
            shutil.rmtree(partial, ignore_errors=True)


def rank() -> int:
    """Which of the processes of one job this is; 0 is the one that writes, and the only one
    outside torch's elastic launcher.

    Other launchers set RANK as well, for jobs that are none of theirs.
    """
    return int(os.environ["RANK"]) if "TORCHELASTIC_RUN_ID" in os.environ else 0


def _finish(job: Job, partials: dict[Path, Path], started: float, shared_folder: bool) -> None:
    """Check that all outputs are there, write the record, publish, drop the work folder."""
    absent = [str(job.finals[name]) for name, path in job.outputs.items() if not path.is_file()]
    if absent:
        raise RuntimeError(f"the script ended without writing {', '.join(absent)}")
    first = next(iter(job.finals.values()))
    hashes = {
        str(final): store.sha256_file(file) for file, final in publication.files(partials).items()
    }
    record = provenance.collect(
        job.identity(), output_hashes=hashes, seconds=time.monotonic() - started
    )
    shared, own = artifacts.record_places(partials[first.parent] / first.name)
    store.write_json(shared if shared_folder else own, record)
    publication.publish(publication.files(partials), sweep=not shared_folder)
    work_folder.discard(first)


def _parse(
    main: Callable[[Job], None], inputs: Sequence[str], outputs: Sequence[str]
) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=sys.modules[main.__module__].__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name in inputs:
        bare = name.rstrip("*?")
        # Snakemake writes the flag of an absent input with nothing behind it.
        nargs = {"**": "*", "*": "+", "?": "?", "": None}[name.removeprefix(bare)]
        required = nargs in (None, "+")
        flag = "--" + bare.replace("_", "-")
        parser.add_argument(flag, dest=bare, nargs=nargs, required=required, help="input")
    for name in outputs:
        flag = "--" + name.replace("_", "-")
        parser.add_argument(flag, dest=name, required=True, help="output")
    parser.add_argument("--spec", required=True, help="JSON object of this job's settings")
    parser.add_argument("--code", default="", help="fingerprint of the code, for the provenance")
    return parser.parse_args()


def _paths(arguments: argparse.Namespace, name: str) -> Path | list[Path] | None:
    value = getattr(arguments, name.rstrip("*?"))
    if name.endswith("*"):
        return [Path(item) for item in value or ()]
    return None if value is None else Path(value)
