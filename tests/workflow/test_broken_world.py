"""What breaks around a job: each time a clear line, a failed job, nothing lost, and a rerun heals.

Jobs of the finished run are run again by their own scripts and arguments, beside its results.
"""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.workflow import faults
from tests.workflow.conftest import Checkout

STUDY = "results/link_robustness"
CELL = "method=dpo/seed=0/shift=1.5/n=32"
POLICY = f"{STUDY}/policies/{CELL}"
REFERENCE, REWARD = "results/models/reference", "results/models/reward"
REWARDS = f"{STUDY}/rewards/seed=0/rewards.jsonl"
PREFERENCES = f"{STUDY}/preferences/seed=0/shift=1.5/n=32/preferences.jsonl"
LOGPS = f"{STUDY}/reference_logps/seed=0/logps.parquet"
RESPONSES = f"{STUDY}/responses/seed=0/shard=0/responses.jsonl"

LABEL = "label_preferences/seed=0/shift=1.5/n=32"
SCORE = "score_responses/link_robustness/seed=0"
REFERENCE_LOGPS = "compute_reference_logps/link_robustness/seed=0"
SAMPLE_REFERENCE = "sample_responses/link_robustness/pool=eval/shard=0"
SCORE_REFERENCE = "score_responses/link_robustness/pool=eval"
TRAIN = f"train_policy/link_robustness/{CELL}"
EVALUATE = f"evaluate_policy/link_robustness/{CELL}"


class World:
    """A finished run, and jobs of it started again."""

    def __init__(self, checkout: Checkout) -> None:
        self.folder = checkout.folder
        self.commands = faults.commands(checkout)

    def path(self, name: str) -> Path:
        return self.folder / name

    def run(self, job: str, **how) -> faults.Done:
        return faults.run_script(self.folder, self.commands[f"results/logs/{job}.log"], **how)

    def refuses(self, job: str, *texts: str, **how) -> faults.Done:
        """The job fails and says all of `texts` in one line; every result stays as it was."""
        before = faults.snapshot(self.path("results"))
        done = self.run(job, **how)
        assert done.status == 1, done.output
        for text in texts:
            assert text in done.error, done.output
        assert faults.snapshot(self.path("results")) == before
        if "look" in how:  # behind mounts of its own, which hide what it did there
            assert done.results == before
        return done

    def heals(self, job: str) -> None:
        """The same job, without the fault, makes anew exactly what the quiet run made."""
        results = self.path("results")
        before = faults.snapshot(results)
        inodes = {name: (results / name).stat().st_ino for name in before}
        done = self.run(job)
        assert done.status == 0, done.output
        assert faults.snapshot(results) == before
        assert any((results / name).stat().st_ino != inodes[name] for name in before)


@pytest.fixture(scope="module")
def world(finished: Checkout, tmp_path_factory: pytest.TempPathFactory) -> World:
    torch.set_num_threads(1)
    return World(finished.copy(tmp_path_factory.mktemp("broken") / "clone"))


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flip_one_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)


def set_key(path: Path, key: str, value: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))


def drop_weight(path: Path, part: str) -> None:
    weights = load_file(path)
    save_file({n: w for n, w in weights.items() if part not in n}, path, {"format": "pt"})


HEAL = "run again; snakemake then makes it anew"
DAMAGES: dict[str, tuple[str, Callable[[Path], None], str, tuple[str, ...]]] = {
    "cut reference": (
        *(f"{REFERENCE}/model.safetensors", cut, REFERENCE_LOGPS),
        (f"{REFERENCE}/model.safetensors: is not the file that manifest.json lists", HEAL),
    ),
    "one bit of the reference": (
        *(f"{REFERENCE}/model.safetensors", flip_one_bit, REFERENCE_LOGPS),
        (f"{REFERENCE}/model.safetensors: is not the file that manifest.json lists", HEAL),
    ),
    "broken config": (
        *(f"{REFERENCE}/config.json", cut, REFERENCE_LOGPS),
        (f"{REFERENCE}/config.json: is not the file that manifest.json lists", HEAL),
    ),
    "half a manifest": (
        *(f"{REFERENCE}/manifest.json", cut, REFERENCE_LOGPS),
        (f"{REFERENCE}/manifest.json: is no manifest", "not valid JSON", HEAL),
    ),
    "another's manifest": (
        f"{REFERENCE}/manifest.json",
        lambda path: set_key(path, "tokenizer.json", "0" * 64),
        *(REFERENCE_LOGPS, (f"{REFERENCE}/tokenizer.json: is not the file", HEAL)),
    ),
    "lost tokenizer": (
        *(f"{REFERENCE}/tokenizer.json", Path.unlink, REFERENCE_LOGPS),
        (f"{REFERENCE}/tokenizer.json: is missing, but manifest.json lists it", HEAL),
    ),
    "one bit of an adapter": (
        *(f"{POLICY}/adapter_model.safetensors", flip_one_bit, EVALUATE),
        (f"{POLICY}/adapter_model.safetensors: is not the file that manifest.json lists", HEAL),
    ),
    "half-written lines": (
        *(PREFERENCES, cut, TRAIN),
        (f"{PREFERENCES}, line ", "the file ends inside a line; it was cut or half copied", HEAL),
    ),
    "half a table": (
        *(LOGPS, cut, TRAIN),
        (f"{LOGPS}: is not the file that compute_reference_logps made", HEAL),
    ),
    "missing input": (*(RESPONSES, Path.unlink, SCORE), (f"{RESPONSES}: no such file",)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_files_are_named_and_a_rerun_heals(world: World, damage: str) -> None:
    name, break_it, job, texts = DAMAGES[damage]
    path = world.path(name)
    with faults.changed(path):
        break_it(path)
        done = world.refuses(job, *texts)
    assert "Traceback" not in done.output, "a damaged input needs no look into our code"
    world.heals(job)


def as_made(folder: Path, change: Callable[[Path], None]) -> None:
    """Change a model as if it had come like that: its manifest fits its files."""
    change(folder)
    faults.rewrite_manifest(folder)


def files_of(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file()]


UNFIT = {
    "two labels": (
        *(REWARD, lambda folder: set_key(folder / "config.json", "id2label", {"0": "a", "1": "b"})),
        (f"{REWARD}: a scalar reward model has exactly one label, this one has 2",),
    ),
    "no chat template": (
        *(REWARD, lambda folder: (folder / "chat_template.jinja").unlink()),
        (f"{REWARD}' has no chat template: use a chat model, or set prompt_format: raw",),
    ),
    "no head": (
        *(REWARD, lambda folder: drop_weight(folder / "model.safetensors", "score")),
        (f"{REWARD}: weights of score.weight are missing from the file",),
    ),
    "another vocabulary": (
        *(REFERENCE, lambda folder: set_key(folder / "config.json", "vocab_size", 300)),
        (f"{REFERENCE}: the tokenizer has ids up to ", "embedding", "has 300 rows"),
    ),
    "no chat template for the reference": (
        *(REFERENCE, lambda folder: (folder / "chat_template.jinja").unlink()),
        (f"{REFERENCE}' has no chat template: use a chat model, or set prompt_format: raw",),
    ),
    "another model's shapes": (
        *(REFERENCE, lambda folder: set_key(folder / "config.json", "intermediate_size", 96)),
        (f"{REFERENCE}: the shapes of the weights are not those of config.json",),
    ),
}


@pytest.mark.parametrize("fault", UNFIT)
def test_models_that_cannot_do_it_are_refused_before_they_do_any(world: World, fault: str) -> None:
    name, change, texts = UNFIT[fault]
    job, worked = {
        REFERENCE: (SAMPLE_REFERENCE, "sampled"),
        REWARD: (SCORE_REFERENCE, "scored"),
    }[name]
    assert worked in world.path(f"results/logs/{job}.log").read_text()
    folder = world.path(name)
    with faults.changed(*files_of(folder)):
        as_made(folder, change)
        done = world.refuses(job, *texts)
    assert worked not in done.output


def test_stored_tokens_of_another_tokenizer(world: World) -> None:
    path = world.path(RESPONSES)
    with faults.changed(path):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        rows[2]["responses"][1]["tokens"][0] = 50_000
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        world.refuses(REFERENCE_LOGPS, "group 2: response 1 holds the id 50000", "another model's")


def test_a_reward_model_that_says_nan(world: World) -> None:
    folder = world.path(REWARD)

    def spoil(folder: Path) -> None:
        weights = load_file(folder / "model.safetensors")
        weights["score.weight"][0, 0] = torch.nan
        save_file(weights, folder / "model.safetensors", {"format": "pt"})

    with faults.changed(*files_of(folder)):
        as_made(folder, spoil)
        world.refuses(SCORE, "the reward model's score of ", "is nan", REWARD)


def test_a_nan_among_the_rewards(world: World) -> None:
    path = world.path(REWARDS)
    with faults.changed(path):
        lines = path.read_text().splitlines(keepends=True)
        row = json.loads(lines[4])
        row["responses"][1]["reward"] = float("nan")
        path.write_text("".join([*lines[:4], json.dumps(row) + "\n", *lines[5:]]))
        found = "field 'responses.1.reward' should be a finite number, found nan"
        world.refuses(LABEL, f"{REWARDS}, line 5: {found}")
    world.heals(LABEL)


@pytest.mark.parametrize("job", [LABEL, TRAIN])
def test_a_full_disk(world: World, job: str) -> None:
    command = world.commands[f"results/logs/{job}.log"]
    output = command[command.index("--preferences" if job == LABEL else "--manifest") + 1]
    folder = os.path.dirname(output)
    done = world.refuses(
        *(job, f"{folder}: no space is left to write", "run again; what was finished is kept"),
        before=lambda: faults.full_disk(folder, 1 << 12),
        look=folder,
    )
    assert not [name for name in done.files if name.startswith(".partial")]


def test_results_that_are_read_only(world: World) -> None:
    world.refuses(
        *(LABEL, PREFERENCES.rpartition("/")[0], "Read-only file system", "writable for this user"),
        before=lambda: faults.read_only("results"),
        look="results",
    )


def test_too_little_memory_for_the_processor(world: World) -> None:
    command = list(world.commands[f"results/logs/{SAMPLE_REFERENCE}.log"])
    place = command.index("--spec") + 1
    spec = json.loads(command[place])
    spec["samples"] = 4000
    spec["decoding"]["batch_rows"] = 48_000
    command[place] = json.dumps(spec)
    done = faults.run_script(
        world.folder, command, before=lambda: faults.little_memory(300 * 2**20)
    )
    assert done.status == 1
    assert "out of memory: lower evaluation.batch_rows" in done.error


def test_too_little_memory_on_a_device(world: World) -> None:
    def no_device_memory() -> None:
        import prefgrid.logprobs.table as table

        def full(*_, **__) -> None:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

        table.sequence_logps = full

    text = "out of memory: lower logp_batch_size (now 32)"
    world.refuses(REFERENCE_LOGPS, text, before=no_device_memory)


def test_a_damaged_policy_stops_the_run_and_what_the_message_says_heals_it(
    finished: Checkout, tmp_path: Path
) -> None:
    """Through Snakemake, by plain reruns; afterwards all is as after the quiet run."""
    clone = finished.copy(tmp_path / "clone")
    quiet = faults.snapshot(clone.folder / "results")
    target = f"{STUDY}/evaluations/{CELL}/evaluation.csv"
    flip_one_bit(clone.folder / POLICY / "adapter_model.safetensors")
    (clone.folder / target).unlink()
    output = clone.snakemake(target, check=False)
    assert f"error: {POLICY}/adapter_model.safetensors: is not the file" in output
    assert f"Delete {POLICY} and run again" in output
    left = faults.snapshot(clone.folder / "results")
    gone = {name for name in quiet if f"evaluations/{CELL}" in name}
    assert {name for name in quiet if left.get(name) != quiet[name]} == {
        *gone,
        f"link_robustness/policies/{CELL}/adapter_model.safetensors",
    }
    shutil.rmtree(clone.folder / POLICY)
    clone.snakemake(target)
    assert faults.snapshot(clone.folder / "results") == quiet
