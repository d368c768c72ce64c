"""Label scored response pairs by a preference link.

Inputs: rewards (scored groups of two, of one seed). Outputs: preferences (JSONL).
Spec: seed (of the noise), shift, n, link_temperature, identical_responses (keep or drop).
"""

from prefgrid.data import preferences
from prefgrid.files import reading, records, store
from prefgrid.job import jobs

# So many labels that are coin tosses cost as much precision as an n that is smaller by this share, and
# mostly have one cause: a reference that is nearly deterministic, or prompts with one right answer.
MANY_IDENTICAL = 0.05


def main(job: jobs.Job) -> None:
    scored = reading.read_jsonl(job.inputs["rewards"], records.ScoredGroup, key="group")
    preferences.check_told_apart(scored)
    n, drop = job.spec["n"], job.spec["identical_responses"] == "drop"
    rows = preferences.label(
        scored,
        n,
        job.spec["shift"],
        job.spec["link_temperature"],
        job.spec["seed"],
        drop_identical=drop,
    )
    store.write_jsonl(job.outputs["preferences"], rows)
    share = sum(row["z"] == (row["reward_diff"] > 0) for row in rows) / len(rows)
    store.log(f"{len(rows)} pairs; {share:.1%} of preferences agree with the reward model")
    identical = sum(map(preferences.identical, scored[:n]))
    if identical:
        many = "warning: " if identical > MANY_IDENTICAL * n else ""
        store.log(
            f"{many}{identical} of the first {n} pairs have the same response twice; "
            f"they are {'left out' if drop else 'labelled by a coin toss'} (identical_responses)"
        )


if __name__ == "__main__":
    jobs.run(main, inputs=("rewards",), outputs=("preferences",))
