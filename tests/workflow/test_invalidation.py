"""What reruns after a change, and what does not: the promise that results can be trusted."""

import html
import os
import re
from collections import Counter
from pathlib import Path

import yaml

from tests.workflow.conftest import Checkout, planned_jobs

# Jobs by rule, where all that follows from a policy of each study is made again.
AFTER_A_POLICY = {"gather_table": 4, "tabulate_results": 1, "draw_figure": 5, "describe_study": 1}
AFTER_A_STUDENT = {
    "evaluate_single_index": 1,
    "gather_table": 4,
    "tabulate_single_index": 1,
    "draw_figure": 4,
    "describe_study": 1,
}
AFTER_A_POLICY_ON_NUMBERS = {
    "gather_table": 4,
    "tabulate_soft_policy": 1,
    "draw_figure": 5,
    "describe_study": 1,
}


def set_config(checkout: Checkout, *path: str, value: object) -> None:
    """Change one key of the small config."""
    file = checkout.folder / "small.yaml"
    config = yaml.safe_load(file.read_text())
    section = config
    for key in path[:-1]:
        section = section.setdefault(key, {})
    section[path[-1]] = value
    file.write_text(yaml.safe_dump(config))


def test_finished_run_has_nothing_to_do(finished: Checkout) -> None:
    assert finished.planned() == {}
    assert "Nothing to be done" in finished.snakemake()


def test_editing_an_objective_reruns_its_policies_and_what_follows(edited: Checkout) -> None:
    source = edited.folder / "workflow_scripts/prefgrid/objectives/pspo.py"
    source.write_text(source.read_text() + "\nEDITED = 1\n")
    output = edited.snakemake("-n")
    planned = planned_jobs(output)
    # One seed, shift and n: one PSPO cell; the DPO cell, data and models stay.
    assert planned.pop("train_policy") == 1
    assert planned.pop("evaluate_policy") == 1
    assert planned.pop("train_single_index") == 1
    assert planned.pop("all") == planned.pop("build_report") == 1
    assert planned == Counter(AFTER_A_POLICY) + Counter(AFTER_A_STUDENT)
    for policies in ("Policy: link_robustness, ", "Single index: policies, "):
        assert f"{policies}method=pspo" in output and f"{policies}method=dpo" not in output


def test_editing_an_objective_on_scores_reruns_its_policies_on_numbers(edited: Checkout) -> None:
    """The other method, both studies of pairs and the reference stay."""
    source = edited.folder / "workflow_scripts/prefgrid/objectives/softpo.py"
    source.write_text(source.read_text() + "\nEDITED = 1\n")
    output = edited.snakemake("-n")
    planned = planned_jobs(output)
    assert planned.pop("train_soft_policy") == 1
    assert planned.pop("all") == planned.pop("build_report") == 1
    assert planned == AFTER_A_POLICY_ON_NUMBERS
    policies = "Soft policy: policies, "
    assert f"{policies}method=softpo" in output and f"{policies}method=reinforce" not in output


def test_editing_a_shared_module_reruns_its_users_only(edited: Checkout) -> None:
    source = (
        edited.folder / "workflow_scripts/prefgrid/studies/link_robustness/figures/calibration.py"
    )
    source.write_text(source.read_text() + "\nEDITED = 1\n")
    assert edited.planned() == {
        "draw_figure": 1,
        "describe_study": 1,
        "build_report": 1,
        "all": 1,
    }


def test_a_new_kappa_of_the_single_index_study_trains_nothing(edited: Checkout) -> None:
    set_config(edited, "single_index", "evaluation", "kappa", value=0.1)
    planned = edited.planned("single_index")
    assert planned.pop("single_index") == 1
    assert planned.pop("gather_table") == 4 and planned.pop("draw_figure") <= 4
    assert set(planned) == {"evaluate_single_index", "tabulate_single_index"}


def test_more_seeds_of_the_single_index_study_leave_the_others(edited: Checkout) -> None:
    """Blocks of two: seeds 0-1 are there, 2-3 are new, for each of the two methods."""
    set_config(edited, "single_index", "seeds", value=4)
    planned = edited.planned("evaluations")
    assert planned == {
        "draw_single_index": 1,
        "train_single_index": 2,
        "evaluate_single_index": 1,
        "evaluations": 1,
    }


def test_comments_docstrings_and_formatting_rerun_nothing(edited: Checkout) -> None:
    for source in (edited.folder / "workflow_scripts").rglob("*.py"):
        source.write_text(source.read_text() + "\n\n# a comment\n")
    edited.edit("workflow_scripts/prefgrid/links.py", '"""Preference links', '"""Links')
    assert edited.planned() == {}


def test_touching_every_source_file_reruns_nothing(edited: Checkout) -> None:
    for source in edited.folder.rglob("*"):
        if source.is_file() and "results" not in source.parts and ".snakemake" not in source.parts:
            os.utime(source)
    assert edited.planned() == {}


def test_fresh_clone_with_results_carried_over_reruns_nothing(
    finished: Checkout, tmp_path: Path
) -> None:
    assert finished.copy(tmp_path / "clone").planned() == {}


def test_swapping_the_values_of_two_hyper_parameters_is_noticed(
    finished: Checkout, tmp_path: Path
) -> None:
    clone = finished.copy(tmp_path / "clone")
    config = yaml.safe_load((clone.folder / "small.yaml").read_text())
    rank, alpha = (config["training"]["lora"][key] for key in ("rank", "alpha"))
    assert rank != alpha
    set_config(clone, "training", "lora", "rank", value=int(alpha))
    set_config(clone, "training", "lora", "alpha", value=float(rank))
    # Of link robustness, and of two iterations.
    assert clone.planned("policies")["train_policy"] == 2 + 2


def test_execution_keys_rerun_nothing(edited: Checkout) -> None:
    set_config(edited, "execution", "torch_threads", value=2)
    set_config(edited, "execution", "mem_mb", value=12345)
    assert edited.planned() == {}


def test_a_new_shift_regenerates_labels_and_policies_only(edited: Checkout) -> None:
    set_config(edited, "link_robustness", "shifts", value=[2.5])
    planned = edited.planned("evaluations")
    assert planned == {
        "label_preferences": 1,
        "train_policy": 2,
        "evaluate_policy": 2,
        "evaluations": 1,
    }


def test_one_target_builds_only_what_it_needs(edited: Checkout) -> None:
    target = "results/link_robustness/policies/method=dpo/seed=0/shift=2.5/n=32/manifest.json"
    assert edited.planned(target) == {"label_preferences": 1, "train_policy": 1}


def test_the_page_names_its_run_and_every_link_leads_somewhere(edited: Checkout) -> None:
    results = edited.folder / "results"
    text = (results / "report.html").read_text()
    assert "<dt>Config</dt><dd>config.yaml + small.yaml</dd>" in text
    assert re.search(r"<dt>Run</dt><dd>default, folder \w+</dd>", text)
    links = re.findall(r'href="([^"#][^"]*)"', text)
    assert len(links) > 20 and all((results / link).is_file() for link in links)
    config = html.unescape(re.search(r"<pre><code>(.*?)</code>", text, re.S)[1])
    shown = yaml.safe_load(config)
    written = yaml.safe_load((edited.folder / "small.yaml").read_text())
    assert shown["link_robustness"]["seeds"] == written["link_robustness"]["seeds"]
    # As the config file it plans the very same run.
    (edited.folder / "small.yaml").write_text(config)
    assert edited.planned() == {}


def test_snakemakes_own_report_is_built(finished: Checkout) -> None:
    finished.snakemake("--report", "snakemake_report.html")
    text = (finished.folder / "snakemake_report.html").read_text()
    assert "frontier" in text and "summary" in text
