"""Gather the evaluations of every data cell of the single-index study into one table each.

Inputs: none on the command line; the files of the spec's cells under its root.
Outputs: curves, links (parquet), runs, evidence (CSV).
Spec: root, cells (folders below the root).
"""

from pathlib import Path

from prefgrid.files import grid, store, table_rows
from prefgrid.job import jobs

TABLES = {
    "curves": table_rows.SingleCurve,
    "links": table_rows.SingleLink,
    "runs": table_rows.SingleRun,
    "evidence": table_rows.SingleEvidence,
}


def main(job: jobs.Job) -> None:
    for name, output in job.outputs.items():
        paths = [
            Path(job.spec["root"], "evaluations", cell, output.name) for cell in job.spec["cells"]
        ]
        # Named here and not on the command line, so that they enter the provenance all the same.
        job.inputs[name] = paths
        table = grid.read_grid(paths, TABLES[name]).drop(columns="seeds")
        write = store.write_csv if output.suffix == ".csv" else store.write_parquet
        write(output, table)
        store.log(f"{name}: {len(table)} rows of {len(paths)} cells")


if __name__ == "__main__":
    jobs.run(main, inputs=(), outputs=tuple(TABLES))
