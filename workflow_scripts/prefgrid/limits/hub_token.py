"""The token that writes to the hub; standard library only, since a run asks for it before its first job."""

import os

TOKEN = "HF_TOKEN"


def token(repo: str) -> str:
    """Of the environment; ValueError without one. It goes into requests alone."""
    found = os.environ.get(TOKEN, "")
    if not found:
        raise ValueError(
            f"{TOKEN} is not set in the environment of this run: nobody may write to {repo} without a token; "
            "allowed: a token of the hub with write access"
        )
    return found
