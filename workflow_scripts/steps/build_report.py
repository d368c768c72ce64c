"""Build the report, one HTML file that opens offline, from the studies' sections.

Inputs: sections (JSON, in reading order), quality (JSON of the models' quality; may be absent),
templates (the page's, named here for the record). The provenance on the page is that of these
files' ancestors.
Outputs: report (HTML). Spec: title, subtitle.
"""

from prefgrid.files import reading, records, store
from prefgrid.job import jobs
from prefgrid.report import blocks, origin, page


def main(job: jobs.Job) -> None:
    quality = job.inputs["quality"]
    html = page.render(
        {
            "title": job.spec["title"],
            "subtitle": job.spec["subtitle"],
            "studies": [
                reading.read_json(path, records.Section) for path in job.inputs["sections"]
            ],
            "quality": quality
            and blocks.quality_groups(reading.read_json(quality, records.Quality)),
            "provenance": origin.summarise(origin.ancestors(job.input_files())),
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
