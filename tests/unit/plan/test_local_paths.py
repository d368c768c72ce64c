"""Where a path in a config leads to. Oracle: folders made here, which the operating system compares."""

import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from snakemake.common.configfile import load_configfile

from prefgrid.config.merging import merged
from prefgrid.plan.load import ConfigError, load
from prefgrid.plan.local_paths import folders, resolved

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose preset names folders that are there; runs happen in runs/mine."""
    (tmp_path / "presets").mkdir()
    shutil.copy(REPOSITORY / "config.yaml", tmp_path)
    shutil.copy(REPOSITORY / "presets/local_paths.yaml", tmp_path / "presets")
    for name in ("models/base", "models/reward"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.json").write_text("{}")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/preferences.jsonl").write_text("{}\n")
    (tmp_path / "runs/mine").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "runs/mine")
    return tmp_path


def loaded(lab: Path, *presets: str, given: dict[str, Any] | None = None):
    """The config of a run with these presets, and what the command line sets on top."""
    files = [lab / "config.yaml", *(lab / name for name in presets)]
    raw: dict[str, Any] = {}
    for path in files:
        raw = merged(raw, load_configfile(path))
    raw = merged(raw, given or {})
    return load(raw, folders(raw, files, load_configfile))


def test_the_preset_with_local_paths_finds_them_beside_itself(lab):
    hub = loaded(lab, "presets/local_paths.yaml").hub
    for found, real in {
        hub.models.base.source: "models/base",
        hub.models.reward.source: "models/reward",
        hub.dataset.source: "data/preferences.jsonl",
    }.items():
        assert os.path.samefile(found, lab / real)
        assert not os.path.isabs(found)  # a lab that moves as a whole fetches nothing anew


def test_the_file_that_names_a_path_is_the_last_that_does(lab):
    """One from a second file, in another folder; the others still beside the first."""
    (lab / "mine/new").mkdir(parents=True)
    (lab / "mine/new/config.json").write_text("{}")
    (lab / "mine/mine.yaml").write_text("hub: {models: {base: {source: new}}}")
    hub = loaded(lab, "presets/local_paths.yaml", "mine/mine.yaml").hub
    assert os.path.samefile(hub.models.base.source, lab / "mine/new")
    assert os.path.samefile(hub.models.reward.source, lab / "models/reward")


def test_beside_the_file_comes_before_the_runs_folder_and_that_before_nothing(lab):
    run = lab / "runs/mine"
    (lab / "presets/two").mkdir()
    (run / "two").mkdir()
    (run / "one").mkdir()
    for folder in (lab / "presets/two", run / "two", run / "one"):
        (folder / "config.json").write_text("{}")
    text = "hub: {models: {base: {source: two}, reward: {source: one}}}"
    (lab / "presets/more.yaml").write_text(text)
    hub = loaded(lab, "presets/local_paths.yaml", "presets/more.yaml").hub
    assert os.path.samefile(hub.models.base.source, lab / "presets/two")
    assert hub.models.reward.source == "one"  # as it is written


def test_a_path_on_the_command_line_is_seen_from_the_runs_folder(lab):
    given = {"hub": {"models": {"base": {"source": "../../models/base"}}}}
    hub = loaded(lab, "presets/local_paths.yaml", given=given).hub
    assert hub.models.base.source == "../../models/base"
    assert os.path.samefile(hub.models.base.source, lab / "models/base")


def test_a_home_is_known(lab, monkeypatch):
    monkeypatch.setenv("HOME", str(lab))
    given = {"hub": {"models": {"base": {"source": "~/models/base"}}}}
    assert os.path.samefile(
        loaded(lab, "presets/local_paths.yaml", given=given).hub.models.base.source,
        lab / "models/base",
    )


def test_what_is_nowhere_is_said_with_all_places_and_all_at_once(lab):
    shutil.rmtree(lab / "models")
    (lab / "presets/more.yaml").write_text("hub: {dataset: {source: mine.jsonl}}")
    with pytest.raises(ConfigError) as caught:
        loaded(lab, "presets/local_paths.yaml", "presets/more.yaml")
    lines = str(caught.value).splitlines()[1:]
    for line, key, beside, here in zip(
        lines,
        ("models.base.source", "models.reward.source", "dataset.revision"),
        ("models/base", "models/reward", "presets/mine.jsonl"),
        ("runs/models/base", "runs/models/reward", "runs/mine/mine.jsonl"),
        strict=True,
    ):
        assert line.startswith(f"  hub.{key}: ")
        assert re.search(rf"looked for {re.escape(f'{lab}/{beside} and {lab}/{here}')}\)", line)


def test_hub_ids_stay_as_they_are(lab):
    (lab / "presets/more.yaml").write_text(
        yaml.safe_dump({"hub": {"models": {"base": {"source": "owner/name", "revision": "main"}}}})
    )
    hub = loaded(lab, "presets/local_paths.yaml", "presets/more.yaml").hub
    assert hub.models.base.source == "owner/name"


def test_a_tiny_world_reads_no_file_again(lab):
    def read(path):
        raise AssertionError(f"{path} is read")

    raw = load_configfile(lab / "config.yaml")
    assert folders(raw, [lab / "config.yaml"], read) == {}


def test_further_models_of_judges_are_found_beside_the_file_that_names_them(lab):
    (lab / "presets/pair.rm").mkdir()
    (lab / "presets/pair.rm/config.json").write_text("{}")
    judges = {"pair.rm": {"source": "pair.rm", "revision": None}}
    (lab / "presets/more.yaml").write_text(yaml.safe_dump({"hub": {"models": {"judges": judges}}}))
    hub = loaded(lab, "presets/local_paths.yaml", "presets/more.yaml").hub
    assert os.path.samefile(hub.models.judges["pair.rm"].source, lab / "presets/pair.rm")
    shutil.rmtree(lab / "presets/pair.rm")
    with pytest.raises(
        ConfigError, match=r"hub.models.judges.pair.rm.revision: is null, but 'pair.rm'"
    ):
        loaded(lab, "presets/local_paths.yaml", "presets/more.yaml")


def test_files_of_self_play_are_looked_for_beside_the_config_that_names_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = ("self_play", "prompts", "sources", 1)
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "second.jsonl").touch()
    hub = {"source": "owner/name", "revision": "main"}
    raw = {"self_play": {"prompts": {"sources": [hub, {"source": "second.jsonl"}]}}}
    found, nowhere = resolved(raw, {place: tmp_path / "beside"})
    assert nowhere == []
    assert found["self_play"]["prompts"]["sources"] == [hub, {"source": "beside/second.jsonl"}]
    # What was given is as it was.
    assert raw["self_play"]["prompts"]["sources"][1] == {"source": "second.jsonl"}
    files = [tmp_path / "beside" / "mine.yaml"]
    assert folders(raw, files, lambda path: raw)[place] == tmp_path / "beside"
    raw["self_play"]["prompts"]["sources"][0] = {"source": "no where", "revision": None}
    _, [(key, _)] = resolved(raw, {place: tmp_path / "beside"})
    assert key == "self_play.prompts.sources.0.source"
