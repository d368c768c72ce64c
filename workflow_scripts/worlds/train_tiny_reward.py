"""Train the tiny world's reward model on the rule's differences between responses to a prompt.

Inputs: data, base (its manifest). Outputs: weights, config, tokenizer, manifest.
Spec: seed, schedule (arguments of tinyworld.schedule.training_options; its batch size counts
groups), data, prompt_format.
"""

from prefgrid.job import jobs
from prefgrid.models.loading import load_tokenizer, save_model
from prefgrid.tinyworld import files
from prefgrid.tinyworld.reward_model import groups, train_reward
from prefgrid.tinyworld.schedule import training_options


def main(job: jobs.Job) -> None:
    spec = job.spec
    base = job.inputs["base"].parent
    tokenizer = load_tokenizer(base)
    dialogues = files.training_dialogues(job.inputs["data"], **spec["data"])
    prompts = list(dict.fromkeys(prompt for prompt, _ in dialogues))
    failure = job.finals["manifest"].parent / "failed_batch.json"
    failure.unlink(missing_ok=True)
    model = train_reward(
        tokenizer,
        base,
        groups(prompts, spec["seed"]),
        training_options(**spec["schedule"]),
        spec["prompt_format"],
        spec["seed"],
        failure_path=failure,
        work=job.work,
    )
    save_model(job.folder("manifest"), model, tokenizer)


if __name__ == "__main__":
    jobs.run(
        main,
        inputs=("data", "base"),
        outputs=("weights", "config", "tokenizer", "manifest"),
    )
