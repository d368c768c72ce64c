"""Measure the policies of one run of self-play, and say which of its iterates is the result.

Inputs: base, samples (JSONL, of the base and of every policy: held-out samples with entropy_nats and kl_nats),
training, held_out (parquet, of every policy: the logits of its contest by either judge), scores (JSONL, of the
base and of every policy, one scorer after the other; may be none), metrics (JSONL), targets (JSON, both of
every iterate), best (parquet: by the training judge and the held-out one, first of the base's candidates, then
of the last iterate's; none without best of n). Policies are iterates 1 to T and, if asked for, their average.
Outputs: iterations, contests, classes, best_of (CSV), prompts (parquet), selection (JSON).
Spec: key (columns that name the run), iterations (T), average (bool), samples (S a prompt), scorers, classes
(the one of them that says each response's class; null: none), best_of (n, or null), select (last, best).
"""

from typing import Any

import numpy as np
import pandas as pd

from prefgrid.files import measured_records, reading, records, store
from prefgrid.job import jobs
from prefgrid.studies.self_play import contests, measures, run_tables
from prefgrid.studies.self_play.contests import Contest
from prefgrid.studies.self_play.run_tables import Place

KEY = ("method", "judge", "held_out_judge", "seed")


def main(job: jobs.Job) -> None:
    spec = job.spec
    base, *samples = (
        reading.read_jsonl(path, measured_records.MeasuredGroup, key="group")
        for path in (job.inputs["base"], *job.inputs["samples"])
    )
    ids = [row["prompt_id"] for row in base]
    places = run_tables.places(spec["iterations"], average=spec["average"])
    found = _contests(job, places[1:], ids)
    scores = _scores(job, len(places), ids)
    rows, prompts = [], []
    for number, (place, groups) in enumerate(zip(places, [base, *samples], strict=True)):
        row, by_prompt = run_tables.of_policy(place, groups, base, found)
        for label, own in scores.items():
            if label != spec["classes"]:
                row |= measures.of_scores(label, own[number], own[0])
        if place.iteration and not place.average:
            metrics = reading.read_table(job.inputs["metrics"][place.iteration - 1])
            summary = reading.read_json(job.inputs["targets"][place.iteration - 1], dict[str, Any])
            row |= measures.of_training(metrics) | run_tables.of_targets(summary)
        rows.append(row)
        prompts.append(by_prompt)
    iterations, classes = pd.DataFrame(rows), []
    if spec["classes"] is not None:
        among_base = found[places[1]][""].among(0)
        classes, exploited = run_tables.of_classes(scores[spec["classes"]], places, among_base)
        iterations = iterations.join(pd.DataFrame(exploited))
    tables = {
        "iterations": iterations,
        "contests": pd.DataFrame(run_tables.of_contests(found)),
        "classes": pd.DataFrame(classes, columns=["iteration", "average", "class", "share"]),
        "best_of": pd.DataFrame(_best(job)),
    }
    for name, table in tables.items():
        store.write_csv(job.outputs[name], _named(table, spec["key"]))
    together = pd.concat(prompts, ignore_index=True)
    store.write_parquet(job.outputs["prompts"], _named(together, spec["key"]))
    store.write_json(job.outputs["selection"], run_tables.selection(spec["select"], found, ids))
    last = rows[spec["iterations"]]
    store.log(
        f"iterate {spec['iterations']} wins {last['win_base']:.3f} of its comparisons with the base, at KL "
        f"{last['kl_base_nats']:.2f} nats"
    )


def _named(table: pd.DataFrame, key: dict[str, Any]) -> pd.DataFrame:
    """With the columns that name the run before its own."""
    return table.assign(**key)[[*KEY, *table]]


def _contests(
    job: jobs.Job, places: list[Place], ids: list[str]
) -> dict[Place, dict[str, Contest]]:
    """Of every policy but the base, by each of `measures.JUDGES`: the held-out judge and the one that trained."""
    size, found = job.spec["samples"], {}
    for place, *paths in zip(places, job.inputs["held_out"], job.inputs["training"], strict=True):
        # An iterate meets those before it, the average all that it is the mean of; the base is one more.
        opponents = place.iteration + place.average
        found[place] = {
            judge: contests.read(reading.read_table(path), ids, size, size, opponents)
            for judge, path in zip(measures.JUDGES, paths, strict=True)
        }
    return found


def _scores(job: jobs.Job, policies: int, ids: list[str]) -> dict[str, np.ndarray]:
    """Scorer → [policies, P, S], the base first."""
    scored = [
        [one["reward"] for row in rows for one in row["responses"]]
        for rows in (
            reading.read_jsonl(path, records.ScoredGroup, key="group")
            for path in job.inputs["scores"]
        )
    ]
    labels = job.spec["scorers"]
    shape = (len(labels), policies, len(ids), job.spec["samples"])
    return dict(zip(labels, np.array(scored, float).reshape(shape), strict=True))


def _best(job: jobs.Job) -> list[dict[str, Any]]:
    """Rows of the table `best_of`."""
    spec, rows = job.spec, []
    tables = [reading.read_table(path) for path in job.inputs["best"]]
    # The base's candidates and the last iterate's, each by the training judge and by the held-out one.
    for iteration, pair in ((0, tables[:2]), (spec["iterations"], tables[2:])):
        if not pair:
            continue
        asked = pair[0].drop_duplicates("row")["prompt_id"].tolist()
        read = [
            contests.read(table, asked, max(spec["best_of"]), spec["samples"], 1) for table in pair
        ]
        by_judge = dict(zip(reversed(measures.JUDGES), read, strict=True))
        rows += [
            {"iteration": iteration, "prompts": len(asked)} | measures.of_best(by_judge, of)
            for of in spec["best_of"]
        ]
    return rows


if __name__ == "__main__":
    jobs.run(
        main,
        inputs=(
            *("base", "samples*", "training*", "held_out*"),
            *("scores**", "metrics*", "targets*", "best**"),
        ),
        outputs=("iterations", "contests", "classes", "best_of", "prompts", "selection"),
    )
