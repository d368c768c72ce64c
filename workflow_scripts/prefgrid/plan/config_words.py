"""Values of `--config NAME=VALUE`, read as they are in a config file.

Snakemake reads a whole number, a float and True and False there, and takes everything else for text: the
1 of `{seeds: [1]}` would be "1", and null "null".
"""

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from prefgrid.config.merging import merged

QUOTES = "'\""


def as_in_a_file(config: Mapping[str, Any], entries: Iterable[str]) -> dict[str, Any]:
    """`config`, Snakemake's own, with the values of the command line's `entries` read as YAML.

    What YAML takes for text stays text: quoted words (`'{label: "1"}'`), dates in quotes, names. A value
    that is a bare number stays what Snakemake made of it, so `rate=1e-5` is a float here, though a config
    file says 1.0e-5. So does one that is no YAML. Keys are text.
    """
    result = dict(config)
    for entry in entries:
        name, _, text = entry.partition("=")
        read_already = not isinstance(result.get(name), str | dict | list)
        if read_already and not text.strip().startswith(tuple(QUOTES)):
            continue
        try:
            value = _value(text)
        except (yaml.YAMLError, ValueError):  # a date of a thirteenth month, say
            continue
        result = merged(result, {name: value})
    return result


def _value(text: str) -> Any:
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        return None if node is None else _of(node, loader)
    finally:
        loader.dispose()


def _of(node: yaml.Node, loader: yaml.SafeLoader) -> Any:
    if isinstance(node, yaml.MappingNode):
        return {key.value: _of(value, loader) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_of(value, loader) for value in node.value]
    return loader.construct_object(node)
