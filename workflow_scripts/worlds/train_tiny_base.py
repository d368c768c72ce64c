"""Train the tiny world's base model from scratch.

Inputs: data, tokenizer_file, tokenizer_config (beside it). Outputs: weights, config, tokenizer, manifest.
Spec: seed, whole_text_share, schedule (arguments of tinyworld.schedule.training_options), architecture
(fields of Qwen3Config and rope_theta), data.
"""

from prefgrid.job import jobs
from prefgrid.models.loading import load_tokenizer, save_model
from prefgrid.tinyworld import files
from prefgrid.tinyworld.base_model import train_base
from prefgrid.tinyworld.schedule import training_options


def main(job: jobs.Job) -> None:
    spec = job.spec
    tokenizer = load_tokenizer(job.inputs["tokenizer_file"].parent)
    failure = job.finals["manifest"].parent / "failed_batch.json"
    failure.unlink(missing_ok=True)
    model = train_base(
        tokenizer,
        files.training_dialogues(job.inputs["data"], **spec["data"]),
        spec["architecture"],
        training_options(**spec["schedule"]),
        spec["whole_text_share"],
        spec["seed"],
        failure_path=failure,
        work=job.work,
    )
    save_model(job.folder("manifest"), model, tokenizer)


if __name__ == "__main__":
    jobs.run(
        main,
        inputs=("data", "tokenizer_file", "tokenizer_config"),
        outputs=("weights", "config", "tokenizer", "manifest"),
    )
