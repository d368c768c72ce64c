"""Export preferences as chosen and rejected responses, TRL's explicit-prompt format.

Inputs: preferences (JSONL). Outputs: pairs (JSONL of prompt, chosen, rejected). Spec: empty.
"""

from prefgrid.data import preferences
from prefgrid.files import reading, records, store
from prefgrid.job import jobs


def main(job: jobs.Job) -> None:
    rows = reading.read_jsonl(job.inputs["preferences"], records.Preference, key="pair")
    store.write_jsonl(job.outputs["pairs"], preferences.to_chosen_rejected(rows))


if __name__ == "__main__":
    jobs.run(main, inputs=("preferences",), outputs=("pairs",))
