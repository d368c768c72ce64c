"""The walk of docs/adding_a_study.md: a study in a folder of its own, outside the package.

`toy_study` beside this file has K = 3 responses, scores as targets, two iterations, a figure and a
section. No file of the repository knows of it but the config that names it.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pandas
import pytest
import yaml

from prefgrid.files import store
from tests.workflow.conftest import REPOSITORY, SMALL, Checkout, planned_jobs

PACKAGE = "tests.workflow.toy_study"
ROOT = "results/toy_study"
FIRST, SECOND = (f"method=toy/seed=0/iteration={number}" for number in (1, 2))
PAGES = [REPOSITORY / "docs" / name for name in ("adding_a_study.md", "wiring_a_study.md")]
CONFIG = {
    "studies": [PACKAGE],
    "methods": {
        "toy": {
            "objective": f"{PACKAGE}.objective",
            "options": {},
            "training": {"learning_rate": 1.0e-3},
        }
    },
}


@pytest.fixture(scope="module")
def toy(finished: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The toy study's run, in a copy of a checkout whose models and data are there."""
    checkout = finished.copy(tmp_path_factory.mktemp("adding_a_study") / "clone")
    config = yaml.safe_load(SMALL.read_text()) | CONFIG
    (checkout.folder / "small.yaml").write_text(yaml.safe_dump(config))
    with pytest.MonkeyPatch.context() as patch:
        # Snakemake and its jobs must find the package.
        patch.setenv("PYTHONPATH", str(REPOSITORY))
        checkout.snakemake()
        yield checkout


def test_it_runs_through_the_shared_blocks_alone(toy: Checkout) -> None:
    planned = toy.planned("--forceall")
    shared = {
        # Held-out prompts once, and each iteration's own.
        "sample_responses": 3,
        "score_responses": 3,
        "compute_reference_logps": 3,
        "train_policy": 2,
        "evaluate_policy": 2,
        "gather_table": 1,
        "draw_figure": 1,
        "describe_study": 1,
        "build_report": 1,
    }
    assert shared.items() <= planned.items()
    models = {"write_tiny_data", "train_tiny_tokenizer", "train_tiny_base", "train_tiny_reward"}
    assert planned.keys() - shared.keys() == models | {
        "build_prompt_pools",
        "train_reference",
        "all",
    }


def test_groups_of_three_with_scores_train_both_iterations(toy: Checkout) -> None:
    for cell in (FIRST, SECOND):
        rows = store.read_jsonl(toy.folder / f"{ROOT}/rewards/{cell}/rewards.jsonl")
        assert len(rows) == 16 and {len(row["responses"]) for row in rows} == {3}
        metrics = store.read_jsonl(toy.folder / f"{ROOT}/policies/{cell}/metrics.jsonl")
        # 16 groups, 8 a step, 2 epochs. At the start all log-ratios are 0: the loss is the mean over
        # groups of the variance of their scores.
        assert len(metrics) == 4
        first = [[one["reward"] for one in row["responses"]] for row in rows]
        variances = pandas.DataFrame(first).var(axis=1, ddof=0)
        assert variances.min() * 0.99 <= metrics[0]["loss"] <= variances.max() * 1.01
    record = store.read_json(toy.folder / f"{ROOT}/policies/{SECOND}/_provenance.json")
    assert list(record["inputs"]["adapters"]) == [f"{ROOT}/policies/{FIRST}/manifest.json"]


def test_the_second_iteration_starts_where_the_first_ended(toy: Checkout) -> None:
    """Its reference is the stack: the log says how far it is from it at step 0."""
    log = (toy.folder / f"results/logs/train_policy/toy_study/{SECOND}.log").read_text()
    (found,) = re.findall(r"reference check: sd\(t\) = (\S+) nats", log)
    assert float(found) < 0.02
    table = pandas.read_csv(toy.folder / f"{ROOT}/gathered/evaluations.csv")
    assert sorted(table["iteration"].unique()) == [1, 2]


def test_a_rerun_of_the_second_iteration_leaves_the_first(toy: Checkout) -> None:
    output = toy.snakemake("-n", "--forcerun", f"{ROOT}/policies/{SECOND}/manifest.json")
    planned = planned_jobs(output)
    assert planned["train_policy"] == 1 and planned["evaluate_policy"] == 1
    assert "sample_responses" not in planned and f"toy_study, {FIRST}" not in output


def test_a_longer_run_leaves_both(toy: Checkout) -> None:
    (toy.folder / "longer.yaml").write_text("toy_study: {iterations: 3}\n")
    output = toy.snakemake("-n", "policies", "--configfile", "small.yaml", "longer.yaml")
    assert planned_jobs(output)["train_policy"] == 1
    assert "iteration=3" in output and f"Policy: toy_study, {SECOND}" not in output


def test_the_page_has_its_section_and_figure(toy: Checkout) -> None:
    page = (toy.folder / "results/report.html").read_text()
    assert "Does a room outside the package work?" in page and "Reward by iteration" in page


def test_mistakes_in_its_section_are_named_before_any_job(toy: Checkout) -> None:
    wrong = {"toy_study": {"methods": ["dpo"], "responses": 1}}
    (toy.folder / "wrong.yaml").write_text(yaml.safe_dump(wrong))
    output = toy.snakemake("-n", "--configfile", "small.yaml", "wrong.yaml", check=False)
    assert "toy_study.responses" in output and "Building DAG" not in output
    wrong["toy_study"].pop("responses")
    (toy.folder / "wrong.yaml").write_text(yaml.safe_dump(wrong))
    output = toy.snakemake("-n", "--configfile", "small.yaml", "wrong.yaml", check=False)
    assert "'dpo' needs labels; this study offers scores" in output


# Snakemake takes an output that exists for a source if the function of its input raises: a finished run
# would have nothing to be done.
@pytest.mark.parametrize(
    ("module", "old", "new", "said"),
    [
        ("wiring.py", '"], axes["seed"]', '"], axes["sed"]', f"policy of '{FIRST}': KeyErr"),
        ("figures/rewards.py", 'READS = ("e', 'READS = ("xe', "READS names 'xevaluations'"),
    ],
)
def test_over_a_finished_run_a_broken_wiring_is_no_silence(
    toy: Checkout, monkeypatch: pytest.MonkeyPatch, module: str, old: str, new: str, said: str
) -> None:
    lab = toy.folder / f"lab_{module[0]}"
    shutil.copytree(Path(__file__).parent / "toy_study", lab / "toy_study")
    text = (lab / "toy_study" / module).read_text()
    assert old in text
    (lab / "toy_study" / module).write_text(text.replace(old, new))
    (toy.folder / "broken.yaml").write_text(f"studies: [{lab.name}.toy_study]\n")
    monkeypatch.setenv("PYTHONPATH", f"{toy.folder}:{REPOSITORY}")
    output = toy.snakemake("--configfile", "small.yaml", "broken.yaml", check=False)
    assert said in output and "Nothing to be done" not in output


def test_no_file_of_the_repository_knows_it() -> None:
    words = ["git", "-C", str(REPOSITORY), "grep", "-l", "toy_study"]
    found = subprocess.run(words, capture_output=True, text=True).stdout.split()
    here = Path(__file__).relative_to(REPOSITORY).as_posix()
    known = (here, "tests/workflow/toy_study/", "docs/adding_a_study.md")
    assert [name for name in found if not name.startswith(known)] == []


def test_the_pages_places_exist() -> None:
    text = "".join(page.read_text() for page in PAGES)
    places = set(re.findall(r"`((?:tests|workflow_scripts|rules|docs)/[\w/.]+)`", text))
    assert places and [place for place in places if not (REPOSITORY / place).exists()] == []
