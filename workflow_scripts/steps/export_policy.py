"""Merge a policy into what it starts from: one model that any program loads, without peft.

The weights are float32: in a narrower dtype an update smaller than a weight's last bit would be lost.
The generation config ends a response where the study's own sampling ends it.
Inputs: policy (manifest.json), reference (manifest.json), adapters (manifests of the policies that
were stacked on it before, oldest first; may be none). Outputs: weights, config, tokenizer, manifest (and
the tokenizer's other files, the generation config and a card). Spec: prompt_format.
"""

from prefgrid.job import jobs
from prefgrid.models import loading, standalone
from prefgrid.sampling.request import stop_ids


def main(job: jobs.Job) -> None:
    reference, policy = job.inputs["reference"].parent, job.inputs["policy"].parent
    adapters = [*job.folders("adapters"), policy]
    model, tokenizer = loading.load_stack(reference, adapters), loading.load_tokenizer(reference)
    ends = stop_ids(tokenizer, model, job.spec["prompt_format"])
    model.generation_config.eos_token_id = list(ends)
    model.generation_config.pad_token_id = loading.pad_id(tokenizer)
    trained, last_step = standalone.training_of(policy)
    standalone.save_merged(
        job.folder("manifest"),
        model,
        tokenizer,
        [reference, *adapters],
        place=job.finals["manifest"].parent,
        trained=trained,
        last_step=last_step,
    )


if __name__ == "__main__":
    jobs.run(
        main,
        inputs=("policy", "reference", "adapters**"),
        outputs=("weights", "config", "tokenizer", "manifest"),
    )
