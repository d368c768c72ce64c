"""Bring a preference dataset from the hub, or from local files of its schema, into one JSONL file.

Outputs: data (JSONL); beside it source.json {source, revision, commit}. Spec: source (hub id, local folder or file), revision, split, fields (the columns
that are read: it must have them, and no others are kept, but of optional_fields those that are there); of a
local source its content.
"""

import glob
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import datasets
from datasets.packaged_modules.json.json import Json

from prefgrid.data import lines
from prefgrid.files import store
from prefgrid.job import jobs

# Of a file that is no folder's part; in any case of letters.
PARQUET = ".parquet"
SUFFIXES = {".json", ".jsonl", PARQUET}
# What `datasets` calls all of one file.
WHOLE = "train"
COMMIT = re.compile(r"[0-9a-f]{40}")


def main(job: jobs.Job) -> None:
    spec = job.spec
    optional = spec.get("optional_fields", ())
    made, commit = fetched(
        spec["source"], spec["revision"], spec["split"], spec["fields"], optional
    )
    count = 0
    with store.replacing(job.outputs["data"]) as temporary, open(temporary, "wb") as file:
        for line in made:
            file.write(line)
            count += 1
        if not count:
            raise ValueError(f"dataset {spec['source']!r} holds no rows")
    origin = {"source": spec["source"], "revision": spec["revision"], "commit": commit}
    store.write_json(job.outputs["data"].with_name("source.json"), origin)
    store.log(f"{count} rows")


def fetched(
    source: str,
    revision: str | None,
    split: str,
    fields: Sequence[str],
    optional: Sequence[str] = (),
) -> tuple[Iterator[bytes], str | None]:
    """The lines of one JSONL file, each a row of `fields` and of the `optional` ones that it has, and the
    hub's commit that they are of, None of files on this machine; ValueError if the source cannot be had
    or lacks one of `fields`.

    JSON is read row by row, and rows that cannot be read are kept as they are: whoever reads the
    dataset counts and names them. Other files go through `datasets`, whose readers know no bad row.
    """
    try:
        check_local(source, revision, split)
        # A revision may be a moving branch: one commit is looked up and all files come from it.
        builder = opened(source, revision)
        files = json_files(builder, split)
        rows = None if files else table(builder, split)
    # A damaged archive or a script in the folder can raise anything.
    except Exception as error:
        words = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"cannot get dataset {source!r} at revision {revision!r}, split {split!r}: {words}. "
            "Allowed: a hub id 'owner/name' that this machine can reach, a local folder, or a "
            "file beside the config file or in the run's folder, of JSON or parquet "
            f"({', '.join(sorted(SUFFIXES))}; packed as .gz, .bz2, .xz or .zst too)."
        ) from error
    read, content = (selected, files) if rows is None else (converted, rows)
    made = read(source, content, fields, optional)
    return made, None if Path(source).exists() else commit_of(builder)


def check_local(source: str, revision: str | None, split: str) -> None:
    """ValueError for what a file or a folder on this machine does not have."""
    path = Path(source)
    if not path.exists():
        return
    if revision is not None:
        raise ValueError("files on this machine have no revision; leave it null")
    if path.is_file() and split != WHOLE:
        raise ValueError(f"one file has no such split; allowed: {WHOLE}, which is all of it")
    if path.is_file() and not SUFFIXES & suffixes(source):
        raise ValueError("a file of another kind")
    if path.is_dir() and glob.has_magic(source):
        raise ValueError(
            "`datasets` takes a folder's path with * ? [ for a pattern; rename the folder"
        )
    if (path / datasets.config.DATASET_STATE_JSON_FILENAME).exists():
        raise ValueError(
            "a folder that Dataset.save_to_disk made; write the dataset by to_parquet or to_json"
        )


def suffixes(source: str) -> set[str]:
    return {suffix.lower() for suffix in Path(source).suffixes}


def opened(source: str, revision: str | None) -> datasets.DatasetBuilder:
    """Of a hub id, a folder, or one file; it knows its files, and has read none."""
    if Path(source).is_file():
        kind = "parquet" if PARQUET in suffixes(source) else "json"
        return datasets.load_dataset_builder(kind, data_files=glob.escape(source))
    return datasets.load_dataset_builder(source, revision=revision)


def commit_of(builder: datasets.DatasetBuilder) -> str | None:
    """Of a hub's dataset, also of one in the cache of a machine that cannot reach the hub."""
    return builder.hash if builder.hash and COMMIT.fullmatch(builder.hash) else None


def json_files(builder: datasets.DatasetBuilder, split: str) -> list[str]:
    """The split's files, unpacked and on this machine, if they are JSON; else none."""
    named = builder.config.data_files if isinstance(builder, Json) else {}
    if split not in named:
        return []
    manager = datasets.DownloadManager(download_config=datasets.DownloadConfig(token=builder.token))
    return list(manager.iter_files(manager.download_and_extract(list(named[split]))))


def selected(
    source: str, files: Iterable[str], fields: Sequence[str], optional: Sequence[str]
) -> Iterator[bytes]:
    """Of files of JSON."""
    columns: dict[str, None] = {}
    for line in chain.from_iterable(map(lines.read_any, files)):
        row = line.row or {}
        columns |= dict.fromkeys(row)
        try:
            kept = [*fields, *(name for name in optional if name in row)]
            made = lines.written({name: row.get(name) for name in kept})
        except (RecursionError, ValueError):
            # It can be parsed, but is nested too deeply to be rewritten, or would become another text.
            made = line.text + b"\n"
        yield line.text + b"\n" if line.row is None else made
    check_fields(source, list(columns), fields)


def table(builder: datasets.DatasetBuilder, split: str) -> datasets.Dataset:
    """All rows of a split."""
    builder.download_and_prepare()
    return builder.as_dataset(split=split)


def converted(
    source: str, rows: datasets.Dataset, fields: Sequence[str], optional: Sequence[str]
) -> Iterator[bytes]:
    """Of a table. Columns that nobody reads may hold what JSON lacks: dates, bytes, images."""
    check_fields(source, rows.column_names, fields)
    kept = [*fields, *(name for name in optional if name in rows.column_names)]
    return map(lines.written, rows.select_columns(kept))


def check_fields(source: str, columns: Sequence[str], fields: Sequence[str]) -> None:
    """ValueError naming the columns that are not there, as of a dataset of another schema."""
    missing = [name for name in fields if name not in columns]
    if missing:
        raise ValueError(
            f"dataset {source!r} has no column {', '.join(missing)} (it has {', '.join(columns)}); "
            "allowed: a source of the schema that its reader knows"
        )


if __name__ == "__main__":
    jobs.run(main, inputs=(), outputs=("data",))
