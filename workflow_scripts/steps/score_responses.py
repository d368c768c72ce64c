"""Score both responses of every pair of a seed, and draw the pair's label noise.

Inputs: responses (all shards), reward (manifest.json). Outputs: rewards (JSONL: the responses'
rows plus reward_0, reward_1 and uniform). Spec: seed, reward {max_tokens, batch_size, precision},
prompt_format.
A rerun after a kill continues with the shards that are not scored yet.
"""

from typing import Any

from prefgrid import seeding
from prefgrid.files import reading, records, store
from prefgrid.job import devices, jobs
from prefgrid.judges.scalar import ScalarRewardModel


def main(job: jobs.Job) -> None:
    spec = job.spec
    shards = [
        reading.read_jsonl(path, records.Responses, key="pair") for path in job.inputs["responses"]
    ]
    judge = ScalarRewardModel(
        job.inputs["reward"].parent,
        **spec["reward"],
        prompt_format=spec["prompt_format"],
        device=devices.device(),
    )

    def score(shard: list[dict[str, Any]]) -> list[list[float]]:
        prompts = [row["prompt"] for row in shard for _ in range(2)]
        responses = [row[f"response_{k}"] for row in shard for k in range(2)]
        return judge.score(prompts, responses).reshape(-1, 2).tolist()

    rewards = []
    for number, shard in enumerate(shards):
        rewards += job.part(f"shard-{number}", lambda shard=shard: score(shard))
    rows = [row for shard in shards for row in shard]
    keys = [(row["prompt_id"],) for row in rows]
    uniforms = seeding.uniforms(spec["seed"], "labels", keys, width=1)[:, 0].tolist()
    store.write_jsonl(
        job.outputs["rewards"],
        (
            row | {"reward_0": pair[0], "reward_1": pair[1], "uniform": uniform}
            for row, pair, uniform in zip(rows, rewards, uniforms, strict=True)
        ),
    )


if __name__ == "__main__":
    jobs.run(main, inputs=("responses*", "reward"), outputs=("rewards",))
