"""Build the report, one HTML file that opens offline.

Inputs: figures (SVG files, known by their names), summary, differences, calibration, runs (CSV
tables), samples, reference_samples (parquet), prompts (JSONL of the evaluation prompts), quality
(JSON of the models' quality; may be absent). The provenance is that of these files' ancestors.
Outputs: report (HTML).
Spec: title, subtitle, methods, seeds, shifts, n, link_temperature, kappa, baseline, trainings
(pairs of labels trained alike and their training in words), facts (further label-value pairs).
"""

import pandas

from prefgrid import jobs, provenance, store
from prefgrid.report import blocks, link_robustness, origin, page
from prefgrid.report import samples as responses
from prefgrid.statistics import reference


def main(job: jobs.Job) -> None:
    spec = job.spec
    tables = {
        name: pandas.read_csv(job.inputs[name])
        for name in ("summary", "differences", "calibration", "runs")
    }
    reference_samples = pandas.read_parquet(job.inputs["reference_samples"])
    prompts = store.read_jsonl(job.inputs["prompts"], required=("prompt_id", "prompt"))
    section = link_robustness.section(
        spec=spec,
        figures={path.stem: path for path in job.inputs["figures"]},
        reference=reference.summarise(reference_samples),
        samples=responses.browser(
            pandas.read_parquet(job.inputs["samples"]),
            reference_samples,
            {row["prompt_id"]: row["prompt"] for row in prompts},
            spec["methods"],
        ),
        **tables,
    )
    quality = job.inputs["quality"]
    html = page.render(
        {
            "title": spec["title"],
            "subtitle": spec["subtitle"],
            "studies": [section],
            "quality": quality and blocks.quality_groups(store.read_json(quality)),
            "provenance": origin.summarise(provenance.ancestors(job.input_files())),
        }
    )
    store.write_text(job.outputs["report"], html)


if __name__ == "__main__":
    jobs.run(
        main,
        inputs=(
            "figures*",
            "summary",
            "differences",
            "calibration",
            "runs",
            "samples",
            "reference_samples",
            "prompts",
            "quality?",
        ),
        outputs=("report",),
        shared_folder=True,
    )
