"""Draw a block of seeds of the single-index study: teachers, pairs, label noise, first students.

Inputs: none. Outputs: draws (safetensors).
Spec: seeds [first, last], n, size {dimension, actions, hidden, contexts}.
"""

from prefgrid.job import jobs
from prefgrid.studies.single_index import files, world


def main(job: jobs.Job) -> None:
    first, last = job.spec["seeds"]
    size = world.Size(**job.spec["size"])
    files.save(job.outputs["draws"], world.draw(range(first, last + 1), job.spec["n"], size))


if __name__ == "__main__":
    jobs.run(main, inputs=(), outputs=("draws",))
