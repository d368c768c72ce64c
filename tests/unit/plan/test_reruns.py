"""Which jobs run again after which edit: typical edits of the source, each made in a copy of it."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rule_graph
import yaml

from prefgrid.config import objectives
from prefgrid.plan import comparison_sets
from prefgrid.plan import fingerprint as module
from prefgrid.plan.load import load
from prefgrid.studies import registry

REPOSITORY = Path(__file__).resolve().parents[3]
SOURCE = REPOSITORY / "workflow_scripts"
# Labels that a study cannot train: a single action has no length, preferences between numbers no link.
BARRED = {"single_index": ["simpo"], "soft_policy": ["true_link"]}

# What is edited → file, old text, new text, scripts that run again. `script(module)` is a script with
# what its spec chooses by name (an objective, a judge, a figure); the script alone stands for all of
# them.
EDITS = {
    "an error of a reader, reworded": (
        "prefgrid/files/reading.py",
        *("holds no rows", "is empty"),
        "",
    ),
    "the look of a progress line": (
        "prefgrid/files/store.py",
        *("%H:%M:%S", "%H:%M"),
        "",
    ),
    "one more check before training": (
        "prefgrid/training/checks.py",
        *("if not trainable:", "if len(trainable) < 2:"),
        "",
    ),
    "the words about a row that does not fit": (
        "prefgrid/data/misfits.py",
        *("a non-empty string", "text"),
        "",
    ),
    "what an option may be, reworded": (
        "prefgrid/limits/bounds.py",
        *("; allowed: ", "; it must be "),
        "",
    ),
    "how a job publishes its files": (
        "prefgrid/job/publication.py",
        *("os.fsync(descriptor)", "pass"),
        "",
    ),
    "a mistake in the config, reworded": (
        "prefgrid/plan/mistakes.py",
        *("missing; it has no default", "it must be set"),
        "",
    ),
    "the words of a policy's card": (
        "prefgrid/models/cards.py",
        *("A LoRA adapter.", "An adapter."),
        "",
    ),
    "what an adapter's config names as its base": (
        "prefgrid/models/origin.py",
        *('source["commit"] is not None', 'source["commit"]'),
        "train_policy average_policies export_policy",
    ),
    "a comment in the training step": (
        "prefgrid/training/step.py",
        *("\n\n\n", "\n\n\n# A comment.\n"),
        "",
    ),
    "what is measured on held-out samples": (
        "prefgrid/sampling/measured.py",
        *("self.temperature, 1.0", "self.temperature, 1"),
        "sample_held_out",
    ),
    "the mean of policies": (
        "prefgrid/models/averaging.py",
        *("(count - before) / count", "1 - before / count"),
        "average_policies",
    ),
    "what goes to the hub": (
        "prefgrid/models/publishing.py",
        *('"Results of prefgrid"', '"Results"'),
        "publish_self_play",
    ),
    "an objective": (
        "prefgrid/objectives/ospo_orthogonal.py",
        *("import torch", "import math\n\nimport torch"),
        """
        train_policy(ospo_orthogonal) train_single_index(ospo_orthogonal)
        train_soft_policy(ospo_orthogonal)
        """,
    ),
    "a part that two objectives share": (
        "prefgrid/objectives/ospo.py",
        *("import torch", "import math\n\nimport torch"),
        """
        train_policy(ospo) train_policy(ospo_orthogonal)
        train_single_index(ospo) train_single_index(ospo_orthogonal)
        train_soft_policy(ospo) train_soft_policy(ospo_orthogonal)
        """,
    ),
    "a figure": (
        "prefgrid/studies/link_robustness/figures/calibration.py",
        *("INDEX_LIMIT = 3.0", "INDEX_LIMIT = 4.0"),
        """
        draw_figure(link_robustness.calibration) describe_study(link_robustness.section)
        """,
    ),
    "the style of all figures": (
        "prefgrid/figures/style.py",
        *("WIDTH_INCHES = 9.0", "WIDTH_INCHES = 8.0"),
        "draw_figure describe_study",
    ),
    "the colours of figures on dark pages": (
        "prefgrid/figures/dark.py",
        *('"#7FE87F"', '"#7FE88F"'),
        "draw_figure describe_study(link_robustness.section)",
    ),
    "what the page says the steps took": (
        "prefgrid/report/costs.py",
        *('f"{seconds:.2f} s"', 'f"{seconds:.1f} s"'),
        "build_report",
    ),
    "how the page shows the config": (
        "prefgrid/plan/shown.py",
        *("width=100", "width=90"),
        "",
    ),
    "how a dataset is read": (
        "prefgrid/data/ultrafeedback.py",
        *('("fine-grained_score", "overall_score")', '("overall_score",)'),
        """
        train_tiny_tokenizer train_tiny_base train_tiny_reward train_reference build_prompt_pools
        collect_comparisons(scores) collect_comparisons(aspects)
        """,
    ),
    "which lines of a data set can be read": (
        "prefgrid/data/lines.py",
        *('"utf-8-sig"', '"utf-8"'),
        """
        fetch_dataset train_tiny_tokenizer train_tiny_base train_tiny_reward train_reference
        build_prompt_pools collect_comparisons(scores) collect_comparisons(aspects)
        tabulate_pairwise_judges divide_prompts
        """,
    ),
    "the ring of closings": (
        "prefgrid/tinyworld/ring.py",
        *("RING = 4.0", "RING = 3.0"),
        """
        collect_comparisons(tinyworld.closings) compare_responses(tinyworld.circle_judge)
        score_responses(tinyworld.class_judge)
        """,
    ),
    "an aspect of a response": (
        "prefgrid/tinyworld/aspects.py",
        *("1.5 * language.worth(first)", "language.worth(first)"),
        "write_tiny_data train_tiny_tokenizer train_tiny_base train_tiny_reward",
    ),
    "who calibrates": (
        "prefgrid/comparisons/base.py",
        *("CALIBRATION_SHARE = 0.5", "CALIBRATION_SHARE = 0.4"),
        "collect_comparisons tabulate_pairwise_judges",
    ),
    "how circles are counted": (
        "prefgrid/statistics/intransitivity.py",
        *("MOST_RESPONSES = 12", "MOST_RESPONSES = 11"),
        """
        tabulate_pairwise_judges draw_figure(pairwise_judges.consistency)
        describe_study(pairwise_judges.section) make_targets
        """,
    ),
    "which responses train": (
        "prefgrid/targets/selection.py",
        *('one["finish"] == "length"', 'one["finish"] != "stop"'),
        "make_targets export_self_play",
    ),
    "the columns of published files": (
        "prefgrid/targets/published.py",
        *('"rm_scores": worth', '"scores": worth'),
        "export_self_play",
    ),
    "a loss of comparisons": (
        "prefgrid/objectives/preference_losses.py",
        *(
            "WANTED_LOGIT, LARGEST_WANTED_LOGIT = 10.0, 5.0",
            "WANTED_LOGIT, LARGEST_WANTED_LOGIT = 9.0, 5.0",
        ),
        "train_preference_model",
    ),
    "a gate of preference models": (
        "prefgrid/models/preference.py",
        *("(z / math.sqrt(width))", "(z / width)"),
        """
        train_preference_model compare_responses(embedding) embed_responses(embedding)
        """,
    ),
    "what a preference model can be, reworded": (
        "prefgrid/limits/preference_models.py",
        *("embeddings are pairs of numbers", "must be even"),
        "",
    ),
    "an objective on scores": (
        "prefgrid/objectives/soft_losses.py",
        *("import torch", "import math\n\nimport torch"),
        "train_soft_policy(softpo)",
    ),
    "a mean over a group's responses": (
        "prefgrid/objectives/groups.py",
        *("import math\n", "import math\nimport time\n"),
        """
        train_policy(sppo) train_policy(gpo) train_policy(sppo_hard) train_single_index(sppo_hard) train_soft_policy(sppo_hard)
        train_soft_policy(gpo) train_soft_policy(softpo) train_soft_policy(reinforce)
        """,
    ),
    "the scores of a task": (
        "prefgrid/studies/soft_policy/task.py",
        *("abs(number - self.target)", "abs(self.target - number)"),
        "teach_numbers train_soft_policy",
    ),
    "estimates of a soft value": (
        "prefgrid/statistics/soft_value.py",
        *("PUBLISHED_FALLBACK = -0.5", "PUBLISHED_FALLBACK = -0.4"),
        """
        train_soft_policy draw_figure(soft_policy.values) describe_study(soft_policy.section)
        """,
    ),
    "the training loop": (
        "prefgrid/training/loop.py",
        *('float("inf")', "1.0e30"),
        """
        train_tiny_base train_tiny_reward train_policy train_reference teach_numbers
        train_soft_policy train_preference_model
        """,
    ),
    "training rows that are described": (
        "prefgrid/training/ratios.py",
        *("DESCRIBED_ROWS = 128", "DESCRIBED_ROWS = 64"),
        """
        train_tiny_base train_tiny_reward train_policy train_reference teach_numbers
        train_soft_policy train_preference_model
        """,
    ),
    "the win rate at equal length": (
        "prefgrid/statistics/length_control.py",
        *("STEPS = 100", "STEPS = 200"),
        "measure_run",
    ),
    "what a method of self-play is called": (
        "prefgrid/studies/self_play/names.py",
        *('"gpo": "GPO"', '"gpo": "Gpo"'),
        """
        describe_study(self_play.section) draw_figure(self_play.win_rate_by_kl)
        draw_figure(self_play.length_and_gap) draw_figure(self_play.iterates) draw_figure(self_play.ring)
        """,
    ),
    "intervals": (
        "prefgrid/statistics/intervals.py",
        *("LEVEL = 0.95", "LEVEL = 0.9"),
        """
        tabulate_results tabulate_single_index tabulate_soft_policy tabulate_pairwise_judges
        measure_run tabulate_self_play
        draw_figure(link_robustness.calibration)
        draw_figure(single_index.correlation) draw_figure(single_index.frontier)
        draw_figure(single_index.robustness) describe_study
        """,
    ),
    "log-probabilities of chosen tokens": (
        "prefgrid/logprobs/selected.py",
        *("MIN_CHUNK = 256", "MIN_CHUNK = 128"),
        """
        rehearse_model train_tiny_base train_tiny_reward train_reference compute_reference_logps
        train_policy evaluate_policy teach_numbers train_soft_policy train_preference_model
        """,
    ),
    "log-probabilities of drawn tokens": (
        "prefgrid/sampling/recording.py",
        *("self.step += 1", "self.step = self.step + 1"),
        "sample_responses train_soft_policy",
    ),
    "the renderer of prompts": (
        "prefgrid/chat.py",
        *('"enable_thinking": False', '"enable_thinking": True'),
        """
        fetch_model fetch_judge_model rehearse_model train_tiny_base train_tiny_reward
        assess_tiny_world train_reference sample_responses sample_held_out score_responses(scalar)
        evaluate_policy export_preferences export_policy teach_numbers train_soft_policy train_preference_model
        compare_responses(embedding) embed_responses(embedding) export_self_play write_alpaca_config
        """,
    ),
    "a trial of chat templates": (
        "prefgrid/templates/trial.py",
        *("range(400)", "range(500)"),
        "",
    ),
    "how a template's date is written": (
        "prefgrid/templates/dates.py",
        *("time()", "time(12)"),
        "fetch_model fetch_judge_model",
    ),
    "how closely a rehearsal compares": (
        "prefgrid/rehearsal/comparing.py",
        *('"none": 1e-3', '"none": 1e-4'),
        "rehearse_model",
    ),
    "random streams": (
        "prefgrid/seeding.py",
        *("np.random.Philox(", "np.random.SFC64("),
        """
        write_tiny_data train_tiny_tokenizer train_tiny_base train_tiny_reward assess_tiny_world
        train_reference sample_responses sample_held_out label_preferences train_preference_model train_policy teach_numbers
        train_soft_policy train_single_index(pspo) train_single_index(true_link) evaluate_policy tabulate_results
        measure_run tabulate_self_play
        draw_figure(link_robustness.reference_rewards) draw_figure(link_robustness.frontier)
        draw_figure(link_robustness.robustness) draw_figure(link_robustness.convergence)
        describe_study(link_robustness.section) collect_comparisons(scores)
        collect_comparisons(aspects) collect_comparisons(tinyworld.closings) make_targets export_self_play
        """,
    ),
    "how a table is written": (
        "prefgrid/files/formats.py",
        *("to_csv(path, index=False)", 'to_csv(path, index=False, na_rep="nan")'),
        "all",
    ),
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the source that fingerprints are taken of."""
    folder = tmp_path_factory.mktemp("copy") / SOURCE.name
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SCRIPTS", folder)
        yield folder
    forget()


def forget() -> None:
    module.fingerprint.cache_clear()
    module._source.cache_clear()


def wirings() -> dict[str, Any]:
    """Of all studies, each that trains methods with every one that it can: numbers have scores, and pairs of
    them labels."""
    raw = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
    for study in ("link_robustness", "single_index", "soft_policy"):
        targets = ("scores", "labels") if study == "soft_policy" else ("labels",)
        raw[study]["methods"] = [
            label
            for label, method in raw["methods"].items()
            if objectives.constants(method["objective"]).needs["targets"] in targets
            and label not in BARRED.get(study, [])
        ]
    # A step of 64 groups.
    raw["soft_policy"]["drawing"] |= {"epochs": 100, "samples": 64 * 112}
    raw["self_play"]["publish"] = {"repo": "someone/runs"}
    config = load(raw)
    return {study: registry.wiring(package, config) for study, package in config.packages.items()}


@pytest.fixture(scope="module")
def codes() -> dict[str, tuple[str, ...]]:
    """Name → arguments of its fingerprint, of every script that a rule runs."""
    jobs, _ = rule_graph.needed(wirings())
    listed = [(rule.script, rule.modules) for rule in rule_graph.rules() if rule.block is None]
    listed += [(job.rule.script, job.modules) for job in jobs]
    config = load(yaml.safe_load((REPOSITORY / "config.yaml").read_text()))
    sets = (comparison_sets.step(config, label).modules for label in config.comparisons)
    listed += [("steps.collect_comparisons", modules) for modules in sets]
    return {_name(script, modules): (script, *modules) for script, modules in listed}


def _name(script: str, modules: tuple[str, ...]) -> str:
    stem = script.rpartition(".")[2]
    if not modules:
        return stem
    *_, study, last = modules[0].replace(".figures.", ".").split(".")
    return f"{stem}({last if study in NAMELESS else f'{study}.{last}'})"


# Packages whose modules no other has by the same name.
NAMELESS = ("objectives", "judges", "sampling", "data", "comparisons")


def fingerprints(codes: dict[str, tuple[str, ...]]) -> dict[str, str]:
    forget()
    return {name: module.fingerprint(*words) for name, words in codes.items()}


@pytest.fixture(scope="module")
def before(copy: Path, codes: dict[str, tuple[str, ...]]) -> dict[str, str]:
    return fingerprints(codes)


def test_every_script_and_every_objective_of_pairs_is_among_them(before):
    rules = {rule.script.rpartition(".")[2] for rule in rule_graph.rules()}
    assert {name.partition("(")[0] for name in before} == rules
    pairs = {
        path.stem
        for path in (SOURCE / "prefgrid/objectives").glob("*.py")
        if '"targets": "labels"' in path.read_text()
    }
    assert {f"train_policy({objective})" for objective in pairs} <= before.keys()


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_reruns_what_it_may_change_and_nothing_else(
    copy: Path, codes: dict[str, tuple[str, ...]], before: dict[str, str], edit: str
) -> None:
    name, old, new, expected = EDITS[edit]
    path = copy / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    try:
        after = fingerprints(codes)
    finally:
        path.write_text(text)
    changed = {script for script in before if after[script] != before[script]}
    words = set(before) if expected == "all" else set(expected.split())
    wanted = {script for script in before if words & {script, script.partition("(")[0]}}
    assert words <= wanted | {script.partition("(")[0] for script in wanted}, "no such script"
    assert changed == wanted
