"""Collect comparisons of responses: their train, calibration and test rows, by the prompt.

Inputs: files (what the comparisons' module reads: the dataset, a file of its own, or train, calibration and test of
each of other comparisons; none). Outputs: train, calibration, test (JSONL of records.Compared), summary (JSON: rows
and comparisons of each, comparisons or rows dropped by reason, bad rows).
Spec: comparisons (dotted module), options (of it), data (what of the config's `data` it needs).
"""

import importlib
from collections.abc import Mapping, Sized

from prefgrid.comparisons.base import SPLITS
from prefgrid.files import store
from prefgrid.job import jobs


def main(job: jobs.Job) -> None:
    spec = job.spec
    module = importlib.import_module(spec["comparisons"])
    sets = module.read(job.inputs["files"], spec["options"], spec["data"])
    rows = {split: getattr(sets, split) for split in SPLITS}
    if not any(rows.values()):
        raise store.DataError(f"no comparison is left; left out: {dict(sets.dropped) or 'none'}")
    _require_all(rows, getattr(module, "TRAINS", True), spec["data"].get("eval_share"))
    for split in SPLITS:
        store.write_jsonl(job.outputs[split], rows[split])
    summary = {
        "rows": {split: len(found) for split, found in rows.items()},
        "comparisons": {
            split: sum(len(row["comparisons"]) for row in found) for split, found in rows.items()
        },
        "dropped": dict(sets.dropped),
        "bad_rows": len(sets.bad_rows),
    }
    store.write_json(job.outputs["summary"], summary)
    counts = ", ".join(f"{count} {split}" for split, count in summary["rows"].items())
    dropped = ", ".join(f"{count} {reason}" for reason, count in sets.dropped.items())
    store.log(f"rows: {counts}; left out: {dropped or 'none'}; {len(sets.bad_rows)} bad rows")


def _require_all(rows: Mapping[str, Sized], trains: bool, eval_share: float | None) -> None:
    """DataError for a file without rows: whoever asks for the set reads them all, some after hours."""
    empty = [split for split in SPLITS if not rows[split] and (trains or split != "train")]
    if not empty:
        return
    counts = ", ".join(f"{len(found)} {split}" for split, found in rows.items())
    share = "" if eval_share is None else f", or another data.eval_share, now {eval_share:g}"
    raise store.DataError(
        f"rows: {counts}; no row for {', '.join(empty)}. Prompts are held out by their hash; allowed: "
        f"more prompts{share}"
    )


if __name__ == "__main__":
    jobs.run(main, inputs=("files**",), outputs=(*SPLITS, "summary"))
