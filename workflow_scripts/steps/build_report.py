"""Build the report, one HTML file that opens offline, from the studies' sections.

Inputs: sections (JSON, in reading order), quality (JSON of the models' quality; may be absent),
templates (the page's, named here for the record). The provenance on the page, the hub's commits among
it, is that of these files' ancestors.
Outputs: report (HTML). Spec: title, subtitle, sources (which run, models and data: names and words), config
(the resolved one, as YAML).
"""

import json
import os
from pathlib import Path

from prefgrid.files import reading, records, store
from prefgrid.job import jobs
from prefgrid.report import blocks, masthead, origin, page
from prefgrid.run import execution
from prefgrid.studies import sources


def main(job: jobs.Job) -> None:
    quality = job.inputs["quality"]
    ancestors = origin.ancestors(job.input_files())
    provenance = origin.summarise(ancestors)
    named = sources.committed(job.spec["sources"], origin.commits(ancestors))
    folder = Path.cwd().name
    config_files = json.loads(os.environ.get(execution.CONFIG_FILES_VARIABLE, "[]"))
    html = page.render(
        {
            "title": job.spec["title"],
            "subtitle": job.spec["subtitle"],
            "folder": folder,
            "run": masthead.rows(
                sources.rows(named),
                named[sources.RUN],
                folder,
                config_files,
                provenance,
            ),
            "studies": [
                reading.read_json(path, records.Section) for path in job.inputs["sections"]
            ],
            "quality": quality
            and blocks.quality_groups(reading.read_json(quality, records.Quality)),
            "config": job.spec["config"],
            "provenance": provenance,
        }
    )
    store.write_text(job.outputs["report"], html)


if __name__ == "__main__":
    jobs.run(
        main,
        inputs=("sections*", "quality?", "templates*"),
        outputs=("report",),
        shared_folder=True,
    )
