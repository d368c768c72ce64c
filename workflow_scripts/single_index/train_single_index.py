"""Train one method on a block of seeds of the single-index study, all seeds together.

Inputs: draws (safetensors). Outputs: policies (safetensors: networks, signs, learned links).
Spec: seeds [first, last], shift, tau, reward_scale, objective, options, training {epochs,
batch_size, learning_rate}.
A loss that is not finite leaves its batch in failed_batch.json beside the output.
"""

import math
import time

import torch

from prefgrid.files import store
from prefgrid.job import jobs
from prefgrid.objectives import base
from prefgrid.studies.single_index import files, world
from prefgrid.studies.single_index.training import Options, train
from prefgrid.training.link_table import link_table


def main(job: jobs.Job) -> None:
    spec = job.spec
    draws = files.load_draws(job.inputs["draws"])
    labels = world.labels(draws, spec["reward_scale"], spec["shift"], spec["tau"])
    options = Options(**spec["training"])
    first, last = spec["seeds"]
    objectives = [
        base.create(spec["objective"], spec["options"], options.schedule(labels.shape[1], seed))
        for seed in range(first, last + 1)
    ]
    started = time.monotonic()
    failure = job.finals["policies"].with_name("failed_batch.json")
    failure.unlink(missing_ok=True)
    result = train(draws, labels, objectives, options, failure)
    seconds = (time.monotonic() - started) / len(objectives)
    store.log(f"{len(objectives)} runs, {seconds:.2f} s each")
    tables = [link_table(one, index) for one, index in zip(objectives, result.index, strict=True)]
    files.save(
        job.outputs["policies"],
        files.Trained(
            student=result.student,
            sign=torch.tensor([table["sign"] for table in tables]),
            index_nats=torch.tensor([table["index_nats"] for table in tables]),
            # An objective without a link has none to tabulate.
            probability=torch.tensor(
                [table["probability"] or [math.nan] * len(table["index_nats"]) for table in tables]
            ),
        ),
    )


if __name__ == "__main__":
    jobs.run(main, inputs=("draws",), outputs=("policies",))
