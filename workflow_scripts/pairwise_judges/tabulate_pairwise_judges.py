"""Tabulate what every judge is worth on every set of comparisons.

Inputs: matrices (parquet, of every cell), comparisons (JSONL, of every set), calibrations (JSON, of every
cell). Outputs: summary, differences, sections, reliability (CSV).
Spec: cells ([judge, set, seed or null] each, in the order of `matrices` and `calibrations`), sets (in the
order of `comparisons`), measured, sampled (the number of the file of a cell's comparisons and of the
reference's samples; null: none), calibrates (of what its temperature was fitted on), baseline (a judge or
null), truth (set → judge whose probabilities are its true ones), certain (sets whose labels say what holds,
none of which is drawn), sources (which models and data: names and words, on every row).
"""

from functools import partial

import numpy
import pandas
from scipy import special

from prefgrid.files import reading, records, store
from prefgrid.job import jobs
from prefgrid.judges import compared
from prefgrid.statistics.intervals import holm, t_test_p
from prefgrid.statistics.prompt_means import over_prompts
from prefgrid.studies.pairwise_judges import measures, sections

# What names a cell; the set of comparisons is the one that it is on.
KEYS = ["judge", "on", "seed"]


def main(job: jobs.Job) -> None:
    spec = job.spec
    sets = {
        name: compared.comparisons(reading.iterate_jsonl(path, records.Compared))
        for name, path in zip(spec["sets"], job.inputs["comparisons"], strict=True)
    }
    cells = [tuple(cell) for cell in spec["cells"]]
    logits = {
        cell: reading.read_table(path)
        for cell, path in zip(cells, job.inputs["matrices"], strict=True)
    }
    measured = {
        cell: compared.with_logits(sets[cell[1]], own, spec["measured"])
        for cell, own in logits.items()
    }
    # Of a plain judge, which has no seed.
    truths = {
        name: special.expit(measured[judge, name, None]["logit"].to_numpy())
        for name, judge in spec["truth"].items()
    }
    ceilings = {
        name: measures.most(own, truths.get(name), certain=name in spec["certain"])
        for name, own in sets.items()
    }
    summary, by_section, bins, accuracies = [], [], [], {}
    for cell, path in zip(cells, job.inputs["calibrations"], strict=True):
        judge, name, _ = cell
        key, found = dict(zip(KEYS, cell, strict=True)), measured[cell]
        calibration = reading.read_json(path, records.Calibration)
        fitted = logits[cell].loc[logits[cell]["file"] == spec["calibrates"], "prompt_id"]
        # All of a benchmark is measured, and half of it fits temperatures too.
        apart = ~found["prompt_id"].isin(fitted).to_numpy()
        row = measures.of_comparisons(found, calibration, apart, truths.get(name), ceilings[name])
        row["antisymmetric"] = bool(logits[cell]["antisymmetric"].all())
        if spec["sampled"] is not None:
            samples = compared.matrices(logits[cell], spec["sampled"])
            row |= measures.of_samples(samples.values())
        summary.append(key | row)
        of_rows = partial(compared.matrices, logits[cell], spec["measured"])
        by_section += [key | one for one in sections.rows(found, of_rows)]
        bins += [key | one for one in measures.bins(found, calibration, apart)]
        accuracies.setdefault(name, {}).setdefault(judge, []).append(measures.by_prompt(found))
        store.log(f"{judge} on {name}: {row['accuracy']:.3f} of {row['decided']} comparisons")
    tables = {
        "summary": pandas.DataFrame(summary),
        "differences": differences(accuracies, spec["baseline"]),
        "sections": pandas.DataFrame(by_section, columns=[*KEYS, *sections.COLUMNS]),
        "reliability": pandas.DataFrame(bins),
    }
    for name, table in tables.items():
        if "seed" in table:
            table = table.astype({"seed": "Int64"})
        store.write_csv(job.outputs[name], table.assign(**spec["sources"]))


def differences(
    accuracies: dict[str, dict[str, list[pandas.Series]]], baseline: str | None
) -> pandas.DataFrame:
    """Accuracy minus the baseline's on the same comparisons, paired by prompt; means over seeds first.

    accuracies: set → judge → `measures.by_prompt`, one a seed. Comparisons of one prompt are not
    independent, so prompts are the units of t interval and p value (`over_prompts`); Holm's covers
    the table.
    """
    rows = []
    for name, by_judge in accuracies.items():
        means = {judge: sum(own) / len(own) for judge, own in by_judge.items()}
        for judge, mean in means.items():
            if baseline is None or judge == baseline:
                continue
            gaps = (mean - means[baseline]).to_numpy()
            interval = over_prompts(gaps, -1, 1)
            rows.append(
                {
                    "judge": judge,
                    "on": name,
                    "baseline": baseline,
                    "prompts": interval.count,
                    "difference": interval.mean,
                    "low": interval.low,
                    "high": interval.high,
                    "p": numpy.nan if numpy.isnan(interval.low) else t_test_p(gaps),
                }
            )
    columns = ["judge", "on", "baseline", "prompts", "difference", "low", "high", "p"]
    table = pandas.DataFrame(rows, columns=columns)
    return table.assign(p_holm=holm(table["p"].to_numpy(numpy.float64)))


if __name__ == "__main__":
    jobs.run(
        main,
        inputs=("matrices*", "comparisons*", "calibrations*"),
        outputs=("summary", "differences", "sections", "reliability"),
    )
