"""Build the report, one HTML file that opens offline.

Inputs: figures (SVG files, known by their names), summary, differences, calibration, runs (CSV
tables), samples, reference_samples (parquet), prompts (JSONL of the evaluation prompts).
Outputs: report (HTML).
Spec: title, subtitle, methods, seeds, shifts, n, link_temperature, kappa, baseline, facts (further
label-value pairs), quality (path of the models' quality.json, or null), results (folder whose
provenance records are summed up).
"""

from itertools import chain
from pathlib import Path

import pandas

from prefgrid import jobs, store
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
    quality = spec["quality"] and blocks.quality_groups(store.read_json(spec["quality"]))
    html = page.render(
        {
            "title": spec["title"],
            "subtitle": spec["subtitle"],
            "studies": [section],
            "quality": quality,
            "provenance": origin.summarise(_records(Path(spec["results"]))),
        }
    )
    store.write_text(job.outputs["report"], html)


def _records(results: Path) -> list[dict]:
    """Every artifact's provenance record but the report's own, left by an earlier run."""
    paths = chain(results.rglob("_provenance.json"), results.rglob("_provenance/*.json"))
    own = Path(__file__).stem
    records = [store.read_json(path) for path in sorted(paths)]
    return [record for record in records if record["script"] != own]


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
        ),
        outputs=("report",),
        shared_folder=True,
    )
