"""Label scored response pairs by a preference link.

Inputs: rewards (scored groups of two, of one seed). Outputs: preferences (JSONL).
Spec: seed (of the noise), shift, n, link_temperature.
"""

from prefgrid.data import preferences
from prefgrid.files import reading, records, store
from prefgrid.job import jobs


def main(job: jobs.Job) -> None:
    scored = reading.read_jsonl(job.inputs["rewards"], records.ScoredGroup, key="group")
    rows = preferences.label(
        scored, job.spec["n"], job.spec["shift"], job.spec["link_temperature"], job.spec["seed"]
    )
    store.write_jsonl(job.outputs["preferences"], rows)
    share = sum(row["z"] == (row["reward_diff"] > 0) for row in rows) / len(rows)
    store.log(f"{len(rows)} pairs; {share:.1%} of preferences agree with the reward model")


if __name__ == "__main__":
    jobs.run(main, inputs=("rewards",), outputs=("preferences",))
