"""What every workflow script shares: its command line, its outputs' atomic publication, provenance.

A script declares the names of its inputs and outputs, gets them as paths in a `Job`, and writes
outputs only to the job's temporary paths. When its `main` returns, the files are flushed and
renamed into place, `manifest.json` last; when it raises, nothing is published. The folder of a
manifest is one artifact: files that an earlier run left there and this one did not write go.
"""

import argparse
import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from prefgrid import artifacts, provenance, store

# Matches uuid4().hex and nothing longer, so that no other job's folder is taken for ours.
UNIQUE_PART = "[0-9a-f]" * 32


@dataclass(frozen=True)
class Job:
    """One run of one script.

    inputs: name → path; list of paths for names declared with a trailing "*"; path or None for
        names declared with a trailing "?".
    outputs: name → the temporary path to write; files added beside an output are published too.
    finals: name → the path an output will be published at.
    spec: the part of the config this job depends on, wildcards included.
    """

    inputs: dict[str, Any]
    outputs: dict[str, Path]
    finals: dict[str, Path]
    spec: dict[str, Any]

    def input_files(self) -> list[Path]:
        """All inputs in one list, absent ones left out."""
        groups = (value if isinstance(value, list) else [value] for value in self.inputs.values())
        return [path for group in groups for path in group if path is not None]

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
    first = finals[outputs[0]]
    mark, unique = f".partial-{first.name}-", uuid4().hex
    partials = {path.parent: path.parent / (mark + unique) for path in finals.values()}
    started = time.monotonic()
    try:
        for folder, partial in partials.items():
            # No two jobs write the same path, so a leftover of this name is a killed run's.
            for stale in folder.glob(mark + UNIQUE_PART):
                shutil.rmtree(stale, ignore_errors=True)
            partial.mkdir(parents=True)
        job = Job(
            inputs={name.rstrip("*?"): _paths(arguments, name) for name in inputs},
            outputs={name: partials[path.parent] / path.name for name, path in finals.items()},
            finals=finals,
            spec=json.loads(arguments.spec),
        )
        if "torch" in sys.modules:
            from prefgrid import devices

            devices.limit_threads()
        main(job)
        absent = [str(finals[name]) for name, path in job.outputs.items() if not path.is_file()]
        if absent:
            raise RuntimeError(f"the script ended without writing {', '.join(absent)}")
        hashes = {str(final): store.sha256_file(file) for file, final in _files(partials).items()}
        record = provenance.collect(
            script=Path(sys.argv[0]).stem,
            spec=job.spec,
            code=arguments.code,
            inputs=job.inputs,
            output_hashes=hashes,
            seconds=time.monotonic() - started,
        )
        place = f"_provenance/{first.stem}.json" if shared_folder else "_provenance.json"
        store.write_json(partials[first.parent] / place, record)
        _publish(_files(partials), sweep=not shared_folder)
    except Exception as error:
        traceback.print_exc()
        print(f"error: {error}", file=sys.stderr, flush=True)
        sys.exit(1)
    finally:
        for partial in partials.values():
            shutil.rmtree(partial, ignore_errors=True)


def _parse(
    main: Callable[[Job], None], inputs: Sequence[str], outputs: Sequence[str]
) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=sys.modules[main.__module__].__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name in inputs:
        bare, optional = name.rstrip("*?"), name.endswith("?")
        # Snakemake writes the flag of an absent input with nothing behind it.
        nargs = "+" if name.endswith("*") else "?" if optional else None
        flag = "--" + bare.replace("_", "-")
        parser.add_argument(flag, dest=bare, nargs=nargs, required=not optional, help="input")
    for name in outputs:
        flag = "--" + name.replace("_", "-")
        parser.add_argument(flag, dest=name, required=True, help="output")
    parser.add_argument("--spec", required=True, help="JSON object of this job's settings")
    parser.add_argument("--code", default="", help="fingerprint of the code, for the provenance")
    return parser.parse_args()


def _paths(arguments: argparse.Namespace, name: str) -> Path | list[Path] | None:
    value = getattr(arguments, name.rstrip("*?"))
    if name.endswith("*"):
        return [Path(item) for item in value]
    return None if value is None else Path(value)


def _files(partials: dict[Path, Path]) -> dict[Path, Path]:
    """Every written file → the path it belongs at, manifests last."""
    found = {
        path: folder / path.relative_to(partial)
        for folder, partial in partials.items()
        for path in partial.rglob("*")
        if path.is_file()
    }
    return dict(
        sorted(found.items(), key=lambda item: (item[1].name == artifacts.MANIFEST, item[1]))
    )


def _publish(files: dict[Path, Path], sweep: bool) -> None:
    """Rename every file to its place, in the given order.

    sweep: the folder of a manifest loses what it holds beside these files.
    """
    for final in files.values():
        # An older run's manifest must not vouch for this run's files.
        if final.name == artifacts.MANIFEST:
            final.unlink(missing_ok=True)
    for file, final in files.items():
        final.parent.mkdir(parents=True, exist_ok=True)
        if sweep and final.name == artifacts.MANIFEST:
            _remove_leftovers(final.parent, set(files.values()))
        store.publish(file, final)
    for folder in {final.parent for final in files.values()}:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove_leftovers(folder: Path, published: set[Path]) -> None:
    """Remove an earlier run's files: whoever loads the folder would take them for this run's.

    Called once every new file but the manifest is in place. Private files stay.
    """
    for path in artifacts.files(folder):
        if path not in published:
            path.unlink()
