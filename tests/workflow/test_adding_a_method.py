"""The walk of docs/adding_a_method.md: this module is the documented objective, and its test.

Exponential loss on the index (GPO: Tang et al., arXiv 2402.05749, with f(x) = exp(−x)).

    L = mean_i exp(−β_train·s_i),    s_i = (2 z_i − 1)·t_i

with t the index of `base` and z the label.  Among all functions of a pair the minimiser is
t = log(p/(1 − p))/(2·β_train) with p = P(z = 1), so the implied link is logistic:
P(z = 1 | t) = σ(2·β_train·t).
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml
from torch import Tensor

from prefgrid.files import store
from prefgrid.objectives import base
from prefgrid.objectives.pairs import signed_margin
from prefgrid.studies.single_index import files
from tests.workflow.conftest import REPOSITORY, Checkout, copy_sources, planned_jobs
from tests.workflow.test_invalidation import set_config

NEEDS = {"targets": "labels", "responses": 2, "reference_logps": True, "coupled": False}
OPTIONS = {
    # scale of the index in the loss; at .5 the link is σ(t), as DPO's at its default
    "beta_train": (0.5, "[1e-6, 1e6]"),
}


class Objective(base.Objective):
    """Stateless."""

    needs, declared = NEEDS, OPTIONS

    def __init__(self, options: dict, schedule: base.Schedule) -> None:
        super().__init__(options, schedule)
        self.beta_train = float(self.options["beta_train"])

    def loss(self, batch: base.Batch) -> Tensor:
        """mean_i exp(−β_train·s_i)."""
        return (-self.beta_train * signed_margin(batch.index, batch.targets)).exp().mean()

    def probability(self, index: Tensor) -> Tensor:
        """σ(2·β_train·t)."""
        return torch.sigmoid(2 * self.beta_train * index)


PAGE = REPOSITORY / "docs" / "adding_a_method.md"
OBJECTIVES = REPOSITORY / "docs" / "objectives.md"
BETA_TRAIN = 0.25
SINGLE = "results/single_index/policies/method=toy/shift=1.5/tau=0.25/n=200/seeds=0-1"
CELL = "results/link_robustness/policies/method=toy/seed=0/shift=1.5/n=32"
TARGETS = (f"{SINGLE}/policies.safetensors", f"{CELL}/manifest.json")


def block(language: str) -> str:
    """The page's one block of code in a language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    return found


@pytest.fixture(scope="module")
def added(finished: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """The finished checkout with one more label in both studies, by config alone."""
    checkout = finished.copy(tmp_path_factory.mktemp("adding_a_method") / "clone")
    toy = {"objective": __name__, "options": {"beta_train": BETA_TRAIN}, "training": {}}
    set_config(checkout, "methods", "toy", value=toy)
    set_config(checkout, "link_robustness", "methods", value=["dpo", "pspo", "toy"])
    set_config(checkout, "single_index", "methods", value=["dpo", "pspo", "toy"])
    with pytest.MonkeyPatch.context() as patch:
        # Snakemake and its jobs must find this module.
        patch.setenv("PYTHONPATH", str(REPOSITORY))
        yield checkout


def test_the_documented_module_is_this_one() -> None:
    """The same docstring, imports among ours, and the same text from the literals on."""
    documented, source = block("python"), Path(__file__).read_text()
    imports, literals, body = documented.partition("\nNEEDS = ")
    docstring = ast.get_docstring(ast.parse(documented), clean=False)
    assert docstring and docstring in __doc__
    imports = imports.replace(f'"""{docstring}"""', "")
    assert set(filter(None, imports.splitlines())) <= set(source.splitlines())
    assert f"{literals}{body}" in source


def test_the_documented_places_exist() -> None:
    text = PAGE.read_text() + OBJECTIVES.read_text()
    places = set(re.findall(r"`((?:tests|workflow_scripts)/[\w/.]+)`", text))
    places.remove("workflow_scripts/prefgrid/objectives/exponential.py")  # the reader's own
    assert places and [place for place in places if not (REPOSITORY / place).exists()] == []
    tests = "\n".join(path.read_text() for path in (REPOSITORY / "tests").rglob("test_*.py"))
    names = set(re.findall(r"`(test_\w+)`", text))
    assert names and [name for name in names if f"def {name}(" not in tests] == []


def test_the_documented_commands_plan_the_documented_policies(tmp_path: Path) -> None:
    """Each command as a dry run in a fresh tree, with the page's config and module in place."""
    copy_sources(tmp_path / "tree")
    tree = Checkout(tmp_path / "tree")
    (tree.folder / "small.yaml").write_text("{}")
    (tree.folder / "exponential.yaml").write_text(block("yaml"))
    module = tree.folder / "workflow_scripts/prefgrid/objectives/exponential.py"
    module.write_text(block("python"))
    commands = re.findall(r"^\.venv/bin/snakemake (.*)$", PAGE.read_text(), flags=re.MULTILINE)
    outputs = [tree.snakemake("-n", *shlex.split(command)) for command in commands]
    everything, single, policy, study = map(planned_jobs, outputs)
    assert single == {"draw_single_index": 1, "train_single_index": 1}
    assert policy["train_policy"] == 1 and "evaluate_policy" not in policy
    assert study["tabulate_single_index"] == 1 and "train_policy" not in study
    assert everything["build_report"] == 1 and everything["describe_study"] == 5
    # Both are cells of the default grid, not just paths that some rule can make.
    assert commands[1].split()[0] in outputs[3] and commands[2].split()[0] in outputs[0]


def test_one_more_label_trains_in_both_studies_and_nothing_else_runs(added: Checkout) -> None:
    # `policies` are those of both whole grids: DPO's and PSPO's are there already.
    planned = planned_jobs(added.snakemake("policies", *TARGETS))
    assert planned == {"train_policy": 1, "train_single_index": 1, "policies": 1}

    link = store.read_json(added.folder / CELL / "link.json")
    index = torch.tensor(link["index_nats"], dtype=torch.float64)
    # σ(2·.25·t); DPO's would be σ(.25·t).
    expected = torch.sigmoid(2 * BETA_TRAIN * index)
    torch.testing.assert_close(torch.tensor(link["probability"]).double(), expected)
    assert index[-1] > 0 and link["sign"] == 1
    metrics = store.read_jsonl(added.folder / CELL / "metrics.jsonl")
    # 32 pairs, 8 a step, 2 epochs. At the reference t = 0: the first loss is exp(0), not DPO's log 2.
    assert len(metrics) == 8 and metrics[0]["loss"] == pytest.approx(1, abs=1e-4)
    assert (added.folder / CELL / "manifest.json").is_file()

    trained = files.load_trained(added.folder / SINGLE / "policies.safetensors")
    assert trained.index_nats.shape[0] == 2 and (trained.index_nats[:, -1] > 0).all()
    expected = torch.sigmoid(2 * BETA_TRAIN * trained.index_nats)
    torch.testing.assert_close(trained.probability, expected)


def test_an_edit_of_the_module_retrains_the_label_in_both_studies(
    added: Checkout, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The module as a copy in another folder: unchanged it reruns nothing, edited just its label."""
    added.snakemake(*TARGETS)  # nothing, where the test above has run
    copy = tmp_path / "tests" / "workflow" / Path(__file__).name
    copy.parent.mkdir(parents=True)
    for package in (tmp_path / "tests", copy.parent):
        (package / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    copy.write_text(Path(__file__).read_text() + "\n# a comment\n")
    assert added.planned(*TARGETS) == {}
    copy.write_text(Path(__file__).read_text() + "\nEDITED = 1\n")
    output = added.snakemake("-n", "policies", *TARGETS)
    planned = planned_jobs(output)
    assert planned == {"train_policy": 1, "train_single_index": 1, "policies": 1}
    assert "Policy: link_robustness, method=toy" in output
    assert "Single index: policies, method=toy" in output


def test_wrong_options_are_refused_before_any_job(added: Checkout) -> None:
    wrong = {
        "methods": {"toy": {"options": {"beta": 1.0, "beta_train": 0.0}}},
        "single_index": {"overrides": {"toy": {"options": {"width": 2}}}},
    }
    (added.folder / "wrong.yaml").write_text(yaml.safe_dump(wrong))
    output = added.snakemake(*TARGETS, "--configfile", "small.yaml", "wrong.yaml", check=False)
    assert "2 mistakes in the configuration" in output and "Building DAG" not in output
    assert (
        "methods.toy: objective 'tests.workflow.test_adding_a_method': no option 'beta'" in output
    )
    assert "option beta_train = 0.0; allowed: a number in [1e-6, 1e6]" in output
    assert "single_index.overrides.toy.options" in output and "no option 'width'" in output


def test_a_module_that_cannot_be_imported_is_named(
    added: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH")
    output = added.snakemake("-n", check=False)
    assert "methods.toy.objective: unknown objective 'tests.workflow" in output
    assert "no such importable module" in output
