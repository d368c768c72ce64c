"""Gather one table of every cell of a grid into one, with the cell's keys as columns.

Inputs: none on the command line, where a wide grid's names would not fit; the files that the spec lists.
Outputs: table (CSV or parquet, as its name says).
Spec: folder, file (of one cell), grids (of each, name and values of its axes, the last one fastest), drop
(columns).
"""

from pathlib import Path

from prefgrid.files import cells, grid, store
from prefgrid.job import jobs


def main(job: jobs.Job) -> None:
    spec, output = job.spec, job.outputs["table"]
    listed = [cell for axes in spec["grids"] for cell in cells.every(dict(axes))]
    # Named here, so that they enter the provenance all the same.
    job.inputs["cells"] = [Path(spec["folder"], cell, spec["file"]) for cell in listed]
    table = grid.read_cells(job.inputs["cells"]).drop(columns=spec["drop"])
    write = store.write_csv if output.suffix == ".csv" else store.write_parquet
    write(output, table)
    store.log(f"{len(table)} rows of {len(listed)} cells")


if __name__ == "__main__":
    jobs.run(main, inputs=(), outputs=("table",), shared_folder=True)
