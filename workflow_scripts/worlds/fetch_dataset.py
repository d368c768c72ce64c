"""Bring a preference dataset from the hub, or from local files of its schema, into one JSONL file.

Outputs: data (JSONL). Spec: source (hub id, local folder or file), revision, split, fields (columns that
it must have).
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets

from prefgrid.files import store
from prefgrid.job import jobs


def main(job: jobs.Job) -> None:
    spec = job.spec
    rows = load(spec["source"], spec["revision"], spec["split"])
    check_fields(spec["source"], rows.column_names, spec["fields"])
    store.log(f"{len(rows)} rows")
    store.write_jsonl(job.outputs["data"], map(nan_as_null, rows))


def load(source: str, revision: str | None, split: str) -> datasets.Dataset:
    """The dataset of a hub id, a folder, or one JSON-lines or parquet file; ValueError if it cannot
    be had."""
    try:
        if Path(source).is_file():
            kind = "parquet" if source.endswith(".parquet") else "json"
            return datasets.load_dataset(kind, data_files=source, split="train")
        return datasets.load_dataset(source, revision=revision, split=split)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise ValueError(
            f"cannot get dataset {source!r} at revision {revision!r}, split {split!r}: {error}. "
            "Allowed: a hub id 'owner/name' that this machine can reach, a local folder, or a "
            "JSON-lines or parquet file."
        ) from error


def check_fields(source: str, columns: Sequence[str], fields: Sequence[str]) -> None:
    """ValueError naming the columns that are not there, as of a dataset of another schema."""
    missing = [name for name in fields if name not in columns]
    if missing:
        raise ValueError(
            f"dataset {source!r} has no column {', '.join(missing)} (it has {', '.join(columns)}); "
            "allowed: a source of the schema that data.dataset reads"
        )


def nan_as_null(value: Any) -> Any:
    """`value` with null for NaN and infinity, which the hub has for missing scores and JSON lacks."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: nan_as_null(item) for key, item in value.items()}
    if isinstance(value, list):
        return [nan_as_null(item) for item in value]
    return value


if __name__ == "__main__":
    jobs.run(main, inputs=(), outputs=("data",))
