"""Split the dataset's prompts into disjoint, deduplicated training and evaluation pools, for any study.

Inputs: data (JSONL, of the dataset's schema), tokenizer (the base model's tokenizer.json).
Outputs: train, evaluation (JSONL of prompt_id, prompt).
Spec: data {dataset (its module), bad_row_share, eval_share}, max_prompt_tokens.
"""

from prefgrid.data import instructions, pools, prompt_files
from prefgrid.files import store
from prefgrid.job import jobs


def main(job: jobs.Job) -> None:
    source, limit = job.spec["data"], job.spec["max_prompt_tokens"]
    data = instructions.read(job.inputs["data"], source["dataset"], source["bad_row_share"])
    prompts = [row.prompt for row in data.rows]
    short = prompt_files.short(prompts, job.inputs["tokenizer"], limit)
    train, evaluation = pools.split(short, source["eval_share"])
    store.log(
        f"{len(data.rows)} prompts, {len(data.skipped)} bad rows skipped, "
        f"{len(prompts) - len(short)} over {limit} tokens left out, "
        f"{len(short) - len(train) - len(evaluation)} duplicates; "
        f"{len(train)} for training, {len(evaluation)} for evaluation"
    )
    store.write_jsonl(job.outputs["train"], train)
    store.write_jsonl(job.outputs["evaluation"], evaluation)


if __name__ == "__main__":
    jobs.run(main, inputs=("data", "tokenizer"), outputs=("train", "evaluation"))
