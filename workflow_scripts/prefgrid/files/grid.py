"""Many cells' files as one table, the cells' keys as columns."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from prefgrid.files import cells, reading

if TYPE_CHECKING:
    import pandas


def read_grid(paths: Iterable[Path | str]) -> "pandas.DataFrame":
    """Concatenate the tables of a grid's cells, as jobs made them; the cells' keys become columns.

    Keys that the file itself already holds as a column are left as the file has them.
    """
    import pandas

    frames = []
    for path in paths:
        frame = reading.read_table(path)
        keys = {key: value for key, value in cells.values(path).items() if key not in frame}
        frames.append(frame.assign(**keys))
    return pandas.concat(frames, ignore_index=True)
