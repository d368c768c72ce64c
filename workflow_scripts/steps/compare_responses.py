"""Ask one judge about every ordered pair of the responses to each prompt.

Inputs: groups (JSONL, one file or several: {prompt_id, prompt, responses: [{text}]}), opponents (the same; may be
none): each file's responses to a row's prompt, found by its prompt_id, are compared with the row's own, all of them
numbered on, file by file; with them K >= 2. judge (manifest.json of its model; absent where it asks none).
Outputs: matrices (parquet: file, row, prompt_id, first, second, logit, antisymmetric; see `judges.compared`).
Spec: judge (dotted module), options (of the judge), prompt_format, at_once (prompts that are compared
together and kept for a rerun; null: a file's. It fixes batches, hence rounding).
A rerun after a kill continues with what is not compared yet.
"""

import importlib

import numpy as np

from prefgrid.files import reading, records, store
from prefgrid.job import devices, jobs
from prefgrid.judges import compared
from prefgrid.judges.pairwise import antisymmetric, check_groups, matrices


def main(job: jobs.Job) -> None:
    spec = job.spec
    opponents = {
        str(path): reading.read_jsonl(path, records.Candidates, key="prompt_id")
        for path in job.inputs["opponents"]
    }
    files = [
        compared.with_opponents(reading.read_jsonl(path, records.Candidates), opponents)
        for path in job.inputs["groups"]
    ]
    asked = [
        (
            [row["prompt"] for row in rows],
            [[one["text"] for one in row["responses"]] for row in rows],
        )
        for rows in files
    ]
    for path, texts in zip(job.inputs["groups"], asked, strict=True):
        check_groups(*texts, where=f"{path}, ")
    judge = importlib.import_module(spec["judge"]).load(
        job.inputs["judge"] and job.inputs["judge"].parent,
        spec["options"],
        prompt_format=spec["prompt_format"],
        device=devices.device(),
    )
    found = []
    for number, (prompts, responses) in enumerate(asked):
        size = spec["at_once"] or len(prompts)
        said = []
        for start in range(0, len(prompts), size):
            part = slice(start, start + size)
            said += job.part(
                f"matrices-{number}-{start}",
                lambda p=prompts[part], r=responses[part]: [
                    one.tolist() for one in matrices(judge, p, r)
                ],
            )
        found.append([np.array(one, dtype=np.float32) for one in said])
    table = compared.frame(list(zip(files, found, strict=True)), antisymmetric=antisymmetric(judge))
    store.write_parquet(job.outputs["matrices"], table)


if __name__ == "__main__":
    jobs.run(main, inputs=("groups*", "opponents**", "judge?"), outputs=("matrices",))
