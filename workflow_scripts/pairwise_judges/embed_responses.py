"""Embeddings of compared responses by a preference model, for the figure of the ring.

Inputs: comparisons (JSONL), judge (manifest.json of the model). Outputs: embeddings (parquet: row,
prompt_id, response, kind of the response where the file says it, its numbers v1, v2, …, and the prompt's
scale1, scale2, … of its planes).
Spec: judge (dotted module, one whose judge has `embeddings`), options (of the judge), prompt_format.
"""

import importlib
from collections.abc import Iterable

import pandas

from prefgrid.files import reading, records, store
from prefgrid.job import devices, jobs


def main(job: jobs.Job) -> None:
    spec = job.spec
    rows = reading.read_jsonl(job.inputs["comparisons"], records.Compared)
    judge = importlib.import_module(spec["judge"]).load(
        job.inputs["judge"].parent,
        spec["options"],
        prompt_format=spec["prompt_format"],
        device=devices.device(),
    )
    texts = [[response["text"] for response in row["responses"]] for row in rows]
    embeddings, scales = judge.embeddings([row["prompt"] for row in rows], texts)
    table = [
        {
            "row": number,
            "prompt_id": row["prompt_id"],
            "response": place,
            "kind": response.get("kind", ""),
            **_numbered("v", vector),
            **_numbered("scale", scale),
        }
        for number, (row, vectors, scale) in enumerate(zip(rows, embeddings, scales, strict=True))
        for place, (response, vector) in enumerate(zip(row["responses"], vectors, strict=True))
    ]
    store.write_parquet(job.outputs["embeddings"], pandas.DataFrame(table))


def _numbered(name: str, values: Iterable[float]) -> dict[str, float]:
    return {f"{name}{place}": float(value) for place, value in enumerate(values, start=1)}


if __name__ == "__main__":
    jobs.run(main, inputs=("comparisons", "judge"), outputs=("embeddings",))
