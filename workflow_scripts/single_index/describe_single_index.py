"""Write the single-index study's section of the report.

Inputs: figures (SVG files, known by their names), summary, differences, identifiability, runs (CSV
tables). Outputs: section (JSON).
Spec: methods, seeds, shifts, tau, n, kappa, baseline, trainings (pairs of labels trained alike and
their training in words), facts (further label-value pairs).
"""

from prefgrid.files import reading, store, table_rows
from prefgrid.job import jobs
from prefgrid.studies.single_index import section as single_index

TABLES = {
    "summary": table_rows.SingleSummary,
    "differences": table_rows.SingleDifference,
    "identifiability": table_rows.Identifiability,
    "runs": table_rows.SingleRun,
}


def main(job: jobs.Job) -> None:
    section = single_index.section(
        spec=job.spec,
        figures={path.stem: path for path in job.inputs["figures"]},
        **{name: reading.read_csv(job.inputs[name], kind) for name, kind in TABLES.items()},
    )
    store.write_json(job.outputs["section"], section)


if __name__ == "__main__":
    jobs.run(main, inputs=("figures*", *TABLES), outputs=("section",))
