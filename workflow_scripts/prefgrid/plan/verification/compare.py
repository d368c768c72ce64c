"""An artifact beside its record and the present plan: what is stale, foreign or corrupt, and why.

Pure: files come in as a table of checksums. An artifact is judged by itself first; one that is
right by itself but made from another that is not, follows from it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prefgrid.plan.verification.plan import PlannedJob
from prefgrid.plan.verification.specs import spec_changes

STALE, FOREIGN, CORRUPT, MISSING = "stale", "foreign", "corrupt", "missing"

Record = dict[str, Any]


@dataclass
class Finding:
    """What is wrong with one artifact.

    reasons: its own. roots: names of the artifacts it follows from, if it has none of its own.
    """

    job: PlannedJob
    kind: str
    reasons: tuple[str, ...] = ()
    roots: frozenset[str] = frozenset()


@dataclass
class Verdict:
    """findings: name of the artifact → finding, ancestors first. built, missing: jobs."""

    findings: dict[str, Finding] = field(default_factory=dict)
    built: list[PlannedJob] = field(default_factory=list)
    missing: list[PlannedJob] = field(default_factory=list)


@dataclass(frozen=True)
class Evidence:
    """What was found on disk.

    records: artifact's name → its record, None without one, a text if damaged. present: path →
    SHA-256, None or absent where there is no file. manifests: manifest's path → file name →
    SHA-256, of the manifests that can be read.
    """

    records: Mapping[str, Record | str | None]
    present: Mapping[str, str | None]
    manifests: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def compare(jobs: Iterable[PlannedJob], evidence: Evidence) -> Verdict:
    """Judge every artifact that exists; find out which follow from others."""
    ordered = in_order(jobs)
    maker = {path: job for job in ordered for path in job.outputs}
    owner, capability = _owners(evidence.records), _capabilities(evidence.records)
    verdict = Verdict()
    for job in ordered:
        exists = any(evidence.present.get(path) for path in job.outputs)
        (verdict.built if exists else verdict.missing).append(job)
    built = {job.name for job in verdict.built}
    used = {path for name in built for path in _inputs(evidence.records[name])}
    for job in ordered:
        if job.name not in built:
            if reason := _gone(job, evidence, used):
                verdict.findings[job.name] = Finding(job, MISSING, (reason,))
            continue
        bad = {
            path: verdict.findings[maker[path].name]
            for path in job.inputs
            if path in maker and maker[path].name in verdict.findings
        }
        kind, reasons = _own(job, evidence, owner, capability, followed=bad.keys())
        if reasons:
            verdict.findings[job.name] = Finding(job, kind, tuple(reasons))
        elif bad:
            roots = (finding.roots or {finding.job.name} for finding in bad.values())
            verdict.findings[job.name] = Finding(job, STALE, roots=frozenset().union(*roots))
    return verdict


def _gone(job: PlannedJob, evidence: Evidence, used: set[str]) -> str | None:
    """Why an artifact that does not exist should; None where it has not been made yet."""
    if used.intersection(job.outputs):
        return "not there, though something was made from it"
    record = evidence.records[job.name]
    if isinstance(record, dict) and record["outputs"].keys() >= set(job.outputs):
        return "not there, though its record is"
    return None


def in_order(jobs: Iterable[PlannedJob]) -> list[PlannedJob]:
    """The jobs, each once, after those it takes inputs from."""
    jobs = {job.name: job for job in jobs}
    maker = {path: job for job in jobs.values() for path in job.outputs}
    ordered: dict[str, PlannedJob] = {}
    for start in jobs.values():
        waiting = [start]
        while waiting:
            job = waiting[-1]
            makers = {maker[path].name for path in job.inputs if path in maker}
            before = {name for name in makers if name not in ordered}
            if before and job.name not in ordered:
                waiting += [jobs[name] for name in sorted(before)]
            else:
                ordered[waiting.pop().name] = job
    return list(ordered.values())


def _own(
    job: PlannedJob,
    evidence: Evidence,
    owner: Mapping[str, str],
    capability: Mapping[str, str],
    followed: Iterable[str],
) -> tuple[str, list[str]]:
    """(kind, reasons) of the artifact by itself; no reasons if all is right."""
    record, present = evidence.records[job.name], evidence.present
    lost = [path for path in job.outputs if not present.get(path)]
    half = [f"half an artifact: {path} is missing" for path in lost]
    if record is None:
        return (CORRUPT, half) if half else (STALE, ["has no provenance record"])
    if isinstance(record, str):
        return CORRUPT, [*half, record]
    if record["script"] != job.script:
        return FOREIGN, [f"made by {record['script']}, now by {job.script}"]
    if not record["outputs"].keys() >= set(job.outputs):
        others = sorted(record["outputs"].keys() - set(job.outputs))
        return FOREIGN, [f"its record is of {', '.join(others) or 'other files'}"]
    damage = half + _damage(record, evidence, owner, known=lost)
    if damage:
        return CORRUPT, damage
    reasons = [] if record["code"] == job.code else [f"code {record['code']} → {job.code}"]
    reasons += spec_changes(record["spec"], job.spec)
    changes = _input_changes(job, record, present, set(followed))
    return STALE, reasons + changes + (_other_machine(job, capability) if changes else [])


def _damage(
    record: Record, evidence: Evidence, owner: Mapping[str, str], known: Sequence[str]
) -> list[str]:
    """Files that are not what the record or a manifest says."""
    wanted = {path: (checksum, "its record") for path, checksum in record["outputs"].items()}
    for path in record["outputs"].keys() & evidence.manifests.keys():
        for name, checksum in evidence.manifests[path].items():
            wanted.setdefault(str(Path(path).with_name(name)), (checksum, path))
    reasons = [f"{path} is not in its record" for path in sorted(wanted.keys() - record["outputs"])]
    for path, (checksum, source) in sorted(wanted.items()):
        found = evidence.present.get(path)
        if found is None and path not in known:
            reasons.append(f"half an artifact: {path} is missing")
        elif found is not None and found != checksum:
            whose = f"; they are those of {owner[found]}" if found in owner else ""
            reasons.append(f"bytes of {path} differ from {source}{whose}")
    return reasons


def _input_changes(
    job: PlannedJob, record: Record, present: Mapping[str, str | None], followed: set[str]
) -> list[str]:
    """Changes of inputs that no finding about the input's own artifact explains."""
    recorded, declared = _inputs(record), set(job.inputs)
    changes: dict[str, list[str]] = {}
    for path in sorted((recorded.keys() | declared) - followed):
        if path not in declared:
            changes.setdefault("used then, not now", []).append(path)
        elif path not in recorded:
            changes.setdefault("not in the record", []).append(path)
        elif present.get(path) is None:
            changes.setdefault("gone", []).append(path)
        elif present[path] != recorded[path]:
            changes.setdefault("changed", []).append(path)
    return [f"input {change}: {_short(paths)}" for change, paths in changes.items()]


def _other_machine(job: PlannedJob, capability: Mapping[str, str]) -> list[str]:
    """That inputs which have changed were made on another sort of CPU, which alone may be why."""
    own = capability.get(job.name)
    others = {capability[path] for path in job.inputs if path in capability} - {own}
    if own is None or not others:
        return []
    return [
        f"made with CPU capability {own}, inputs with {', '.join(sorted(others))}: "
        "bytes differ by rounding between such machines"
    ]


def _short(paths: Sequence[str]) -> str:
    return paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"


def _inputs(record: Record | str | None) -> dict[str, str]:
    """Path → SHA-256 of all recorded inputs."""
    if not isinstance(record, dict):
        return {}
    return {
        path: checksum for group in record["inputs"].values() for path, checksum in group.items()
    }


def _owners(records: Mapping[str, Record | str | None]) -> dict[str, str]:
    """SHA-256 → the file that has it by its record."""
    return {
        checksum: path
        for record in records.values()
        if isinstance(record, dict)
        for path, checksum in record["outputs"].items()
    }


def _capabilities(records: Mapping[str, Record | str | None]) -> dict[str, str]:
    """File → the CPU capability that it was made with, where its record knows."""
    return {
        path: record["computed_with"]["cpu_capability"]
        for record in records.values()
        if isinstance(record, dict) and "computed_with" in record
        for path in record["outputs"]
    }
