"""Score every response of sampled groups with one judge.

Inputs: responses (JSONL, all shards), judge (manifest.json of its model; absent where it asks none).
Outputs: rewards (JSONL: the groups, each response with its reward).
Spec: judge (dotted module), options (of the judge), prompt_format, at_once (responses that are scored
together and kept for a rerun; null: a shard's. It fixes batches, hence rounding).
A rerun after a kill continues with what is not scored yet.
"""

import importlib

from prefgrid.data import groups
from prefgrid.files import reading, records, store
from prefgrid.job import devices, jobs
from prefgrid.judges.base import judged_rewards


def main(job: jobs.Job) -> None:
    spec = job.spec
    shards = [
        reading.read_jsonl(path, records.Group, key="group") for path in job.inputs["responses"]
    ]
    judge = importlib.import_module(spec["judge"]).load(
        job.inputs["judge"] and job.inputs["judge"].parent,
        spec["options"],
        prompt_format=spec["prompt_format"],
        device=devices.device(),
    )
    scores: list[float] = []
    for number, shard in enumerate(shards):
        prompts, texts = groups.texts(shard)
        size = spec["at_once"] or len(texts)
        for start in range(0, len(texts), size):
            part = slice(start, start + size)
            scores += job.part(
                f"rewards-{number}-{start}",
                lambda p=prompts[part], t=texts[part]: judged_rewards(judge, p, t).tolist(),
            )
    rows = [row for shard in shards for row in shard]
    store.write_jsonl(job.outputs["rewards"], groups.scored(rows, scores))


if __name__ == "__main__":
    jobs.run(main, inputs=("responses*", "judge?"), outputs=("rewards",))
