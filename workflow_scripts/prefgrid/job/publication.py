"""A job's files go to their places whole, manifests last, so nothing half-made looks finished."""

import os
from pathlib import Path

from prefgrid.files import artifacts, store

INERT = True


def files(partials: dict[Path, Path]) -> dict[Path, Path]:
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


def publish(made: dict[Path, Path], sweep: bool) -> None:
    """Rename every file to its place, in the given order.

    sweep: the folder of a manifest loses what it holds beside these files.
    """
    for final in made.values():
        # An older run's manifest must not vouch for this run's files.
        if final.name == artifacts.MANIFEST:
            final.unlink(missing_ok=True)
    for file, final in made.items():
        final.parent.mkdir(parents=True, exist_ok=True)
        if sweep and final.name == artifacts.MANIFEST:
            _remove_leftovers(final.parent, set(made.values()))
        store.publish(file, final)
    for folder in {final.parent for final in made.values()}:
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
