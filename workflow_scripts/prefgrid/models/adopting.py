"""Taking a model's folder as it is. Imports no torch."""

import shutil
from pathlib import Path

from prefgrid.files import artifacts, store


def adopt_model(source: Path | str, weights: Path) -> None:
    """Take the model in `source` as it is into the folder of `weights`, its weights' file, which are not
    stored a second time."""
    for path in artifacts.files(Path(source)):
        # Of a small file the date is its own: Snakemake renews it, and asks for it of inputs.
        take = store.link_or_copy if path.name == weights.name else shutil.copyfile
        take(path, weights.with_name(path.name))
