"""The config from one source: config.yaml and the editors' schema say what the models say."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_origin

import pytest
import yaml

from prefgrid.config.fields import Section
from prefgrid.plan import json_schema, schema
from prefgrid.plan.usable import models_in
from prefgrid.studies import registry

REPOSITORY = Path(__file__).resolve().parents[3]
DEFAULT = REPOSITORY / "config.yaml"
MODEL = schema.of(registry.packages(registry.BUILT_IN))
PRESETS = sorted((REPOSITORY / "presets").glob("*.yaml"))


def described(model: type[Section], *parents: str) -> Iterator[tuple[str, str]]:
    """(dotted key, description) of every field that config.yaml writes as a key of its own."""
    for name, field in model.model_fields.items():
        key = ".".join((*parents, name))
        yield key, field.description or ""
        # Null by default, so that there are no lines.
        if name not in ("hub", "sources", "publish") and get_origin(field.annotation) is not dict:
            for inner in models_in(field.annotation):
                yield from described(inner, *parents, name)


def commented(text: str) -> dict[str, str]:
    """Dotted key → the comment on its line."""
    found, parents = {}, []
    for line in text.splitlines():
        key = re.match(r"( *(?:- )?)([\w.-]+):", line)
        if key:
            depth = len(key[1]) // 2
            parents = [*parents[:depth], key[2]]
            found[".".join(parents)] = line.partition(" # ")[2].strip()
    return found


def test_the_values_of_the_file_are_the_defaults():
    read = MODEL.model_validate(yaml.safe_load(DEFAULT.read_text()))
    assert repr(read.model_dump(exclude={"methods"})) == repr(
        MODEL().model_dump(exclude={"methods"})
    )
    assert read.methods == MODEL().methods


def test_the_comments_of_the_file_are_the_descriptions():
    comments = commented(DEFAULT.read_text())
    for key, description in described(MODEL):
        assert description, f"{key} has no description"
        assert comments.get(key) == description, key


def test_the_schema_for_editors_is_up_to_date():
    """`make schema` writes it."""
    assert (REPOSITORY / "config.schema.json").read_text() == json_schema.text()


def test_the_schema_lets_a_file_name_only_what_it_changes():
    assert '"required"' not in json_schema.text()
    properties = json.loads(json_schema.text())["properties"]
    assert {"studies", "judges", *registry.BUILT_IN} <= properties.keys()


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_the_run_of_a_preset_has_its_name(path):
    assert yaml.safe_load(path.read_text())["run_name"] == path.stem


@pytest.mark.parametrize("path", [DEFAULT, *PRESETS], ids=lambda path: path.stem)
def test_editors_find_the_schema(path):
    first, _ = path.read_text().split("\n", 1)
    place = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert place and (path.parent / place[1]).resolve() == REPOSITORY / "config.schema.json"
