"""Jobs that take a file as `ancient` are planned by what is their own, also while the file is made anew.

Snakemake takes all jobs behind one that has to run for jobs that will run anyway, and asks none of them
whether its own params, code or inputs have changed. Then it leaves out those that only `ancient` files
join to it. So a change that a rehearsal shares with the scores behind it would remake the rehearsal alone,
and the run would end with stale scores as if all were done.
"""

import functools
from collections.abc import Iterator
from typing import Any


def look_behind(graph: Any) -> None:
    """From now on planning by `graph`, Snakemake's class DAG, asks the jobs behind `ancient` files too.
    Twice is once."""
    if not hasattr(graph.update_needrun, "__wrapped__"):
        graph.update_needrun = _looking_behind(graph.update_needrun)


def _looking_behind(update_needrun: Any) -> Any:
    @functools.wraps(update_needrun)
    async def replaced(dag: Any, *arguments: Any, **named: Any) -> None:
        everywhere = dag.bfs

        def bfs(direction: Any, *jobs: Any, **more: Any) -> Iterator[Any]:
            # Within this method it is asked for the jobs not to be looked at.
            joined = _Joined(direction) if direction is dag.depending else direction
            return everywhere(joined, *jobs, **more)

        dag.bfs = bfs
        try:
            await update_needrun(dag, *arguments, **named)
        finally:
            del dag.bfs

    return replaced


class _Joined:
    """Job → the jobs that take a file of it which is not `ancient`, by the files."""

    def __init__(self, depending: Any) -> None:
        self.depending = depending

    def __getitem__(self, job: Any) -> dict[Any, Any]:
        return {
            other: files
            for other, files in self.depending[job].items()
            if not all(file.is_ancient for file in files)
        }
