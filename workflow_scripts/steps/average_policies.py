"""Average the policies of all iterations: the policy whose weights are the mean of theirs.

Of adapters it is one adapter on the bare reference, as plain as theirs; of whole models a whole model.
Inputs: policies (manifests of iterates 1..T, oldest first), reference (manifest.json). Outputs: manifest (and
the policy's other files, as those of a trained one, a card and average.json: which policies it is of).
Spec: {}.
"""

from prefgrid.files import store
from prefgrid.job import jobs
from prefgrid.models import averaging, loading, standalone


def main(job: jobs.Job) -> None:
    reference, policies = job.inputs["reference"].parent, job.folders("policies")
    model = averaging.averaged(reference, policies)
    folder = job.folder("manifest")
    store.write_json(folder / loading.AVERAGE, {"policies": list(map(str, policies))})
    trained, last_step = standalone.training_of(policies[-1])
    standalone.save_policy(
        folder,
        model,
        reference,
        place=job.finals["manifest"].parent,
        trained=trained,
        last_step=last_step,
        averaged=policies,
    )


if __name__ == "__main__":
    jobs.run(main, inputs=("policies*", "reference"), outputs=("manifest",))
