"""`verify` on a real run: it sees what Snakemake cannot, and its advice heals."""

import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.workflow.conftest import Checkout, environment
from tests.workflow.test_invalidation import set_config

STUDY = "results/link_robustness"
CELL = "seed=0/shift=1.5/n=32"
POLICY = f"{STUDY}/policies/method=pspo/{CELL}"
OTHER = f"{STUDY}/policies/method=dpo/{CELL}"
EVALUATION = f"{STUDY}/evaluations/method=pspo/{CELL}/evaluation.csv"
OTHER_EVALUATION = EVALUATION.replace("pspo", "dpo")
SECTION, REPORT = f"{STUDY}/section/section.json", "results/report.html"
GATHERED = ("evaluations.csv", "samples.parquet", "indices.parquet", "training.parquet")
AFTER_A_POLICY = {
    *(f"{STUDY}/gathered/{name}" for name in GATHERED),
    f"{STUDY}/tables/summary.csv",
    *(
        f"{STUDY}/figures/{name}.svg"
        for name in ("frontier", "robustness", "convergence", "calibration", "training")
    ),
    SECTION,
    REPORT,
}


@pytest.fixture
def clone(finished: Checkout, tmp_path: Path) -> Checkout:
    """The finished run without anything that Snakemake remembers of it."""
    clone = finished.copy(tmp_path / "clone")
    shutil.rmtree(clone.folder / ".snakemake")
    return clone


def verify(checkout: Checkout, *words: str) -> tuple[int, str]:
    """(exit status, output) of verify with the small config."""
    done = subprocess.run(
        [sys.executable, "workflow_scripts/verify.py", *words, "--configfile", "small.yaml"],
        cwd=checkout.folder,
        capture_output=True,
        text=True,
        env=environment(),
    )
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, done.stdout


def listed(output: str) -> dict[str, set[str]]:
    """Kind, or "follows" → the paths that are listed under it."""
    found = defaultdict(set)
    for line in output.splitlines():
        if heading := re.match(r"(\w+): .*\(\d+\)$", line):
            kind = "follows" if "follows" in line else heading[1]
        elif line.startswith("    "):
            found[kind].add(line.split()[0])
    return dict(found)


def append(checkout: Checkout, path: str, text: bytes = b"\n") -> None:
    with open(checkout.folder / path, "ab") as file:
        file.write(text)


def test_everything_of_a_finished_run_is_right(clone: Checkout) -> None:
    """Also what was built on request, beside the targets of `all`."""
    run, root = "method=sppo/judge=bt_closings/seed=0", "results/self_play"
    clone.snakemake(
        f"{STUDY}/preferences/{CELL}/chosen_rejected/pairs.jsonl",
        f"{root}/published/{run}/iteration=1/train.parquet",
        f"{root}/alpaca_eval/models_configs/{run.replace('/', ',')},average=2/configs.yaml",
    )
    status, output = verify(clone)
    assert (status, listed(output)) == (0, {})
    assert "130 artifacts built, 130 of them right; 0 missing" in output


def test_a_new_learning_rate_is_seen_where_snakemake_has_lost_its_records(clone: Checkout) -> None:
    set_config(clone, "methods", "pspo", "training", "learning_rate", value=1e-4)
    # The copy's templates are new; in the tree where the report was made they are older.
    (clone.folder / REPORT).touch()
    assert "Nothing to be done" in clone.snakemake("-n")  # the trap
    status, output = verify(clone)
    assert status == 1
    found = listed(output)
    # The section words the methods' training, the page shows the config.
    assert found.pop("stale") == {f"{POLICY}/manifest.json", SECTION, REPORT}
    assert found.pop("follows") == {EVALUATION, *AFTER_A_POLICY} - {SECTION, REPORT}
    assert found == {}
    assert "train_policy: spec training.learning_rate 0.0045 → 0.0001" in output
    assert output.endswith(f" --forcerun {POLICY}/manifest.json {SECTION} {REPORT}\n")


def test_damage_and_strangers_are_told_apart(clone: Checkout) -> None:
    adapter = clone.folder / POLICY / "adapter_model.safetensors"
    content = bytearray(adapter.read_bytes())
    content[-1] ^= 1
    adapter.write_bytes(content)
    shutil.copyfile(clone.folder / POLICY / "metrics.jsonl", clone.folder / OTHER / "metrics.jsonl")
    shutil.copytree(
        clone.folder / STUDY / "policies/method=dpo/seed=0",
        clone.folder / STUDY / "policies/method=dpo/seed=7",
    )
    append(clone, f"{STUDY}/old_figure.svg")
    (clone.folder / "results/single_index/section/section.json").unlink()
    append(clone, "workflow_scripts/prefgrid/report/templates/style.css")
    status, output = verify(clone)
    assert status == 1
    found = listed(output)
    assert found.pop("corrupt") == {f"{POLICY}/manifest.json", f"{OTHER}/manifest.json"}
    assert f"bytes of {POLICY}/adapter_model.safetensors differ" in output
    assert f"those of {POLICY}/metrics.jsonl" in output
    assert found.pop("foreign") == {
        f"{STUDY}/policies/method=dpo/seed=7/",
        f"{STUDY}/old_figure.svg",
    }
    assert found.pop("missing") == {"results/single_index/section/section.json"}
    assert found.pop("stale") == {REPORT}
    assert "input changed: workflow_scripts/prefgrid/report/templates/style.css" in output
    assert found.pop("follows") == {EVALUATION, OTHER_EVALUATION, *AFTER_A_POLICY} - {REPORT}
    assert found == {}
    # Records alone cannot tell the bytes.
    _, names = verify(clone, "--quick", "--names")
    assert set(names.split()) == {"results/single_index/section/section.json", REPORT}


def test_a_lost_report_and_strays_in_a_model_s_folder_are_named(clone: Checkout) -> None:
    """Nothing is made from the report; and hidden names are as foreign as others."""
    (clone.folder / REPORT).unlink()
    strays = {f"{POLICY}/{name}" for name in (".hidden", "_private.json", "added_tokens.json")}
    for path in strays:
        append(clone, path)
    status, output = verify(clone)
    assert (status, listed(output)) == (1, {"missing": {REPORT}, "foreign": strays})


def test_an_edited_input_reaches_all_that_was_made_of_it(clone: Checkout) -> None:
    append(clone, "results/data/prompts/eval.jsonl")
    status, output = verify(clone)
    assert status == 1
    found = listed(output)
    assert found.pop("corrupt") == {"results/data/prompts/train.jsonl"}  # one artifact, two files
    assert {EVALUATION, OTHER_EVALUATION, *AFTER_A_POLICY} < found.pop("follows")
    assert found == {}
    assert "results/single_index" not in output


def test_the_printed_commands_heal(clone: Checkout) -> None:
    """Nothing but what was damaged and what follows from it is made anew."""
    (clone.folder / REPORT).touch()
    append(clone, SECTION)
    append(clone, f"{STUDY}/left over.csv")
    status, output = verify(clone)
    assert (status, listed(output)["corrupt"]) == (1, {SECTION})
    lines = ("delete what is foreign, if no other config made it",)
    for line in (*lines, "rebuild the others, and what is missing"):
        command = re.search(rf"^{line}: +(.*)$", output, flags=re.MULTILINE)[1]
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=clone.folder,
            capture_output=True,
            text=True,
            env=environment(),
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert "3 of 3" in done.stderr  # section, report, all
    assert verify(clone)[0] == 0


def test_options_that_snakemake_refuses_end_with_its_words(clone: Checkout) -> None:
    done = subprocess.run(
        [sys.executable, "workflow_scripts/verify.py", "--configfile", "none.yaml"],
        cwd=clone.folder,
        capture_output=True,
        text=True,
        env=environment(),
    )
    assert done.returncode == 2 and "none.yaml" in done.stderr and done.stdout == ""
