"""What was found, in words, and the commands that put it right."""

import os
import shlex
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from prefgrid.job import provenance
from prefgrid.plan.verification.compare import CORRUPT, FOREIGN, MISSING, STALE, Finding
from prefgrid.plan.verification.plan import DEFAULT_TARGET
from prefgrid.plan.verification.survey import Survey

HEADINGS = {
    CORRUPT: "corrupt: not what was built",
    FOREIGN: "foreign: not of this config",
    STALE: "stale: config, code or inputs have changed",
    MISSING: "missing: was there once",
}
# More names than this are left to a command substitution.
SHORT_LIST = 20


def listing(survey: Survey) -> list[str]:
    """Lines: findings by kind, what follows from them, a summary."""
    lines: list[str] = []
    findings = survey.verdict.findings.values()
    for kind, heading in HEADINGS.items():
        own = [finding for finding in findings if finding.kind == kind and finding.reasons]
        foreign = survey.foreign if kind == FOREIGN else []
        if own or foreign:
            lines += [f"{heading} ({len(own) + len(foreign)})", *_by_reason(own)]
            lines += [f"    {path}{_files(path, count)}" for path, count in foreign]
            lines.append("")
    followers = [finding for finding in findings if finding.roots]
    if followers:
        lines.append(f"stale: follows from the above ({len(followers)})")
        by_roots = _grouped((_roots(finding), finding.job.name) for finding in followers)
        for roots, names in by_roots.items():
            lines += [f"  from {roots}", *(f"    {name}" for name in names)]
        lines.append("")
    return lines + _summary(survey)


def rebuild(survey: Survey) -> list[str]:
    """What `--forcerun` needs to rebuild every finding: a rule where all of its jobs need it, else
    files. What follows from them, Snakemake finds itself."""
    own = [finding.job for finding in survey.verdict.findings.values() if finding.reasons]
    missing = {job.name for job in survey.verdict.missing}
    built = Counter(job.script for job in survey.jobs if job.name not in missing)
    wrong = Counter(job.script for job in own if job.name not in missing)
    names = [
        job.script
        if wrong[job.script] == built[job.script] > 1 and job.name not in missing
        else job.name
        for job in own
    ]
    return list(dict.fromkeys(names))


def advice(survey: Survey, options: Sequence[str], start: Path) -> list[str]:
    """The commands that put things right, to be called in `start`; none if all is right.

    options: what Snakemake was asked with.
    """
    commands = []
    if survey.foreign:
        base = os.path.relpath(survey.folder, start)
        paths = [os.path.normpath(os.path.join(base, path)) for path, _ in survey.foreign]
        command = f"rm -r {shlex.join(paths)}"
        commands.append(f"delete what is foreign, if no other config made it:  {command}")
    names = rebuild(survey)
    if names:
        programs = Path(sys.executable).parent
        program = os.path.relpath(programs / "snakemake", start)
        beside = [name for name in survey.verdict.findings if name not in survey.wanted]
        targets = [DEFAULT_TARGET, *beside] if beside else []
        command = shlex.join([program, *targets, *options, "--forcerun"])
        if len(names) > SHORT_LIST:
            again = [
                os.path.relpath(programs / "python", start),
                os.path.relpath(sys.argv[0], start),
            ]
            listed = f"$({shlex.join([*again, '--names', *options])})"
        else:
            listed = shlex.join(names)
        commands.append(f"rebuild the others, and what is missing:  {command} {listed}")
    return commands


def _by_reason(findings: Sequence[Finding]) -> list[str]:
    lines = []
    groups = _grouped(
        ((finding.job.script, finding.reasons), finding.job.name) for finding in findings
    )
    for (script, reasons), names in groups.items():
        lines += [f"  {script}: {reason}" for reason in reasons]
        lines += [f"    {name}" for name in names]
    return lines


def _grouped(pairs: Iterable[tuple[Any, str]]) -> dict[Any, list[str]]:
    """Names that share a key, in the order of their first."""
    groups = defaultdict(list)
    for key, name in pairs:
        groups[key].append(name)
    return groups


def _roots(finding: Finding) -> str:
    first, *others = sorted(finding.roots)
    return f"{first} and {len(others)} more" if others else first


def _files(path: str, count: int) -> str:
    return f"/ ({count} {'file' if count == 1 else 'files'})" if os.path.isdir(path) else ""


def _summary(survey: Survey) -> list[str]:
    verdict = survey.verdict
    bad = {name for name, finding in verdict.findings.items() if finding.kind != MISSING}
    missing = sum(job.name in survey.wanted for job in verdict.missing)
    lines = [
        f"{len(verdict.built)} artifacts built, {len(verdict.built) - len(bad)} of them right; "
        f"{missing} missing"
    ]
    present = provenance.versions()
    lines += [
        f"built with {name} {version}, present {present.get(name, 'none')}: {count} artifacts"
        for name, version, count in survey.versions
    ]
    for (script, setting), counts in survey.computed_with.items():
        values = ", ".join(f"{value} ({counts[value]} artifacts)" for value in sorted(counts))
        lines.append(f"{script} was computed with {setting} {values}: equal up to rounding only")
    if survey.leftovers:
        lines.append(f"leftovers of failed or killed jobs: {', '.join(survey.leftovers)}")
    return lines
