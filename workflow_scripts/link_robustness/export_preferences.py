"""Export preferences as chosen and rejected responses, TRL's explicit-prompt format.

Inputs: preferences (JSONL). Outputs: pairs (JSONL of prompt, chosen, rejected: turns, or raw texts).
Spec: prompt_format.
"""

from prefgrid.data import chosen_rejected
from prefgrid.files import reading, records, store
from prefgrid.job import jobs


def main(job: jobs.Job) -> None:
    preferences = reading.read_jsonl(job.inputs["preferences"], records.Preference, key="pair")
    store.write_jsonl(
        job.outputs["pairs"], chosen_rejected.rows(preferences, job.spec["prompt_format"])
    )


if __name__ == "__main__":
    jobs.run(main, inputs=("preferences",), outputs=("pairs",))
