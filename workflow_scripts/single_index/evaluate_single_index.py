"""Evaluate all methods of one data cell of the single-index study exactly, and the oracle.

Inputs: draws, policies (safetensors; one file a method, known by its folder).
Outputs: curves, links (parquet), runs, evidence (CSV).
Spec: seeds [first, last], shift, tau, reward_scale, kappas, beta_grid.
"""

from collections.abc import Iterator
from typing import Any

import pandas
import torch

from prefgrid.files import cells, store
from prefgrid.job import jobs
from prefgrid.statistics import identifiability
from prefgrid.studies.single_index import evaluation, files, world
from prefgrid.studies.single_index.names import ORACLE


def main(job: jobs.Job) -> None:
    spec = job.spec
    seeds = list(range(spec["seeds"][0], spec["seeds"][1] + 1))
    draws = files.load_draws(job.inputs["draws"])
    rewards = world.rewards(draws.teacher, draws.held_out, spec["reward_scale"])
    trained = {
        cells.values(path)["method"]: files.load_trained(path) for path in job.inputs["policies"]
    }
    cell = cells.values(job.finals["runs"])
    del cell["seeds"]

    def policies() -> Iterator[tuple[str, evaluation.Policies]]:
        # The optimum of E[r*] − β·KL is π_ref·exp(r*/β): the true reward, scanned like a log-ratio.
        truth = rewards.double()
        yield ORACLE, evaluation.Policies(truth, truth, torch.ones(len(seeds)).double())
        for method, one in trained.items():
            yield method, evaluation.Policies.of(one.student, draws.held_out, rewards, one.sign)

    parts: dict[str, list[pandas.DataFrame]] = {"curves": [], "runs": [], "links": []}
    for method, policy in policies():
        tables = {
            "curves": policy.scan(spec["beta_grid"], seeds),
            "runs": pandas.concat([policy.at_kl(kappa, seeds) for kappa in spec["kappas"]]),
        }
        if method != ORACLE:
            one = trained[method]
            tables["links"] = policy.link_curves(
                one.index_nats, one.probability, spec["shift"], spec["tau"], seeds
            )
        for name, table in tables.items():
            parts[name].append(table.assign(method=method, **cell))
        for kappa_nats, rows in tables["runs"].groupby("kappa_nats"):
            store.log(f"{method}: reward {rows['reward'].mean():.4f} at KL {kappa_nats:g}")

    joined = {name: pandas.concat(tables, ignore_index=True) for name, tables in parts.items()}
    store.write_parquet(job.outputs["curves"], joined["curves"])
    store.write_parquet(job.outputs["links"], joined["links"])
    store.write_csv(job.outputs["runs"], joined["runs"])
    store.write_csv(job.outputs["evidence"], evidence(draws, seeds, spec).assign(**cell))


def evidence(draws: world.Draws, seeds: list[int], spec: dict[str, Any]) -> pandas.DataFrame:
    """What the training labels say about the link: one row a seed."""
    utilities = world.utility_diffs(draws, spec["reward_scale"])
    shift, tau = spec["shift"] / spec["tau"], spec["tau"]
    rows = [
        identifiability.table({seed: own}, [shift], [len(own)], tau).assign(seed=seed)
        for seed, own in zip(seeds, utilities, strict=True)
    ]
    return pandas.concat(rows, ignore_index=True).drop(columns="seeds")


if __name__ == "__main__":
    jobs.run(
        main,
        inputs=("draws", "policies*"),
        outputs=("curves", "links", "runs", "evidence"),
    )
