"""Bring UltraFeedback from the hub, or from local files of its schema, into one JSONL file.

Outputs: data (JSONL). Spec: source (hub id, local folder or file), revision, split.
"""

from pathlib import Path

import datasets

from prefgrid import jobs, store


def main(job: jobs.Job) -> None:
    rows = load(job.spec["source"], job.spec["revision"], job.spec["split"])
    store.log(f"{len(rows)} rows")
    store.write_jsonl(job.outputs["data"], rows)


def load(source: str, revision: str | None, split: str) -> datasets.Dataset:
    """The dataset of a hub id, a folder, or one JSON-lines file; ValueError if it cannot be had."""
    try:
        if Path(source).is_file():
            return datasets.load_dataset("json", data_files=source, split="train")
        return datasets.load_dataset(source, revision=revision, split=split)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise ValueError(
            f"cannot get dataset {source!r} at revision {revision!r}, split {split!r}: {error}. "
            "Allowed: a hub id 'owner/name' that this machine can reach, a local folder, or a "
            "JSON-lines file."
        ) from error


if __name__ == "__main__":
    jobs.run(main, inputs=(), outputs=("data",))
