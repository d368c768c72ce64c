"""What a policy trains on in an iteration: its own responses, and what each is worth against its opponent.

Inputs: responses (JSONL groups, the shards of the iteration), matrices (parquet of these files, of
compare_responses), opponents (JSONL groups of other policies to the same prompts, as compare_responses
had them; may be none).
Outputs: groups (JSONL, see `targets.rows`), summary (JSON: prompts, rows, responses, dropped by reason,
chosen_win_probability, rejected_win_probability, length_slope, circular_share; the last two may be null).
Spec: targets (the section, whole), selection (the section, whole), seed.
"""

import numpy as np

from prefgrid.files import store
from prefgrid.job import jobs
from prefgrid.statistics.intransitivity import circular_share
from prefgrid.targets import iteration, rows
from prefgrid.targets.worth import worths


def main(job: jobs.Job) -> None:
    spec = job.spec
    groups, compared = iteration.read(
        job.inputs["responses"], job.inputs["opponents"], job.inputs["matrices"]
    )
    found, length_slope = worths(compared, spec["targets"])
    training, dropped = rows.groups(groups, found, spec["selection"], spec["seed"])
    store.write_jsonl(job.outputs["groups"], training)
    shares = [circular_share(one.table - one.table.T) for one in found if len(one.table) > 2]
    store.write_json(
        job.outputs["summary"],
        rows.summary(len(groups), training, dropped)
        | {
            "length_slope": length_slope,
            "circular_share": float(np.mean(shares)) if shares else None,
        },
    )
    store.log(f"{len(training)} rows of {len(groups)} prompts; dropped: {dict(dropped)}")


if __name__ == "__main__":
    jobs.run(main, inputs=("responses*", "matrices", "opponents**"), outputs=("groups", "summary"))
