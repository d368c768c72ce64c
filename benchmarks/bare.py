"""A bare Snakefile with another workflow's jobs: same files and shells, literal patterns, no code.

It stands for what Snakemake itself costs. Where our rules ask a study's wiring for a cell's inputs and
params, the bare rules have patterns with a wildcard an axis (`seed={seed}/n={n}`) and constant params.
They are made from the jobs that ours plan: a pattern is that of a first cell, and is held to all others,
so a grid whose cells no pattern describes (methods of several precisions) is refused. One of our rules
becomes several where its cells have different axes, and one a file where its wildcard is no cell.

Run as a program, in the folder the workflow is for: `python -m benchmarks.bare SNAKEFILE PRESET` writes
`bare.smk` and `bare.json` there. Reading a workflow's rules and jobs is not part of Snakemake's public
interface; this was written for 9.27.
"""

import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from snakemake.api import SnakemakeApi
from snakemake.io import is_callable, is_flagged
from snakemake.settings.types import (
    ConfigSettings,
    DAGSettings,
    OutputSettings,
    Quietness,
    ResourceSettings,
)

ROOT = Path(__file__).resolve().parents[1]

HEAD = """\
import json

with open("bare.json") as file:
    RULES = json.load(file)


def files(rule, kind):
    found = {key: ancient(value) if old else value for key, value, old in RULES[rule][kind]}
    listed = [found.pop(key) for key in list(found) if key.isdigit()]
    return listed, found


"""

# [name or number, path or paths, ancient] each.
Files = list[tuple[str, str | list[str], bool]]


def described(rule: Any, jobs: Iterable[Any]) -> dict[str, dict]:
    """Name → what it is made of, of the bare rules that stand for one rule and its `jobs`."""
    if not any(is_callable(value) for _, value in rule.input._allitems()):
        return {rule.name: _described(rule, _files(rule.input), {})}
    families = defaultdict(list)
    for job in jobs:
        axes = _axes(job.wildcards_dict.get("cell", ""))
        others = [value for key, value in job.wildcards_dict.items() if key != "cell"]
        families[*others, *axes].append((job, axes))
    found = {}
    for number, members in enumerate(families.values()):
        job, axes = members[0]
        inputs = _patterns(_files(job.input), axes)
        for other, values in members:
            if _patterns(_files(other.input), values) != inputs:
                raise RuntimeError(f"no pattern has the inputs of both {job} and {other}")
        cell = "/".join(f"{key}={{{key}}}" for key in axes)
        name = rule.name if len(families) == 1 else f"{rule.name}_{number}"
        found[name] = _described(rule, inputs, job.wildcards_dict | {"cell": cell})
    return found


def _described(rule: Any, inputs: Files, wildcards: Mapping[str, str]) -> dict:
    """wildcards: those of the rule that are spelled out, as text."""

    def filled(text: str, prefix: str = "") -> str:
        # With what Snakemake has added to it: what the wildcard may be.
        for key, value in wildcards.items():
            named = value.replace("{", "{" + prefix)
            text = re.sub(rf"\{{{prefix}{key}(,[^{{}}]*)?\}}", named, text)
        return text

    return {
        "input": inputs,
        "output": [(name, filled(path), old) for name, path, old in _files(rule.output)],
        "log": [filled(str(path)) for path in rule.log],
        "message": rule.message and filled(rule.message, "wildcards."),
        "shell": rule.shellcmd,
        "conda": rule.conda_env and str(ROOT / "envs" / Path(rule.conda_env).name),
        "params": list(rule.params.keys()),
        "resources": [n for n in rule.resources if n[0] != "_" and n != "tmpdir"],
    }


def _axes(cell: str) -> dict[str, str]:
    """seed=0/n=400 → {seed: "0", n: "400"}"""
    return dict(part.split("=", 1) for part in cell.split("/") if part)


def _patterns(files: Files, axes: Mapping[str, str]) -> Files:
    """With a wildcard for each folder that is one of the cell's own."""
    folders = {f"{key}={value}": f"{key}={{{key}}}" for key, value in axes.items()}

    def pattern(path: str) -> str:
        return "/".join(folders.get(part, part) for part in path.split("/"))

    return [
        (name, pattern(value) if isinstance(value, str) else [*map(pattern, value)], old)
        for name, value, old in files
    ]


def _files(entries: Any) -> Files:
    found = []
    for number, (name, value) in enumerate(entries._allitems()):
        many = not isinstance(value, str)
        old = is_flagged(value[0] if many and value else value, "ancient")
        found.append((name or str(number), [*map(str, value)] if many else str(value), old))
    return found


def text(name: str, rule: dict, local: bool) -> str:
    """The bare rule as Snakefile text."""
    lines = [f"rule {name}:"]
    if local:
        lines.append("    localrule: True")
    for kind in ("input", "output"):
        if rule[kind]:
            argument = f"files({name!r}, {kind!r})"
            lines.append(f"    {kind}: *{argument}[0], **{argument}[1]")
    if rule["log"]:
        lines.append(f"    log: {', '.join(map(repr, rule['log']))}")
    if rule["conda"]:
        lines.append(f"    conda: {rule['conda']!r}")
    if rule["shell"]:
        lines.append("    resources: " + ", ".join(f"{name}=1" for name in rule["resources"]))
        lines.append(
            "    params: " + ", ".join(f"{key}='constant {key}'" for key in rule["params"])
        )
        lines += [f"    message: {rule['message']!r}", f"    shell: {rule['shell']!r}"]
    return "\n".join(lines) + "\n\n"


def main() -> None:
    snakefile, preset = map(Path, sys.argv[1:])
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL}, dryrun=True)) as api:
        loaded = api.workflow(
            ResourceSettings(cores=1),
            config_settings=ConfigSettings(configfiles=[preset.absolute()]),
            snakefile=snakefile.absolute(),
        )
        loaded.dag(DAGSettings()).execute_workflow(executor="dryrun")
        workflow = loaded._workflow
        jobs = defaultdict(list)
        for job in workflow.dag.jobs:
            jobs[job.rule.name].append(job)
        rules, local = {}, set()
        for rule in workflow.rules:
            made = described(rule, jobs[rule.name])
            rules |= made
            local |= made.keys() if rule.name in workflow._localrules else set()
        default = workflow.default_target
    order = sorted(rules, key=lambda name: name != default)
    Path("bare.json").write_text(json.dumps(rules), encoding="utf-8")
    body = "".join(text(name, rules[name], name in local) for name in order)
    Path("bare.smk").write_text(HEAD + body, encoding="utf-8")


if __name__ == "__main__":
    main()
