"""Gather the files of every cell of the grid into one table each, with the cell as columns.

Inputs: none on the command line; the files of the spec's cells under its root.
Outputs: evaluations (CSV), samples, indices, training (parquet).
Spec: root, methods, seeds, shifts, n.
"""

import itertools
from pathlib import Path

from prefgrid.files import grid, records, store
from prefgrid.job import jobs

TABLES = {
    "samples": records.ScanSample,
    "indices": records.HeldOutIndex,
    "training": records.TrainingStep,
}


def main(job: jobs.Job) -> None:
    spec = job.spec
    axes = itertools.product(spec["methods"], spec["seeds"], spec["shifts"], spec["n"])
    cells = [f"method={m}/seed={s}/shift={float(b)}/n={n}" for m, s, b, n in axes]

    def paths(stage: str, name: str) -> list[Path]:
        return [Path(spec["root"], stage, cell, name) for cell in cells]

    # Named here and not on the command line, so that they enter the provenance all the same.
    job.inputs["evaluations"] = paths("evaluations", "evaluation.csv")
    job.inputs["samples"] = paths("evaluations", "samples.parquet")
    job.inputs["indices"] = paths("evaluations", "indices.parquet")
    job.inputs["training"] = paths("policies", "metrics.jsonl")

    evaluations = grid.read_grid(job.inputs["evaluations"], records.Evaluation)
    store.write_csv(job.outputs["evaluations"], evaluations)
    for name, kind in TABLES.items():
        store.write_parquet(job.outputs[name], grid.read_grid(job.inputs[name], kind))
    store.log(f"{len(cells)} cells gathered")


if __name__ == "__main__":
    jobs.run(main, inputs=(), outputs=("evaluations", "samples", "indices", "training"))
