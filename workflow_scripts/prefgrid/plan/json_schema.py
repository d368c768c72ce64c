"""The config's JSON schema, by which editors complete and check config.yaml and presets."""

import json
from typing import Any

from prefgrid.plan import schema
from prefgrid.studies import registry


def text() -> str:
    """With the sections of our own studies; those of others' may be any mapping."""
    found = schema.of(registry.packages(registry.BUILT_IN)).model_json_schema()
    found["additionalProperties"] = {"type": "object"}
    return json.dumps(_partial(found), indent=1, ensure_ascii=False) + "\n"


def _partial(node: Any) -> Any:
    """Without `required`: a file says only what it changes."""
    if isinstance(node, dict):
        return {key: _partial(value) for key, value in node.items() if key != "required"}
    return [_partial(value) for value in node] if isinstance(node, list) else node


if __name__ == "__main__":
    print(text(), end="")
