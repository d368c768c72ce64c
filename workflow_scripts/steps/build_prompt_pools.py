"""Split the dataset's prompts into disjoint, deduplicated training and evaluation pools.

Inputs: data (UltraFeedback JSONL), tokenizer (the base model's tokenizer.json).
Outputs: train, evaluation (JSONL of prompt_id, prompt).
Spec: data {eval_share, bad_row_share}, prompts {train, eval}, max_prompt_tokens.
"""

from tokenizers import Tokenizer

from prefgrid.data import pools, ultrafeedback
from prefgrid.files import store
from prefgrid.job import jobs


def main(job: jobs.Job) -> None:
    data = ultrafeedback.read(job.inputs["data"], job.spec["data"]["bad_row_share"])
    limit = job.spec["max_prompt_tokens"]
    # The bare `tokenizers` library counts tokens without importing torch.
    tokenizer = Tokenizer.from_file(str(job.inputs["tokenizer"]))
    prompts = [row.prompt for row in data.rows]
    lengths = [len(tokens) for tokens in tokenizer.encode_batch(prompts, add_special_tokens=False)]
    short = [prompt for prompt, length in zip(prompts, lengths, strict=True) if length <= limit]
    train, evaluation = pools.split(short, job.spec["data"]["eval_share"])
    store.log(
        f"{len(data.rows)} prompts, {len(data.skipped)} bad rows skipped, "
        f"{len(prompts) - len(short)} over {limit} tokens left out, "
        f"{len(short) - len(train) - len(evaluation)} duplicates; "
        f"{len(train)} for training, {len(evaluation)} for evaluation"
    )
    counts = job.spec["prompts"]
    store.write_jsonl(job.outputs["train"], pools.take(train, counts["train"], "training"))
    store.write_jsonl(
        job.outputs["evaluation"], pools.take(evaluation, counts["eval"], "evaluation")
    )


if __name__ == "__main__":
    jobs.run(main, inputs=("data", "tokenizer"), outputs=("train", "evaluation"))
