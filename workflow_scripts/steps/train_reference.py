"""Fine-tune the base model on supervised completions: the reference of all studies.

The loss is on response tokens and the end token only; evaluation prompts are left out.
Inputs: base (manifest.json), data (JSONL, of the dataset's schema).
Outputs: weights, config, tokenizer, metrics, manifest.
Spec: sft {completions, prompts, seed}, training, data {dataset (its module), bad_row_share, eval_share},
prompt_format, max_prompt_tokens, max_response_tokens.
"""

from prefgrid.data import instructions, supervised
from prefgrid.job import jobs
from prefgrid.models import loading
from prefgrid.objectives import base
from prefgrid.training.batches import Group
from prefgrid.training.loop import train
from prefgrid.training.options import TrainingOptions
from prefgrid.training.policy import load_policy
from prefgrid.training.step import PolicyForward


def main(job: jobs.Job) -> None:
    spec, source = job.spec, job.spec["data"]
    folder = job.inputs["base"].parent
    tokenizer = loading.load_tokenizer(folder)
    data = instructions.read(job.inputs["data"], source["dataset"], source["bad_row_share"])
    examples = supervised.examples(
        data.rows,
        tokenizer,
        completions=spec["sft"]["completions"],
        prompts=spec["sft"]["prompts"],
        eval_share=source["eval_share"],
        prompt_format=spec["prompt_format"],
        max_prompt_tokens=spec["max_prompt_tokens"],
        max_response_tokens=spec["max_response_tokens"],
    )
    groups = [Group(example.prompt_tokens, (example.response_tokens,)) for example in examples]
    options = TrainingOptions(**spec["training"])
    objective = base.create("sft", {}, options.schedule(len(groups), spec["sft"]["seed"]))
    failure = job.finals["manifest"].parent / "failed_batch.json"
    failure.unlink(missing_ok=True)
    model = load_policy(folder, options, seed=spec["sft"]["seed"])
    train(
        PolicyForward(model, groups, options, loading.pad_id(tokenizer)),
        objective,
        metrics_path=job.outputs["metrics"],
        failure_path=failure,
        work=job.work,
    )
    if options.lora is not None:
        model = model.merge_and_unload()
    loading.save_model(job.folder("manifest"), model, tokenizer)


if __name__ == "__main__":
    jobs.run(
        main,
        inputs=("base", "data"),
        outputs=("weights", "config", "tokenizer", "metrics", "manifest"),
    )
