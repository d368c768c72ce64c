"""Folders of results on the hub: the one place that pushes anything."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd, HfApi

from prefgrid.files import artifacts, store


def publish(
    repo: str, kind: str, folders: Sequence[Path], root: Path, token: str
) -> dict[str, Any]:
    """Push the artifacts in `folders`, each at its path below `root`, in one commit to a repository of
    `kind` (model or dataset), which is made private where there is none.

    Returns {repo, commit, files: path → SHA-256}, JSON-ready. What `huggingface_hub` raises, with the hub's answer.
    """
    files = {str(path.relative_to(root)): path for one in folders for path in artifacts.files(one)}
    hub = HfApi(token=token)
    hub.create_repo(repo, repo_type=kind, private=True, exist_ok=True)
    commit = hub.create_commit(
        repo,
        [CommitOperationAdd(place, path) for place, path in files.items()],
        repo_type=kind,
        commit_message="Results of prefgrid",
    )
    hashes = {place: store.sha256_file(path) for place, path in files.items()}
    return {"repo": repo, "commit": commit.oid, "files": hashes}
