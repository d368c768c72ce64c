"""Score both responses of every pair of a seed, and draw the pair's label noise.

Inputs: responses (all shards), reward (manifest.json). Outputs: rewards (JSONL: the responses'
rows plus reward_0, reward_1 and uniform). Spec: seed, reward {max_tokens, batch_size, precision},
prompt_format.
"""

from prefgrid import devices, jobs, seeding, store
from prefgrid.judges.scalar import ScalarRewardModel

FIELDS = ("pair", "prompt_id", "prompt", "response_0", "response_1", "tokens_0", "tokens_1")


def main(job: jobs.Job) -> None:
    spec = job.spec
    rows = [row for path in job.inputs["responses"] for row in store.read_jsonl(path, FIELDS)]
    judge = ScalarRewardModel(
        job.inputs["reward"].parent,
        **spec["reward"],
        prompt_format=spec["prompt_format"],
        device=devices.device(),
    )
    prompts = [row["prompt"] for row in rows for _ in range(2)]
    responses = [row[f"response_{k}"] for row in rows for k in range(2)]
    rewards = judge.score(prompts, responses).reshape(-1, 2).tolist()
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
