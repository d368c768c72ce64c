"""Do once, with a few tokens, what the run's jobs do with a fetched model, and refuse one that cannot.

Inputs: model (manifest; none if the run has no use for it). Outputs: rehearsal (JSON: stage → error by
what was compared). Spec: trainings (a list of {precision, targets, gradient_checkpointing} of what is
trained on it; empty for a model that only judges), judges (a list of {judge (dotted module), options}
that ask it), prompt_format, text_tokens (most of a prompt's own text and a response).
"""

from prefgrid.files import store
from prefgrid.job import jobs
from prefgrid.rehearsal import judges, policies


def main(job: jobs.Job) -> None:
    spec, manifest, errors = job.spec, job.inputs["model"], {}
    prompt_format = spec["prompt_format"]
    if spec["trainings"]:
        errors |= policies.rehearse(
            manifest.parent, prompt_format, spec["trainings"], spec["text_tokens"]
        )
    for one in spec["judges"]:
        errors |= judges.rehearse(manifest.parent, prompt_format, **one)
    store.write_json(job.outputs["rehearsal"], errors)


if __name__ == "__main__":
    jobs.run(main, inputs=("model?",), outputs=("rehearsal",))
