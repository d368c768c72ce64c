"""A look at a whole run: plan, tree, records and checksums brought together."""

import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from prefgrid.files import artifacts, reading, store
from prefgrid.files.records import Manifest
from prefgrid.job import provenance
from prefgrid.plan.verification import plan, tree
from prefgrid.plan.verification.compare import Evidence, Record, Verdict, compare, in_order
from prefgrid.plan.verification.plan import PlannedJob

Records = Mapping[str, Record | str | None]


@dataclass
class Survey:
    """What was found in a run's folder, which all paths are relative to.

    jobs: of the present config. wanted: names of those that a run without a target needs. foreign:
    (path, files) that no rule of the present config builds. leftovers: of failed and killed jobs.
    versions: (package, version, artifacts built with it), unlike the present one. computed_with: what
    decides the last bits and is not the same in all artifacts of a script: (script, setting) → value →
    artifacts.
    """

    folder: Path
    jobs: list[PlannedJob]
    wanted: set[str]
    verdict: Verdict
    foreign: list[tuple[str, int]]
    leftovers: list[str]
    versions: list[tuple[str, str, int]]
    computed_with: dict[tuple[str, str], Counter] = field(default_factory=dict)


def survey(options: Sequence[str], *, quick: bool = False) -> Survey:
    """Compare results/ with what Snakemake would build with these options.

    quick: believe a record about the bytes of its own files. Changes into the run's folder, which
    an option may name. Raises plan.PlanError.
    """
    start = Path.cwd()
    planned = plan.ask(options, start)
    os.chdir(planned.folder)
    found = tree.scan()
    store.log(f"{len(planned.jobs)} artifacts in the plan, {len(found.files)} files in {tree.ROOT}")
    jobs = planned.jobs + _on_request(found, planned.jobs, options, start)
    records = {job.name: tree.read_record(job.outputs) for job in jobs}
    evidence = _evidence(jobs, records, quick=quick)
    claimed = _claimed(jobs, evidence)
    return Survey(
        folder=planned.folder,
        jobs=jobs,
        wanted={job.name for job in planned.jobs},
        verdict=compare(jobs, evidence),
        foreign=tree.outermost((path for path in found.files if path not in claimed), claimed),
        leftovers=found.leftovers,
        versions=_other_versions(records),
        computed_with=unlike(records),
    )


def _on_request(
    found: tree.Tree, planned: Sequence[PlannedJob], options: Sequence[str], start: Path
) -> list[PlannedJob]:
    """Jobs beside the plan, if anything there was made by scripts that the plan does not need."""
    if not _of_other_scripts(found, planned):
        return []
    named = plan.ask(options, start, plan.target_rules(options, start)).jobs
    jobs = {job.name: job for job in [*planned, *named]}
    strangers = _of_other_scripts(found, jobs.values())
    asked = plan.on_request(options, start, strangers)
    jobs |= {job.name: job for job in _from_planned(asked, jobs.values(), set(strangers))}
    return list(jobs.values())[len(planned) :]


def _of_other_scripts(found: tree.Tree, planned: Collection[PlannedJob]) -> list[str]:
    """One file each of the artifacts whose scripts and files are not in the plan."""
    scripts = {job.script for job in planned}
    outputs = {path for job in planned for path in job.outputs}
    records = (tree.load_record(place) for place in found.records)
    return sorted(
        # A manifest is surely declared; of other files the first is as good as any.
        min(record["outputs"], key=lambda path: (Path(path).name != artifacts.MANIFEST, path))
        for record in records
        if isinstance(record, dict)
        and record["outputs"]
        and record["script"] not in scripts
        and outputs.isdisjoint(record["outputs"])
    )


def _from_planned(
    asked: Iterable[PlannedJob], planned: Iterable[PlannedJob], wanted: set[str]
) -> list[PlannedJob]:
    """Jobs that made something `wanted` from nothing but artifacts of the plan.

    A rule can fill its wildcards with cells of any grid; only those of the present one count.
    """
    made = {path for job in planned for path in job.outputs}
    accepted = []
    for job in in_order(asked):
        known = all(path in made or not path.startswith(f"{tree.ROOT}/") for path in job.inputs)
        if known and wanted.intersection(job.outputs):
            accepted.append(job)
            made.update(job.outputs)
    return accepted


def _evidence(jobs: Iterable[PlannedJob], records: Records, *, quick: bool) -> Evidence:
    sound = [record for record in records.values() if isinstance(record, dict)]
    outputs = {path: checksum for record in sound for path, checksum in record["outputs"].items()}
    paths = {path for record in sound for group in record["inputs"].values() for path in group}
    paths |= outputs.keys() | {path for job in jobs for path in job.outputs}
    manifests = {path: _manifest(path) for path in paths if Path(path).name == artifacts.MANIFEST}
    paths |= {
        str(Path(path).with_name(name)) for path, names in manifests.items() for name in names
    }
    believed = {path: outputs[path] for path in outputs if quick and os.path.isfile(path)}
    return Evidence(records, tree.checksums(paths - believed.keys()) | believed, manifests)


def _manifest(path: str) -> dict[str, str]:
    """File name → SHA-256 by a manifest; empty if it is missing or damaged."""
    try:
        return reading.read_json(path, Manifest)
    except (store.DataError, OSError):
        return {}


def _claimed(jobs: Iterable[PlannedJob], evidence: Evidence) -> set[str]:
    """Every path that belongs to an artifact: declared, recorded or in its manifest."""
    claimed = set()
    for job in jobs:
        claimed.update(job.outputs)
        record = evidence.records[job.name]
        # A record of another cell, copied here, vouches for nothing.
        if isinstance(record, dict) and record["outputs"].keys() >= set(job.outputs):
            claimed.update(record["outputs"])
        for path in evidence.manifests.keys() & set(job.outputs):
            names = evidence.manifests[path]
            claimed.update(str(Path(path).with_name(name)) for name in names)
    return claimed


def unlike(records: Records) -> dict[tuple[str, str], Counter]:
    """`Survey.computed_with` of these records."""
    values = defaultdict(Counter)
    for record in records.values():
        if isinstance(record, dict):
            for setting, value in record.get("computed_with", {}).items():
                values[record["script"], setting][value] += 1
    return {key: counts for key, counts in sorted(values.items()) if len(counts) > 1}


def _other_versions(records: Records) -> list[tuple[str, str, int]]:
    present = provenance.versions()
    built = Counter(
        (name, version)
        for record in records.values()
        if isinstance(record, dict)
        for name, version in record.get("packages", {}).items()
        if present.get(name) != version
    )
    return [(name, version, count) for (name, version), count in sorted(built.items())]
