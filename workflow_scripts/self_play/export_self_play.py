"""An iteration's data as the files that SPPO published, for other trainers of SPPO or GPO.

Inputs: responses, matrices, opponents, as of make_targets.
Outputs: train, generated (parquet, see `targets.published`).
Spec: targets, selection (the sections, whole), scores (log-odds in the place of probabilities, as for GPO).
"""

from prefgrid.files import store
from prefgrid.job import jobs
from prefgrid.targets import iteration, published
from prefgrid.targets.worth import worths


def main(job: jobs.Job) -> None:
    spec = job.spec
    groups, compared = iteration.read(
        job.inputs["responses"], job.inputs["opponents"], job.inputs["matrices"]
    )
    found, _ = worths(compared, spec["targets"])
    options = {"scores": spec["scores"]}
    train = published.train(groups, found, spec["selection"], **options)
    store.write_parquet(job.outputs["train"], train)
    generated = published.generated(groups, found, **options)
    store.write_parquet(job.outputs["generated"], generated)
    store.log(f"{len(train)} pairs of {len(groups)} prompts")


if __name__ == "__main__":
    jobs.run(main, inputs=("responses*", "matrices", "opponents**"), outputs=("train", "generated"))
