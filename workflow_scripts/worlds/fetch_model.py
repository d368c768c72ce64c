"""Bring a model from the hub or a local folder into results/.

Outputs: weights, config, tokenizer, manifest. Spec: name (base or reward), source, revision,
prompt_format, which its tokenizer must be able to render, prompt_date (ISO), the date in its template,
attention (implementation of every later job).
"""

from datetime import date

from prefgrid.job import jobs
from prefgrid.models.fetching import fetch_model

KINDS = {"base": "causal", "reward": "sequence-classification"}


def main(job: jobs.Job) -> None:
    spec = job.spec
    fetch_model(
        spec["source"],
        spec["revision"],
        job.folder("manifest"),
        KINDS[spec["name"]],
        spec["prompt_format"],
        prompt_date=date.fromisoformat(spec["prompt_date"]),
        attention=spec["attention"],
    )


if __name__ == "__main__":
    jobs.run(main, inputs=(), outputs=("weights", "config", "tokenizer", "manifest"))
