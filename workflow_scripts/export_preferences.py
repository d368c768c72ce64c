"""Export preferences as chosen and rejected responses, TRL's explicit-prompt format.

Inputs: preferences (JSONL). Outputs: pairs (JSONL of prompt, chosen, rejected). Spec: empty.
"""

from prefgrid import jobs, store
from prefgrid.data import preferences


def main(job: jobs.Job) -> None:
    rows = store.read_jsonl(job.inputs["preferences"], required=preferences.FIELDS)
    store.write_jsonl(job.outputs["pairs"], preferences.to_chosen_rejected(rows))


if __name__ == "__main__":
    jobs.run(main, inputs=("preferences",), outputs=("pairs",))
