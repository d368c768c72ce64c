"""All benchmarks but the graph's, one after another, and their rows in one table: `make bench`.

`python -m benchmarks.run scan naive` runs these two alone. A benchmark that fails (`naive` needs the
results of `make run`) does not keep the others from their rows; its traceback is shown and the exit
status is 1.
"""

import importlib
import os
import sys
import traceback

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from benchmarks.table import Row, print_table
from prefgrid.files import store

BENCHMARKS = (
    "training",
    "scored_groups",
    "preference_matrix",
    "pair_matrices",
    "self_play_iteration",
    "scan",
    "naive",
    "startup",
)


def main() -> None:
    torch.set_num_threads(1)
    store.log = lambda *_: None
    found: list[Row] = []
    failed = []
    for name in sys.argv[1:] or BENCHMARKS:
        print(f"benchmark: {name}", file=sys.stderr)
        try:
            found += importlib.import_module(f"benchmarks.{name}").rows()
        except Exception:
            traceback.print_exc()
            failed.append(name)
    print_table(found)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
