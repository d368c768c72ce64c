"""Split the dataset's prompts into disjoint, deduplicated training and evaluation pools, for any study.

Inputs: data (JSONL, of the dataset's schema), tokenizer (the base model's tokenizer.json).
Outputs: train, evaluation (JSONL of prompt_id, prompt).
Spec: data {dataset (its module), bad_row_share, eval_share}, max_prompt_tokens.
"""

from tokenizers import Tokenizer

from prefgrid.data import instructions, pools
from prefgrid.files import store
from prefgrid.job import jobs


def main(job: jobs.Job) -> None:
    source, limit = job.spec["data"], job.spec["max_prompt_tokens"]
    data = instructions.read(job.inputs["data"], source["dataset"], source["bad_row_share"])
    # The bare `tokenizers` library counts tokens without importing torch.
    tokenizer = Tokenizer.from_file(str(job.inputs["tokenizer"]))
    prompts = [row.prompt for row in data.rows]
    lengths = [len(tokens) for tokens in tokenizer.encode_batch(prompts, add_special_tokens=False)]
    short = [prompt for prompt, length in zip(prompts, lengths, strict=True) if length <= limit]
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
