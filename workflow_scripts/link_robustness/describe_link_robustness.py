"""Write the link-robustness study's section of the report.

Inputs: figures (SVG files, known by their names), summary, differences, calibration, identifiability,
runs (CSV tables), samples, reference_samples (parquet), prompts (JSONL of the evaluation prompts).
Outputs: section (JSON).
Spec: methods, seeds, shifts, n, link_temperature, kappa, baseline, trainings (pairs of labels
trained alike and their training in words), facts (further label-value pairs).
"""

from prefgrid.files import reading, records, store, table_rows
from prefgrid.job import jobs
from prefgrid.report import samples
from prefgrid.statistics import reference
from prefgrid.studies.link_robustness import section as link_robustness

TABLES = {
    "summary": table_rows.Summary,
    "differences": table_rows.Difference,
    "calibration": table_rows.Calibration,
    "identifiability": table_rows.Identifiability,
    "runs": table_rows.Run,
}


def main(job: jobs.Job) -> None:
    reference_samples = reading.read_parquet(
        job.inputs["reference_samples"], records.ReferenceSample
    )
    prompts = reading.read_jsonl(job.inputs["prompts"], records.Prompt, key="prompt_id")
    section = link_robustness.section(
        spec=job.spec,
        figures={path.stem: path for path in job.inputs["figures"]},
        reference=reference.summarise(reference_samples),
        samples=samples.browser(
            reading.read_parquet(job.inputs["samples"], table_rows.GatheredSample),
            reference_samples,
            {row["prompt_id"]: row["prompt"] for row in prompts},
            job.spec["methods"],
        ),
        **{name: reading.read_csv(job.inputs[name], kind) for name, kind in TABLES.items()},
    )
    store.write_json(job.outputs["section"], section)


if __name__ == "__main__":
    jobs.run(
        main,
        inputs=("figures*", *TABLES, "samples", "reference_samples", "prompts"),
        outputs=("section",),
    )
