"""Write the tiny world's prompts and completions, in UltraFeedback's schema.

Outputs: data (JSONL). Spec: prompts (how many), seed.
"""

from prefgrid.files import store
from prefgrid.job import jobs
from prefgrid.tinyworld import files


def main(job: jobs.Job) -> None:
    rows = files.rows(job.spec["prompts"], job.spec["seed"])
    store.write_jsonl(job.outputs["data"], rows)
    store.log(f"{len(rows)} prompts, {len(rows[0]['completions'])} completions each")


if __name__ == "__main__":
    jobs.run(main, inputs=(), outputs=("data",))
