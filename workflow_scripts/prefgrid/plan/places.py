"""Where a run is: the name of its folder, its locale, and where matplotlib keeps its files.

Standard library only.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# What would be misread, by whom.
MISREAD = {
    os.pathsep: "PATH and PYTHONPATH are split there",
    "{": "Snakemake takes it for a wildcard",
    "}": "Snakemake takes it for a wildcard",
}
MATPLOTLIB_VARIABLE = "MPLCONFIGDIR"
# Where matplotlib keeps its settings and its list of fonts, by the folder's variable and default.
MATPLOTLIB_FOLDERS = {"XDG_CONFIG_HOME": ".config", "XDG_CACHE_HOME": ".cache"}


class PlaceError(ValueError):
    """A folder whose name a run cannot have; the message says why and what to do."""


def check_checkout(folder: Path) -> None:
    """PlaceError if the folder of the Snakefile has a name that jobs could not be started from."""
    for character, why in MISREAD.items():
        if character in str(folder):
            raise PlaceError(
                f"the folder of this checkout, {folder}, has a {character!r} in its path: {why}. "
                "Move the checkout to a folder without; results may stay where they are "
                "(--directory takes any folder)"
            )


def check_locale(config: Mapping[str, Any]) -> None:
    """PlaceError if this process would hand the config's letters to its jobs as other ones."""
    encoding = sys.getfilesystemencoding()
    if encoding != "utf-8" and not str(config).isascii():
        raise PlaceError(
            f"the config has letters beyond ASCII, and this locale's encoding is {encoding}: jobs, "
            "which read UTF-8, would get others. Set PYTHONUTF8=1 for Snakemake, or a UTF-8 locale"
        )


def matplotlib_folder(environment: Mapping[str, str], working: Path) -> str | None:
    """What MPLCONFIGDIR must be for jobs; None where matplotlib finds a folder by itself.

    Where it finds none, every process makes a temporary one and removes it at its end; the fork
    server's would be all its scripts' to remove, while others still use it.
    """
    own = environment.get(MATPLOTLIB_VARIABLE)
    folders = [Path(own)] if own else _defaults(environment)
    if all(map(_can_be_written, folders)):
        return None
    return str(working / ".snakemake" / "matplotlib")


def _defaults(environment: Mapping[str, str]) -> list[Path]:
    home = Path(os.path.expanduser("~"))
    return [
        Path(environment.get(variable) or home / default) / "matplotlib"
        for variable, default in MATPLOTLIB_FOLDERS.items()
    ]


def _can_be_written(folder: Path) -> bool:
    """Whether files can be made in the folder, which need not exist."""
    found = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
    return found.is_dir() and os.access(found, os.W_OK | os.X_OK)
