"""The config on the page is a config file of the same run."""

from pathlib import Path

import pytest
import yaml
from test_config import HUB

from prefgrid.config.merging import merged
from prefgrid.plan import shown
from prefgrid.plan.load import load

REPOSITORY = Path(__file__).resolve().parents[3]
PRESETS = sorted((REPOSITORY / "presets").glob("*.yaml"))
DEFAULT = yaml.safe_load((REPOSITORY / "config.yaml").read_text())


@pytest.mark.parametrize("preset", [None, *PRESETS], ids=lambda path: path.stem if path else "no")
def test_it_reads_back_as_the_same_config(preset):
    """Over the defaults, as Snakemake would put it."""
    raw = merged(DEFAULT, yaml.safe_load(preset.read_text())) if preset else DEFAULT
    if preset and preset.stem == "local_paths":  # its folders are made in test_local_paths
        raw = merged(raw, {"hub": HUB})
    config = load(raw)
    again = load(merged(DEFAULT, yaml.safe_load(shown.resolved(config))))
    unseen = {"execution", "link_robustness", "single_index"} - set(config.studies)
    assert again.model_dump(exclude=unseen) == config.model_dump(exclude=unseen)
    assert (
        config.training.batch_size
        == yaml.safe_load(shown.resolved(config))["training"]["batch_size"]
    )


def test_what_no_result_depends_on_is_left_out():
    config = load(DEFAULT)
    other = load(merged(DEFAULT, {"execution": {"mem_mb": 1234}}))
    assert config.execution != other.execution
    assert shown.resolved(config) == shown.resolved(other)
    alone = load(merged(DEFAULT, {"studies": ["single_index"], "link_robustness": {"wrong": 1}}))
    assert "wrong" not in shown.resolved(alone)


def test_config_files_are_named_without_their_machine():
    names = shown.file_names(
        [
            "/src/config.yaml",
            "/src/presets/a.yaml",
            "/run/mine.yaml",
            "/elsewhere/b.yaml",
            "/run/mine.yaml",
        ],
        Path("/src"),
        Path("/run"),
    )
    assert names == ["config.yaml", "presets/a.yaml", "mine.yaml", "b.yaml"]
