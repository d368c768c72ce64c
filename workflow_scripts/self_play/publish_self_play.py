"""Push policies and training data to the hub: each folder as it is, at its own path, in one commit a repository.

A policy's folder goes to the model `repo`, one of published files to the data set of that name. Each is made private
where there is none; one that is there stays as public as it is. The token is the environment's HF_TOKEN.
Inputs: policies (manifests; may be none), data (a file of each folder of published files; may be none).
Outputs: publication ({model, dataset}: {repo, commit, files: path → SHA-256}, of those that got something).
Spec: repo (owner/name).
"""

from prefgrid.files import store
from prefgrid.job import jobs
from prefgrid.limits import hub_token
from prefgrid.models import checking, publishing


def main(job: jobs.Job) -> None:
    repo = job.spec["repo"]
    token = hub_token.token(repo)
    kinds = {"model": job.folders("policies"), "dataset": job.folders("data")}
    for folder in kinds["model"]:
        checking.check_files(folder)
    root, found = job.finals["publication"].parents[1], {}
    for kind, folders in kinds.items():
        if folders:
            found[kind] = publishing.publish(repo, kind, folders, root, token)
            store.log(f"pushed {len(folders)} folders to the {kind} {repo}")
    store.write_json(job.outputs["publication"], found)


if __name__ == "__main__":
    jobs.run(main, inputs=("policies**", "data**"), outputs=("publication",))
