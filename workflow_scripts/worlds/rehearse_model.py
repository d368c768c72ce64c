"""Do once, with a few tokens, what the run's jobs do with a fetched model, and refuse one that cannot.

Inputs: model (manifest). Outputs: rehearsal (JSON: stage → error by what was compared).
Spec: trainings (a list of {precision, targets} of what is trained on it; empty for a model that only
judges), judges (a list of {judge (dotted module), options} that ask it), prompt_format.
"""

from prefgrid.files import store
from prefgrid.job import jobs
from prefgrid.rehearsal import judges, policies


def main(job: jobs.Job) -> None:
    spec, folder = job.spec, job.inputs["model"].parent
    errors = {}
    if spec["trainings"]:
        errors |= policies.rehearse(folder, spec["prompt_format"], spec["trainings"])
    for one in spec["judges"]:
        errors |= judges.rehearse(folder, spec["prompt_format"], **one)
    store.write_json(job.outputs["rehearsal"], errors)


if __name__ == "__main__":
    jobs.run(main, inputs=("model",), outputs=("rehearsal",))
