"""Bring the folder of a judge's model, of whatever class, from the hub or a local folder into results/.

Outputs: weights, config, tokenizer, manifest. Spec: label (its name in the config, for the report), source,
revision, prompt_date (ISO), the date in its chat template; of a local source its content.
"""

from datetime import date

from prefgrid.job import jobs
from prefgrid.models.fetching_folders import fetch_folder


def main(job: jobs.Job) -> None:
    spec = job.spec
    fetch_folder(
        spec["source"],
        spec["revision"],
        job.folder("manifest"),
        prompt_date=date.fromisoformat(spec["prompt_date"]),
    )


if __name__ == "__main__":
    jobs.run(main, inputs=(), outputs=("weights", "config", "tokenizer", "manifest"))
