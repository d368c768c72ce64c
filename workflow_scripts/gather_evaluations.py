"""Gather the files of every cell of the grid into one table each, with the cell as columns.

Inputs: none on the command line; the files of the spec's cells under its root.
Outputs: evaluations (CSV), samples, indices, training, links (parquet).
Spec: root, methods, seeds, shifts, n.
"""

import itertools
from pathlib import Path

import pandas

from prefgrid import jobs, store


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
    job.inputs["links"] = paths("policies", "link.json")

    store.write_csv(job.outputs["evaluations"], store.read_grid(job.inputs["evaluations"]))
    for name in ("samples", "indices", "training"):
        store.write_parquet(job.outputs[name], store.read_grid(job.inputs[name]))
    links = [_link(path) for path in job.inputs["links"]]
    store.write_parquet(job.outputs["links"], pandas.concat(links, ignore_index=True))
    store.log(f"{len(cells)} cells gathered")


def _link(path: Path) -> pandas.DataFrame:
    link = store.read_json(path)
    columns = {name: link[name] for name in ("index_nats", "probability")}
    return pandas.DataFrame(columns).assign(**store.partition(path))


if __name__ == "__main__":
    jobs.run(main, inputs=(), outputs=("evaluations", "samples", "indices", "training", "links"))
