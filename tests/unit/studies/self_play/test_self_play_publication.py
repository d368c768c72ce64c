"""What is pushed to a hub, by whom, and that the token stays where it belongs. The hub is a stub."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import rule_graph
import yaml
from stub_hub import stub_hub

from prefgrid.files import store
from prefgrid.models.loading import write_manifest
from prefgrid.plan.load import load
from prefgrid.studies import registry

REPOSITORY = Path(__file__).resolve().parents[4]
SCRIPTS = REPOSITORY / "workflow_scripts"
RAW = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
TOKEN = "hf_NeverWrittenAnywhere"
ROOT = Path("results/self_play")
POLICY = "policies/method=sppo/judge=rule/seed=0/iteration=1"
AVERAGE = "averages/method=sppo/judge=rule/seed=0/average=1"
DATA = "published/method=sppo/judge=rule/seed=0/iteration=1"
FILES = {
    POLICY: {"adapter_model.safetensors": b"\x02\0\0\0\0\0\0\0{}", "README.md": b"a card"},
    AVERAGE: {"adapter_config.json": b"{}", "average.json": b'{"policies": []}'},
    DATA: {"train.parquet": b"rows", "generated.parquet": b"more rows"},
}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The folder of a run with made-up results, each with a record, which is nobody else's business."""
    monkeypatch.chdir(tmp_path)
    for folder, files in FILES.items():
        place = ROOT / folder
        place.mkdir(parents=True)
        for name, content in files.items():
            (place / name).write_bytes(content)
        if folder != DATA:
            write_manifest(place)
        (place / "_provenance.json").write_text("{}")
    return tmp_path


def published(hub=None, policies=(POLICY, AVERAGE), data=(DATA,), token=TOKEN):
    """The script as the rule runs it."""
    place = ROOT / "publication/publication.json"
    words = [sys.executable, str(SCRIPTS / "run_job.py"), "--log", "publish.log", "--online"]
    words += ["self_play/publish_self_play", "--policies"]
    words += [str(ROOT / one / "manifest.json") for one in policies]
    words += ["--data", *[str(ROOT / one / "train.parquet") for one in data]]
    words += ["--publication", str(place), "--spec", json.dumps({"repo": "someone/runs"})]
    # Others' tests leave it behind that the hub must not be asked.
    of_the_hub = ("HF_", "TRANSFORMERS_")
    environment = {name: one for name, one in os.environ.items() if not name.startswith(of_the_hub)}
    environment |= {"PYTHONPATH": str(SCRIPTS), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    environment |= {"HF_HOME": str(Path.cwd() / "home of the hub's")}
    environment |= {} if token is None else {"HF_TOKEN": token}
    environment |= {} if hub is None else {"HF_ENDPOINT": hub.endpoint}
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    return done.returncode, Path("publish.log").read_text(), place


def test_each_folder_goes_as_it_is_to_its_place_in_one_commit_a_repository(run):
    with stub_hub(TOKEN) as hub:
        status, log, place = published(hub)
    assert status == 0, log
    assert {kind: asked["visibility"] for (kind, _), asked in hub.repos.items()} == {
        "model": "private",
        "dataset": "private",
    }
    assert {name for _, name in hub.repos} == {"someone/runs"}
    (kind, name, models, commit), (other, same, data, last) = hub.commits
    assert (kind, other, name, same) == ("model", "dataset", "someone/runs", "someone/runs")
    for folders, files in (((POLICY, AVERAGE), models), ((DATA,), data)):
        expected = {
            f"{folder}/{path.name}": path.read_bytes()
            for folder in folders
            for path in (ROOT / folder).iterdir()
            if path.name != "_provenance.json"
        }
        assert files == expected
    told = store.read_json(place)
    assert {kind: (one["repo"], one["commit"]) for kind, one in told.items()} == {
        "model": ("someone/runs", commit),
        "dataset": ("someone/runs", last),
    }
    assert told["dataset"]["files"] == {
        f"{DATA}/{name}": store.sha256_file(ROOT / DATA / name) for name in FILES[DATA]
    }


def test_the_token_is_sent_and_written_nowhere(run):
    with stub_hub(TOKEN) as hub:
        assert published(hub)[0] == 0
    assert hub.tokens == {TOKEN}
    files = [path for path in run.rglob("*") if path.is_file()]
    assert len(files) > 10
    assert not [path for path in files if TOKEN.encode() in path.read_bytes()]


def test_what_is_not_asked_for_makes_no_repository(run):
    with stub_hub(TOKEN) as hub:
        status, log, place = published(hub, data=())
    assert status == 0, log
    assert list(hub.repos) == [("model", "someone/runs")] and len(hub.commits) == 1
    assert list(store.read_json(place)) == ["model"]


@pytest.mark.parametrize("token", [None, ""])
def test_without_a_token_nothing_is_asked_of_the_hub(run, token):
    with stub_hub() as hub:
        status, log, place = published(hub, token=token)
    assert status == 1 and not place.exists() and not hub.paths
    assert "HF_TOKEN is not set in the environment of this run" in log
    assert "allowed: a token of the hub with write access" in log


def test_a_token_that_the_hub_refuses_ends_the_job_and_is_not_shown(run):
    with stub_hub("another") as hub:
        status, log, place = published(hub)
    assert status == 1 and not place.exists() and not hub.commits
    assert "error: " in log and "401" in log and TOKEN not in log


def test_a_damaged_policy_is_not_pushed(run):
    (ROOT / POLICY / "README.md").write_text("another card")
    with stub_hub(TOKEN) as hub:
        status, log, _ = published(hub)
    assert status == 1 and not hub.paths
    assert "README.md: is not the file that manifest.json lists" in log


# --- the wiring ------------------------------------------------------------------------------------


def wiring(**changes):
    raw = RAW | {"self_play": RAW["self_play"] | changes}
    config = load(raw)
    return {study: registry.wiring(package, config) for study, package in config.packages.items()}


def step(what, **changes):
    return wiring(publish={"repo": "someone/runs", "what": what}, **changes)[
        "self_play"
    ].publication()


def test_what_goes_is_named_by_the_config():
    row = {"judge": "bt_scores", "methods": ["sppo", "gpo"], "held_out_judge": "rule"}
    changes = {"grid": [row], "seeds": [0, 3], "iterations": 2}
    found = step(["policies"], **changes)
    assert found.spec == {"repo": "someone/runs"} and found.inputs["data"] == []
    cells = [
        f"method={method}/judge=bt_scores/seed={seed}"
        for method in ("sppo", "gpo")
        for seed in (0, 3)
    ]
    assert found.inputs["policies"] == [
        f"results/self_play/policies/{cell}/iteration={number}/manifest.json"
        for cell in cells
        for number in (1, 2)
    ]
    found = step(["averages", "published"], **changes)
    assert found.inputs["policies"] == [
        f"results/self_play/averages/{cell}/average=2/manifest.json" for cell in cells
    ]
    assert found.inputs["data"] == [
        f"results/self_play/published/{cell}/iteration={number}/train.parquet"
        for cell in cells
        for number in (1, 2)
    ]


def test_all_that_goes_is_made_by_some_rule():
    publish = {"repo": "someone/runs", "what": ["policies", "averages", "published"]}
    jobs, missing = rule_graph.needed(wiring(publish=publish))
    assert missing == []
    assert [job.rule.name for job in jobs].count("publish_self_play") == 1


def test_null_says_so_when_it_is_asked_for():
    with pytest.raises(
        ValueError, match=r"self_play.publish is null: nothing says where to; allow"
    ):
        wiring()["self_play"].publication()


@pytest.mark.parametrize("repo", ["runs", "a/b/c", "some one/runs", "https://hub/a/b", ""])
def test_a_name_that_is_no_repository_is_refused_when_the_run_starts(repo):
    with pytest.raises(Exception, match=r"self_play\.publish\.repo"):
        wiring(publish={"repo": repo})


def test_no_target_and_no_other_rule_pushes_anything():
    """Only this script imports what pushes, only its rule runs it, and no rule takes what it makes."""
    users = {
        path.name
        for path in SCRIPTS.rglob("*.py")
        if "import checking, publishing" in path.read_text()
    }
    assert users == {"publish_self_play.py"}
    words = ("create_commit", "upload_folder", "upload_file", "push_to_hub", "create_repo")
    pushing = {
        path.name
        for path in SCRIPTS.rglob("*.py")
        if any(word in path.read_text() for word in words)
    }
    assert pushing == {"publishing.py"}
    publish = {"repo": "someone/runs"}
    jobs, _ = rule_graph.needed(wiring(publish=publish))
    inputs = {path for job in jobs for path in job.inputs}
    assert not [path for path in inputs if "publication" in path]
    texts = [path.read_text() for path in sorted((REPOSITORY / "rules").rglob("*.smk"))]
    assert (
        sum(
            "publish_self_play" in text for text in [*texts, (REPOSITORY / "Snakefile").read_text()]
        )
        == 1
    )
