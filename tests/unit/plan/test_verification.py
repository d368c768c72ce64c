"""Records beside a plan: a chain data → policy → evaluation, and everything that can be wrong."""

import copy
import hashlib
import json
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from rule_graph import REPOSITORY

from prefgrid.plan.local_sources import CONTENT
from prefgrid.plan.verification import listing, plan, tree
from prefgrid.plan.verification.compare import (
    CORRUPT,
    FOREIGN,
    MISSING,
    STALE,
    Evidence,
    Verdict,
    compare,
    in_order,
)
from prefgrid.plan.verification.plan import PlannedJob
from prefgrid.plan.verification.specs import spec_changes
from prefgrid.plan.verification.survey import Survey, _manifest, unlike

DATA, POLICY, WEIGHTS = "results/data.jsonl", "results/policy/manifest.json", "results/policy/w.bin"
TABLE = "results/table.csv"
JOBS = [
    PlannedJob("evaluate", (POLICY, DATA), (TABLE,), {"beta": 1.0}, "evaluate@1"),
    PlannedJob("train", (DATA,), (POLICY, WEIGHTS), {"training": {"rate": 0.1}}, "train@1"),
    PlannedJob("make", (), (DATA,), {}, "make@1"),
]
BYTES = {DATA: "d", POLICY: "p", WEIGHTS: "w", TABLE: "t"}


def record(job: PlannedJob, *inputs: str) -> dict:
    return {
        "script": job.script,
        "spec": copy.deepcopy(job.spec),
        "code": job.code,
        "inputs": {"all": {path: BYTES[path] for path in inputs}},
        "outputs": {path: BYTES[path] for path in job.outputs},
    }


def right() -> Evidence:
    """The weights are no input of evaluate: the manifest vouches for them."""
    evaluate, train, make = JOBS
    records = {
        TABLE: record(evaluate, POLICY, DATA),
        POLICY: record(train, DATA),
        DATA: record(make),
    }
    return Evidence(records, dict(BYTES), {POLICY: {"w.bin": "w"}})


def kinds(verdict: Verdict) -> dict[str, str]:
    return {name: finding.kind for name, finding in verdict.findings.items()}


def test_what_fits_its_records_is_right() -> None:
    verdict = compare(JOBS, right())
    assert verdict.findings == {} and verdict.missing == []
    assert [job.script for job in verdict.built] == ["make", "train", "evaluate"]


def test_a_changed_spec_is_shown_and_what_follows_is_named() -> None:
    jobs = [JOBS[0], replace(JOBS[1], spec={"training": {"rate": 0.2}, "seed": 1}), JOBS[2]]
    findings = compare(jobs, right()).findings
    assert list(findings) == [POLICY, TABLE]
    assert findings[POLICY].reasons == ("spec seed (none) → 1", "spec training.rate 0.1 → 0.2")
    assert findings[TABLE].reasons == () and findings[TABLE].roots == {POLICY}


def test_a_local_source_that_changed_is_named() -> None:
    evidence = right()
    evidence.records[DATA]["spec"] = {"source": "data", CONTENT: "0f" * 16}
    jobs = [*JOBS[:2], replace(JOBS[2], spec={"source": "data", CONTENT: "ab" * 16})]
    findings = compare(jobs, evidence).findings
    assert findings[DATA].reasons == (
        "source changed: its local path holds other files than those that were fetched",
    )
    assert findings[TABLE].roots == {DATA}
    # A record of before sources were looked into.
    assert spec_changes({"a": 1}, {"a": 1, CONTENT: "ab"}) == [f'spec {CONTENT} (none) → "ab"']


def test_changed_code_is_shown() -> None:
    findings = compare([replace(JOBS[0], code="evaluate@2"), *JOBS[1:]], right()).findings
    assert findings[TABLE].reasons == ("code evaluate@1 → evaluate@2",)


def test_an_edited_input_is_corrupt_itself_and_all_else_follows() -> None:
    evidence = right()
    evidence.present[DATA] = "edited"
    findings = compare(JOBS, evidence).findings
    assert findings[DATA].kind == CORRUPT
    assert findings[DATA].reasons == (f"bytes of {DATA} differ from its record",)
    assert findings[POLICY].roots == findings[TABLE].roots == {DATA}


def test_an_input_made_anew_makes_its_users_stale() -> None:
    """The data are right by their own record, but no longer those that the policy was made of."""
    evidence = right()
    evidence.present[DATA] = evidence.records[DATA]["outputs"][DATA] = "new"
    findings = compare(JOBS, evidence).findings
    assert findings[POLICY].reasons == (f"input changed: {DATA}",)
    assert findings[TABLE].reasons == (f"input changed: {DATA}",)
    assert DATA not in findings


def test_swapped_bytes_are_corrupt_and_their_owner_is_named() -> None:
    evidence = right()
    evidence.present[WEIGHTS] = "t"
    findings = compare(JOBS, evidence).findings
    assert findings[POLICY].kind == CORRUPT
    assert (
        findings[POLICY].reasons[0].endswith(f"differ from its record; they are those of {TABLE}")
    )
    assert findings[TABLE].roots == {POLICY}


def test_a_manifest_vouches_for_files_that_the_record_does_not_name() -> None:
    evidence = right()
    del evidence.records[POLICY]["outputs"][WEIGHTS]
    evidence.manifests[POLICY]["extra.json"] = "x"
    jobs = [JOBS[0], replace(JOBS[1], outputs=(POLICY,)), JOBS[2]]
    evidence.present["results/policy/extra.json"] = "y"
    reasons = compare(jobs, evidence).findings[POLICY].reasons
    assert reasons == (
        "results/policy/extra.json is not in its record",
        f"{WEIGHTS} is not in its record",
        f"bytes of results/policy/extra.json differ from {POLICY}",
    )


def test_half_an_artifact_is_corrupt() -> None:
    evidence = right()
    evidence.present[WEIGHTS] = None
    finding = compare(JOBS, evidence).findings[POLICY]
    assert (finding.kind, finding.reasons) == (
        CORRUPT,
        (f"half an artifact: {WEIGHTS} is missing",),
    )


@pytest.mark.parametrize("found", [None, "_provenance.json is damaged"])
def test_without_a_record_nothing_is_right(found: str | None) -> None:
    evidence = right()
    evidence.records[DATA] = found
    assert kinds(compare(JOBS, evidence)) == {
        DATA: CORRUPT if found else STALE,
        POLICY: STALE,
        TABLE: STALE,
    }


def test_records_of_other_scripts_and_other_cells_are_foreign() -> None:
    evidence = right()
    evidence.records[DATA]["script"] = "fetch"
    evidence.records[TABLE]["outputs"] = {"results/other/table.csv": "t"}
    findings = compare(JOBS, evidence).findings
    assert findings[DATA].kind == findings[TABLE].kind == FOREIGN
    assert findings[TABLE].reasons == ("its record is of results/other/table.csv",)


def test_missing_counts_only_where_it_was_there_once() -> None:
    """Something was made of it, or its record is left; the report has only that."""
    evidence = right()
    evidence.present[POLICY] = evidence.present[WEIGHTS] = None
    verdict = compare(JOBS, evidence)
    assert kinds(verdict) == {POLICY: MISSING, TABLE: STALE}
    evidence.present[TABLE] = None
    verdict = compare(JOBS, evidence)
    assert kinds(verdict) == {POLICY: MISSING, TABLE: MISSING} and len(verdict.missing) == 2
    assert verdict.findings[TABLE].reasons == ("not there, though its record is",)
    # Nobody has made these yet: no record, or one of other files.
    evidence.records[TABLE] = None
    evidence.records[POLICY]["outputs"] = {"results/other/manifest.json": "p"}
    assert compare(JOBS, evidence).findings == {}


def test_other_inputs_than_recorded_are_named_once() -> None:
    jobs = [replace(JOBS[0], inputs=(POLICY, "new_1", "new_2", "new_3")), *JOBS[1:]]
    assert compare(jobs, right()).findings[TABLE].reasons == (
        "input not in the record: new_1 and 2 more",
        f"input used then, not now: {DATA}",
    )


def test_ancestors_come_first_and_jobs_once() -> None:
    assert in_order([*JOBS, *JOBS]) == [JOBS[2], JOBS[1], JOBS[0]]


def test_spec_changes_look_into_objects_but_not_lists() -> None:
    old = {"a": {"b": 1, "c": {}}, "seeds": [0, 1]}
    new = {"a": {"b": 1.0, "c": {"d": None}}, "seeds": [0]}
    assert spec_changes(old, new) == [
        "spec a.b 1 → 1.0",
        "spec a.c {} → (none)",
        "spec a.c.d (none) → null",
        "spec seeds [0,1] → [0]",
    ]


def test_of_long_values_the_part_that_differs_is_shown() -> None:
    (text,) = spec_changes({"words": ["x" * 300, "lr 0.1"]}, {"words": ["x" * 300, "lr 0.2"]})
    near = "…" + "x" * 12 + '","lr 0.'  # 20 characters up to where they differ
    assert text == f'spec words {near}1"] → {near}2"]'


def test_a_job_is_read_from_its_command_line() -> None:
    spec = {"name": "a \"b\" 'c' --code $HOME", "text": "line\nline"}
    words = ["python", "-m", "run_job", "--log", "a b.log", "--gpus", "1", "label", "--in", "a b"]
    words += ["--spec", json.dumps(spec), "--code", "label@1"]
    line = {"rule": "label", "inputs": ["a b"], "outputs": ["it's"], "shell": shlex.join(words)}
    assert plan.parse(line) == PlannedJob("label", ("a b",), ("it's",), spec, "label@1")


@pytest.mark.parametrize("shell", [None, "exec rm -r results/work > a.log"])
def test_a_rule_that_makes_no_file_is_no_job(shell: str | None) -> None:
    assert plan.parse({"rule": "a", "inputs": ["b"], "outputs": [], "shell": shell}) is None


def test_what_a_script_does_not_read_is_no_input() -> None:
    """Kind: files that only have to be there before are not in the record, so every run looked stale."""
    shell = (
        "exec python -m run_job train --data d --model m/manifest.json --spec '{}' --code train@1"
    )
    inputs = ["d", "m/manifest.json", "m/model.safetensors", "rehearsals/base/rehearsal.json"]
    line = {"rule": "train", "inputs": inputs, "outputs": ["p"], "shell": shell}
    assert plan.parse(line).inputs == ("d", "m/manifest.json")


def test_a_command_without_inputs_reads_all_of_them() -> None:
    """Kind: the cells of a gathered table, too many for a command line, every one in its record."""
    shell = "exec python -m run_job steps/gather_table --table t --spec '{}' --code gather_table@1"
    inputs = ["a=1/rows.csv", "a=2/rows.csv"]
    line = {"rule": "gather_table", "inputs": inputs, "outputs": ["t"], "shell": shell}
    assert plan.parse(line).inputs == tuple(inputs)


def test_inputs_that_no_script_reads_are_weights_or_rehearsals() -> None:
    """By the rules' text: weights stand beside a manifest that is read, and none is a time stamp."""
    for path in (REPOSITORY / "rules").rglob("*.smk"):
        for rule in re.split(r"\n *rule ", path.read_text())[1:]:
            declared = re.search(r"\n *input:\n(.*?)\n *output:", rule, flags=re.DOTALL)
            for name, value in re.findall(r"(\w+)=(.+),\n", f"{declared and declared[1]},\n"):
                if not re.search(rf"{{input\.{name}\b", rule):
                    assert value.startswith("ancient("), (path.name, name)
                    assert re.fullmatch("rehearsals|(.*_)?weights", name), (path.name, name)


def computed_with(threads: int, capability: str) -> dict:
    return {"computed_with": {"torch_threads": threads, "cpu_capability": capability}}


@pytest.mark.parametrize("capability", ["AVX2", "AVX512"])
def test_where_an_input_has_changed_another_sort_of_cpu_is_named(capability: str) -> None:
    """Kind: results of two machines in one folder; rounding alone makes their bytes differ."""
    evidence = right()
    evidence.records[POLICY] |= computed_with(1, "AVX512")
    evidence.records[TABLE] |= computed_with(1, capability)
    assert compare(JOBS, evidence).findings == {}  # no difference, nothing to explain
    evidence.present[POLICY] = evidence.records[POLICY]["outputs"][POLICY] = "made anew"
    reasons = compare(JOBS, evidence).findings[TABLE].reasons
    assert reasons[0] == f"input changed: {POLICY}"
    assert reasons[1:] == (
        ()
        if capability == "AVX512"
        else (
            "made with CPU capability AVX2, inputs with AVX512: "
            "bytes differ by rounding between such machines",
        )
    )


def test_artifacts_of_one_script_that_were_computed_unlike_each_other_are_counted() -> None:
    made = [("train", 1, "AVX2"), ("train", 2, "AVX2"), ("train", 2, "AVX2"), ("fit", 3, "AVX2")]
    records = {str(k): {"script": one[0]} | computed_with(*one[1:]) for k, one in enumerate(made)}
    found = unlike(records | {"old": {"script": "train"}, "none": None, "bad": "is damaged"})
    assert found == {("train", "torch_threads"): {1: 1, 2: 2}}
    verdict = compare([], Evidence({}, {}))
    lines = listing.listing(Survey(Path(), [], set(), verdict, [], [], [], found))
    assert lines[-1] == (
        "train was computed with torch_threads 1 (1 artifacts), 2 (2 artifacts): "
        "equal up to rounding only"
    )


def test_the_tree_leaves_out_what_is_no_artifact(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    kept = ["results/report.html", "results/study/README.md", "results/study/work/a.csv"]
    aside = ["README.md", "logs/a.log", "work/key.json", ".hidden", "study/.a.csv.0f"]
    aside += ["study/.partial-a.csv-0f/a.csv", "study/failed_batch.json"]
    records = ["results/_provenance/report.json", "results/study/_provenance.json"]
    for path in [*kept, *(f"results/{name}" for name in aside), *records]:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).touch()
    found = tree.scan()
    assert (sorted(found.files), sorted(found.records)) == (kept, records)
    assert sorted(found.leftovers) == [
        "results/study/.partial-a.csv-0f",
        "results/study/failed_batch.json",
    ]


def test_nothing_but_its_record_may_lie_in_the_folder_of_a_manifest(tmp_path, monkeypatch) -> None:
    """Kind: files of any name that somebody, or a killed process, has left inside an artifact."""
    monkeypatch.chdir(tmp_path)
    strays = ["chat_template.jinja", ".hidden", "_private.json", ".config.json.0f", ".git/config"]
    strays += ["additional_chat_templates/tool.jinja", "_provenance.json.bak"]
    folder = Path("results/models/base")
    for name in [*strays, "manifest.json", "_provenance.json", ".partial-w-0f/w"]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    found = tree.scan()
    expected = {str(folder / name) for name in [*strays, "manifest.json"]}
    assert set(found.files) == expected
    assert found.records == [str(folder / "_provenance.json")]
    assert found.leftovers == [str(folder / ".partial-w-0f")]


def test_checksums_of_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a" * 300_000)
    expected = hashlib.sha256(b"a" * 300_000).hexdigest()
    found = tree.checksums([str(tmp_path / "a"), str(tmp_path / "b"), str(tmp_path)])
    assert list(found.values()) == [None, expected, None]


@pytest.mark.parametrize("name", ["a/json", ".", "", "w.bin\0"])
def test_a_damaged_manifest_names_no_files(name: str, tmp_path: Path) -> None:
    """One bit lies between "." and "/"."""
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({name: "0" * 64}))
    assert _manifest(str(path)) == {}


DAMAGED_RECORDS = [
    *("", "[]", '{"script": "a"}', '{"spec": 1', "\udcff"),
    json.dumps(record(JOBS[2]) | {"outputs": {DATA: ["d"]}}),
    json.dumps(record(JOBS[2]) | {"packages": ["torch"]}),
]


@pytest.mark.parametrize("text", DAMAGED_RECORDS)
def test_damaged_records_are_no_records(text: str, tmp_path: Path) -> None:
    (tmp_path / "_provenance.json").write_bytes(text.encode(errors="surrogateescape"))
    assert "is damaged" in tree.read_record([str(tmp_path / "a.csv")])
    assert tree.read_record([str(tmp_path / "sub" / "a.csv")]) is None


def test_the_record_named_after_any_output_is_found(tmp_path: Path) -> None:
    (tmp_path / "_provenance").mkdir()
    text = json.dumps(record(JOBS[2]))
    (tmp_path / "_provenance" / "summary.json").write_text(text)
    outputs = [str(tmp_path / "runs.csv"), str(tmp_path / "summary.csv")]
    assert tree.read_record(outputs) == record(JOBS[2])


def test_foreign_files_are_summed_up_by_folder(tmp_path: Path) -> None:
    kept = ["results/a/seed=0/x.csv"]
    foreign = ["results/a/seed=0/y.csv", "results/a/seed=1/x.csv", "results/a/seed=1/n=1/y.csv"]
    assert tree.outermost(["results/old.csv", *foreign], kept) == [
        ("results/a/seed=0/y.csv", 1),
        ("results/a/seed=1", 2),
        ("results/old.csv", 1),
    ]


def test_a_rule_stands_for_its_artifacts_only_if_all_are_wrong() -> None:
    jobs = [PlannedJob("train", (), (f"results/{k}",), {"k": k}, "train@1") for k in range(3)]
    present = {job.name: "x" for job in jobs[:2]}
    records = {job.name: None for job in jobs}

    def names(present: dict, records: dict) -> list[str]:
        verdict = compare(jobs, Evidence(records, present))
        return listing.rebuild(Survey(Path(), jobs, set(), verdict, [], [], []))

    assert names(present, records) == ["train"]  # the third is not built yet
    sound = {"script": "train", "spec": {"k": 0}, "code": "train@1", "inputs": {}}
    records["results/0"] = sound | {"outputs": {"results/0": "x"}}
    assert names(present, records) == ["results/1"]


def test_advice_is_to_be_called_where_verify_was_called(tmp_path: Path) -> None:
    verdict = compare(JOBS, Evidence({job.name: None for job in JOBS}, BYTES))
    survey = Survey(tmp_path / "runs" / "a", JOBS, {TABLE}, verdict, [("results/b c", 2)], [], [])
    delete, rebuild = listing.advice(survey, ["--directory", "runs/a"], tmp_path)
    assert (
        delete == "delete what is foreign, if no other config made it:  rm -r 'runs/a/results/b c'"
    )
    # A run without a target would not make the first two again.
    assert f"all {DATA} {POLICY} --directory runs/a --forcerun" in rebuild
    assert rebuild.endswith(f"--forcerun {DATA} {POLICY} {TABLE}")


def test_advice_on_many_artifacts_stays_short() -> None:
    jobs = [PlannedJob("a", (), (f"results/{k}",), {}, "a@1") for k in range(50)]
    sound = {"script": "a", "spec": {}, "code": "a@1", "inputs": {}, "outputs": {"results/0": "x"}}
    records = {job.name: None for job in jobs} | {"results/0": sound}
    verdict = compare(jobs, Evidence(records, {job.name: "x" for job in jobs}))
    wanted = {job.name for job in jobs}
    (line,) = listing.advice(Survey(Path.cwd(), jobs, wanted, verdict, [], [], []), [], Path.cwd())
    assert re.search(r" --forcerun \$\(.*python .* --names\)$", line)
