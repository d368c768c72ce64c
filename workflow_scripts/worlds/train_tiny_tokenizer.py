"""Train the tiny world's tokenizer on its own prompts and responses.

Inputs: data. Outputs: tokenizer, config. Spec: vocabulary, data.
"""

from prefgrid.files import store
from prefgrid.job import jobs
from prefgrid.tinyworld import files, tokenizer


def main(job: jobs.Job) -> None:
    spec = job.spec
    dialogues = files.training_dialogues(job.inputs["data"], **spec["data"])
    learned = tokenizer.train(
        [text for dialogue in dialogues for text in dialogue], spec["vocabulary"]
    )
    learned.save_pretrained(job.folder("tokenizer"))
    store.log(f"{len(learned)} tokens")


if __name__ == "__main__":
    jobs.run(main, inputs=("data",), outputs=("tokenizer", "config"))
