"""The prompts that an iteration of self-play answers, or those that evaluate every iterate.

Inputs: pool (JSONL of prompt_id, prompt: the world's training or evaluation pool; absent with sources), sources
(JSONL with a column `prompt`, a file an iteration from the first on: up to the one that is made, or the first
alone for the evaluation pool; may be none), tokenizer (the base model's tokenizer.json; absent without sources).
Outputs: prompts (JSONL of prompt_id, prompt).
Spec: part {number, size (null: a share), shares (null: all)}, or null: all that evaluates; asked_by (the config's
key); sources {bad_row_share, eval_share, max_prompt_tokens}, or null.
The side of a prompt is its hash's, in whatever file it is: what evaluates is of the first file alone, so that it
stays as it is when files follow, and is in no iteration. Of several files that have a prompt the first keeps it.
"""

from collections.abc import Iterator

from prefgrid.data import parts, pools, prompt_files
from prefgrid.files import reading, records, store
from prefgrid.job import jobs


def main(job: jobs.Job) -> None:
    part, counted = job.spec["part"], ""
    if job.spec["sources"] is None:
        pool = reading.read_jsonl(job.inputs["pool"], records.Prompt, key="prompt_id")
    else:
        *earlier, (training, evaluation, counted) = _sides(job)
        pool = evaluation
        if part is not None:
            taken = {row["prompt_id"] for trained, *_ in earlier for row in trained}
            pool = [row for row in training if row["prompt_id"] not in taken]
            repeated = f"{len(training) - len(pool)} of {len(training)} are an earlier iteration's"
            store.log(repeated)
            counted = f" ({counted}; {repeated})"
    try:
        found = pool if part is None else parts.numbered(pool, **part)
    except ValueError as error:
        raise ValueError(f"{job.spec['asked_by']}: {error}{counted}") from None
    store.write_jsonl(job.outputs["prompts"], found)
    store.log(f"{len(found)} of {len(pool)} prompts")


def _sides(job: jobs.Job) -> Iterator[tuple[list[pools.Prompt], list[pools.Prompt], str]]:
    """(training, evaluation, how many are which) of each of the sources."""
    spec = job.spec["sources"]
    for path in job.inputs["sources"]:
        prompts = prompt_files.read(path, spec["bad_row_share"])
        short = prompt_files.short(prompts, job.inputs["tokenizer"], spec["max_prompt_tokens"])
        train, evaluation = pools.split(short, spec["eval_share"])
        counted = (
            f"{path}: {len(prompts)} prompts, {len(prompts) - len(short)} over max_prompt_tokens = "
            f"{spec['max_prompt_tokens']} left out, {len(short) - len(train) - len(evaluation)} duplicates; "
            f"{len(train)} for training, {len(evaluation)} for evaluation by data.eval_share = "
            f"{spec['eval_share']:g}"
        )
        store.log(counted)
        yield train, evaluation, counted


if __name__ == "__main__":
    jobs.run(main, inputs=("pool?", "sources**", "tokenizer?"), outputs=("prompts",))
