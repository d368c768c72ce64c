"""The rules as text, and the jobs that a config's studies need of them, without Snakemake."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefgrid.files import cells
from prefgrid.studies.base import STAGES, Step

REPOSITORY = Path(__file__).resolve().parents[2]
# Names in the rules' text → what they stand for with the default config.
FILLED = {
    "{REFERENCE}": "results/models/reference",
    "{REWARD}": "results/models/reward",
    "CONFIG.data.path": '"results/data/ultrafeedback/train.jsonl"',
}
# What the default config has another rule for.
OTHERS = ("adopt_reference", "fetch_model", "fetch_judge_model", "rehearse_model", "fetch_dataset")
# Of rules that ask a study, what no target needs.
_ITERATE = {"method": "sppo", "judge": "bt_scores", "seed": 0, "iteration": 1}
ON_REQUEST = (
    "results/link_robustness/exports/method=dpo/seed=0/shift=0.0/n=400/manifest.json",
    f"results/self_play/published/{cells.folders(_ITERATE)}/train.parquet",
    "results/self_play/alpaca_eval/models_configs/"
    f"{cells.folders(_ITERATE).replace('/', ',')}/configs.yaml",
    "results/self_play/publication/publication.json",
)
WILDCARDS = {
    "study": r"[a-z_]+",
    "cell": cells.PATTERN,
    "figure": r"[a-z][a-z0-9_]*",
    "table": r"[a-z][a-z0-9_]*\.(?:csv|parquet)",
    "name": "base|reward",
    "comparisons": r"[A-Za-z][A-Za-z0-9_.-]*",
    "fetched": r"(?:data/comparisons|self_play/sources)/[A-Za-z0-9_.-]+",
    "label": r"[^/]+",
    "model": r"[^/]+",
    "file": "publication",
}


@dataclass(frozen=True)
class Rule:
    """script: dotted. inputs, outputs: patterns that its text has. block, key, study: whom it asks for
    its Step, as `made_from`. chooses: the Step's modules are part of the code; else `modules` are."""

    name: str
    script: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    block: str | None
    key: str | None
    study: str | None
    chooses: bool
    modules: tuple[str, ...]


@dataclass(frozen=True)
class Job:
    """inputs: all files, also those that the rule's text has. step: None for a rule without a block."""

    rule: Rule
    study: str
    cell: str
    step: Step | None
    inputs: frozenset[str]

    @property
    def modules(self) -> tuple[str, ...]:
        return self.step.modules if self.step and self.rule.chooses else self.rule.modules


def rules() -> list[Rule]:
    """All that run a script, also those that one config cannot have together."""
    paths = sorted((REPOSITORY / "rules").rglob("*.smk"))
    return [rule for path in paths for rule in _rules_of(path.read_text())]


def _rules_of(text: str) -> Iterable[Rule]:
    asked = None
    parts = r"^(?:FILES, SETTINGS, (?:CODE|_) = made_from\((.*)\)| *rule (\w+):)$"
    pieces = re.split(parts, text, flags=re.MULTILINE)[1:]
    for question, name, body in zip(pieces[::3], pieces[1::3], pieces[2::3], strict=True):
        if question:
            asked = question
        elif "run_job" in body:
            yield _rule(name, body, asked if "FILES," in body else None)


def _rule(name: str, body: str, asked: str | None) -> Rule:
    for named, value in FILLED.items():
        body = body.replace(named, value)
    before, outputs = re.search(r"^(.*?)\boutput:(.*?)\n *log:", body, re.DOTALL).groups()
    script, *modules = re.findall(r'"([\w.]+)"', re.search(r"code=\w+\((.*)\)", body)[1])
    if "CONFIG.data.module" in body:
        modules.append("prefgrid.data.ultrafeedback")
    words = asked or ""
    study = re.search(r'study="(\w+)"', words)
    key = None if "key=None" in words else (re.search(r'key="(\w+)"', words) or [0, "cell"])[1]
    return Rule(
        name,
        script,
        tuple(re.findall(r'"(results/[^"]+)"', before)),
        tuple(re.findall(r'"(results/[^"]+)"', outputs)),
        re.match(r'"(\w+)"', words)[1] if asked else None,
        key,
        study and study[1],
        "code=CODE(" in body,
        tuple(modules),
    )


def maker(path: str, wirings: Mapping[str, Any], known: Iterable[Rule]) -> Job | None:
    """The job that makes a file, None if there is none; AssertionError if there are several."""
    found = {}
    for rule in known:
        for pattern in rule.outputs:
            match = re.fullmatch(_regex(pattern), path)
            if match and match.groupdict().get("study", rule.study) in (None, *wirings):
                found[rule.name] = rule, match.groupdict()
    assert len(found) <= 1, f"{path}: made by {sorted(found)}"
    for rule, values in found.values():
        study = values.get("study") or rule.study or ""
        cell = values.get(rule.key or "", "")
        step = getattr(wirings[study], rule.block)(cell) if rule.block else None
        own = {pattern.format(**values) for pattern in rule.inputs}
        return Job(rule, study, cell, step, frozenset(own).union(_inputs_of(step)))
    return None


def _regex(pattern: str) -> str:
    pieces = re.split(r"\{(\w+)\}", pattern)
    return "".join(
        f"(?P<{piece}>{WILDCARDS[piece]})" if number % 2 else re.escape(piece)
        for number, piece in enumerate(pieces)
    )


def needed(wirings: Mapping[str, Any]) -> tuple[list[Job], list[str]]:
    """(jobs that make what the studies give a user, inputs that nothing makes); of the tiny world."""
    known = [rule for rule in rules() if rule.name not in OTHERS]
    waiting = [
        path for study in wirings.values() for stage in STAGES for path in study.cells(stage)
    ]
    waiting += [f"results/{study}/section/section.json" for study in wirings]
    waiting += _requested(wirings)
    found: dict[tuple[str, str, str], Job] = {}
    missing, seen = [], set(waiting)
    while waiting:
        path = waiting.pop()
        job = maker(path, wirings, known)
        if job is None:
            missing.append(path)
            continue
        found[job.rule.name, job.study, job.cell] = job
        waiting += sorted(job.inputs - seen)
        seen |= job.inputs
    return list(found.values()), missing


def _requested(wirings: Mapping[str, Any]) -> Iterable[str]:
    for path in ON_REQUEST:
        wiring = wirings.get(path.split("/")[1])
        # By default nothing says where to publish.
        if wiring and ("/publication/" not in path or wiring.study.publish):
            yield path


def _inputs_of(step: Step | None) -> list[str]:
    """All files of a step, its weights too."""
    if step is None:
        return []
    listed = [[paths] if isinstance(paths, str) else paths for paths in step.inputs.values()]
    return [path for paths in (*listed, step.weights) for path in paths]
