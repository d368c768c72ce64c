"""Values on the command line. Oracle: the same text in a config file, read by Snakemake."""

import shlex
from typing import Any

import pytest
import yaml
from snakemake.cli import get_argument_parser, parse_config
from snakemake.common.configfile import load_configfile
from snakemake.utils import update_config
from snakemake_interface_executor_plugins.utils import format_cli_arg

from prefgrid.plan.config_words import as_in_a_file


def given(*entries: str, before: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the workflow takes for its config: files first, then these entries of --config."""
    config = dict(before or {})
    update_config(config, parse_config(entries))  # Snakemake's own way to it
    return as_in_a_file(config, entries)


@pytest.mark.parametrize(
    "text",
    [
        "{b: 1}",
        "{b: 1.5, c: [1, 2.0e-3, x], d: {e: true, f: null, g: ~, h: }}",
        '{b: "1", c: "true", d: "null", e: \'2.5\', f: "2024-07-26"}',
        "[0, 1, 2]",
        '["0", 1]',
        '"1"',
        "'true'",
        "null",
        "true",
        "no",
        "dpo",
        "2024-07-26",
        "{b: 2024-07-26, c: 1e-5}",
        "{b: 1, b: 2}",
        "{}",
        "[]",
        "3",
        "-0.5",
    ],
)
def test_a_value_reads_as_in_a_config_file(text, tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(f"key: {text}\n")
    assert repr(given(f"key={text}")) == repr(dict(load_configfile(file)))


def test_snakemake_itself_hands_over_text():
    """Else nothing here would be needed."""
    assert parse_config(["key={b: 1, c: null}"]) == {"key": {"b": "1", "c": "null"}}
    assert parse_config(['key="1"']) == {"key": 1}


@pytest.mark.parametrize("text, value", [("1e-5", 1e-5), ("1_000", 1000), ("True", True)])
def test_a_bare_number_stays_what_snakemake_made_of_it(text, value):
    assert given(f"key={text}") == {"key": value}


@pytest.mark.parametrize("text", ["{b: 1", "a: b: c", "2024-13-45", "@x"])
def test_what_is_no_yaml_stays_text(text):
    assert given(f"key={text}") == {"key": text}


def test_a_job_of_a_cluster_reads_the_same():
    """Snakemake hands the entries to its own subprocesses on a shell's command line."""
    entries = ['study={b: "1", c: [1, null]}', 'name="2"', "rate=1e-5"]
    words = shlex.split(format_cli_arg("--config", entries))
    args = get_argument_parser().parse_args(words)
    assert given(*args.config) == given(*entries)
    assert given(*entries) == {"study": {"b": "1", "c": [1, None]}, "name": "2", "rate": 1e-5}


def test_an_empty_value_is_none():
    assert given("key=") == {"key": None}


def test_entries_go_on_top_of_files_key_by_key():
    files = yaml.safe_load("{study: {seeds: [0], n: [5], training: {lr: 1.0}}, other: 1}")
    config = given("study={seeds: [1, 2], training: {lr: 0.5}}", "world=hub", before=files)
    assert config == {
        "study": {"seeds": [1, 2], "n": [5], "training": {"lr": 0.5}},
        "other": 1,
        "world": "hub",
    }


def test_keys_are_text():
    """As labels are; Snakemake reads them so, and a second key 1 beside "1" would be nobody's."""
    assert given("key={1: 2}") == {"key": {"1": 2}}
