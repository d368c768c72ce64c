"""A bare Snakefile with another workflow's rules: same files and shells, constant params, no code.

It stands for what Snakemake itself costs. Run as a program, in the folder the workflow is for:
`python -m benchmarks.bare SNAKEFILE PRESET` writes `bare.smk` and `bare.json` there. Reading a
workflow's rules is not part of Snakemake's public interface; this was written for 9.27.
"""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, OutputSettings, Quietness, ResourceSettings

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


def describe(rule, cell: SimpleNamespace) -> dict:
    """What the bare rule is made of; files as [name or number, path or paths, ancient].

    cell: the wildcards of some cell, for input functions. In a grid with one precision they name
    the same files for all cells, and the bare rule names them outright.
    """
    return {
        "input": _files(rule.input, cell),
        "output": _files(rule.output, cell),
        "log": [str(path) for path in rule.log],
        "message": rule.message,
        "shell": rule.shellcmd,
        "conda": rule.conda_env and str(ROOT / "envs" / Path(rule.conda_env).name),
        "params": list(rule.params.keys()),
        "resources": [n for n in rule.resources if n[0] != "_" and n != "tmpdir"],
    }


def _files(entries, cell: SimpleNamespace) -> list[tuple[str, str | list[str], bool]]:
    found = []
    for number, (name, value) in enumerate(entries._allitems()):
        value = value(cell) if callable(value) else value
        many = not isinstance(value, str)
        old = "ancient" in getattr(value[0] if many and value else value, "flags", {})
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
        workflow = api.workflow(
            ResourceSettings(cores=1),
            config_settings=ConfigSettings(configfiles=[preset.absolute()]),
            snakefile=snakefile.absolute(),
        )._workflow
        cell = SimpleNamespace(method=workflow.globals["STUDY"].methods[0])
        rules = {rule.name: describe(rule, cell) for rule in workflow.rules}
        local = workflow._localrules
        default = workflow.default_target
    order = sorted(rules, key=lambda name: name != default)
    Path("bare.json").write_text(json.dumps(rules), encoding="utf-8")
    body = "".join(text(name, rules[name], name in local) for name in order)
    Path("bare.smk").write_text(HEAD + body, encoding="utf-8")


if __name__ == "__main__":
    main()
