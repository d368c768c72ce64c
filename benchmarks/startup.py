"""How long a job takes from its start by Snakemake to its first training step: plain and preloaded.

A policy of the tiny world's shape, untrained, on texts of the tiny world; the job runner and the
script are the workflow's own, and Snakemake's place is taken by this program. Least of `ROUNDS`
rounds, since another program can only add to it; beside the wall time the CPU time of runner and
script, which on a quiet machine is about the same. The memory is what Linux counts.
"""

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import psutil
import yaml

from benchmarks.table import Row
from prefgrid.files import artifacts, formats, store
from prefgrid.logprobs.table import dataset_logps, logp_frame
from prefgrid.models import loading
from prefgrid.plan import job_environment
from prefgrid.run.preload import address
from prefgrid.tinyworld import base_model, files, tokenizer

ROOT = Path(__file__).resolve().parents[1]
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
PAIRS = 300
ROUNDS = 5


def rows() -> list[Row]:
    """Start-up of one training job, and the memory that the fork server needs for it."""
    with tempfile.TemporaryDirectory(prefix="startup-") as name:
        folder = Path(name)
        words = _training_job(folder)
        plain, preloaded = [], []
        with _fork_server(folder) as server:
            _first_step(folder, words, preload=False)  # all files are read once
            for _ in range(ROUNDS):
                plain.append(_first_step(folder, words, preload=False))
                preloaded.append(_first_step(folder, words, preload=True))
            memory = server.memory_full_info().uss / 2**20
    found = []
    for kind, ours, other in zip(
        ("wall", "CPU"), zip(*preloaded, strict=True), zip(*plain, strict=True), strict=True
    ):
        found.append(
            Row(
                what=f"training job to its first step, tiny world, {kind} time (other: plain start)",
                ours=f"{min(ours):.2f} s",
                other=f"{min(other):.2f} s",
                ratio=min(other) / min(ours),
                target="<= 1 s" if kind == "wall" else "reported",
            )
        )
    what = "memory of imported packages, once for all jobs (other: plain start, in each job)"
    shared, each = f"{memory:.0f} MB", f"{memory:.0f} MB a job"
    return [*found, Row(what, shared, each, ratio=float("nan"), target="reported")]


@contextlib.contextmanager
def _fork_server(folder: Path) -> Iterator[psutil.Process]:
    """A server in Snakemake's manner, ready; for jobs that run in `folder`."""
    with mock.patch.dict(os.environ):
        with contextlib.chdir(folder):
            job_environment.prepare({})
            server = job_environment.start_server()
        try:
            while os.environ[address.VARIABLE] not in Path("/proc/net/unix").read_text():
                if server.poll() is not None:
                    log = (folder / job_environment.SERVER_LOG).read_text()
                    raise RuntimeError(f"no fork server:\n{log}")
                time.sleep(0.1)
            yield psutil.Process(server.pid)
        finally:
            server.kill()
            server.wait()


def _training_job(folder: Path) -> list[str]:
    """Write the inputs of a `train_policy` job; its command line."""
    texts = [
        (row["instruction"], [completion["response"] for completion in row["completions"][:2]])
        for row in files.rows(PAIRS, seed=0)
    ]
    learned = tokenizer.train(
        [text for prompt, both in texts for text in (prompt, *both)],
        CONFIG["tiny_world"]["tokenizer"]["vocabulary"],
    )
    model = base_model.new_model(learned, CONFIG["tiny_world"]["base"]["architecture"], seed=0)
    loading.save_model(folder / "reference", model, learned)
    prompts = [learned(prompt)["input_ids"] for prompt, _ in texts]
    responses = [
        [[*learned(text)["input_ids"], learned.eos_token_id] for text in both] for _, both in texts
    ]
    pad_id = loading.pad_id(learned)
    logp_sums, lengths = dataset_logps(model, prompts, responses, pad_id=pad_id, batch_size=32)
    logps = folder / "logps.parquet"
    store.write_parquet(logps, logp_frame(range(PAIRS), logp_sums, lengths))
    record = {"script": "startup", "spec": {}, "code": "", "inputs": {}}
    record["outputs"] = {logps.name: store.sha256_file(logps)}
    store.write_json(artifacts.record_places(logps)[1], record)
    pairs = [
        {"pair": n, "prompt_id": f"{n:016x}", "prompt": text, "prompt_tokens": prompt, "z": n % 2}
        | {
            "response_0": written[0],
            "response_1": written[1],
            "reward_0": 0.0,
            "reward_1": 1.0,
            "reward_diff": 1.0,
        }
        | {"tokens_0": both[0], "tokens_1": both[1], "finish_0": "stop", "finish_1": "stop"}
        | {"reward_scale": 1.0}
        for n, ((text, written), prompt, both) in enumerate(
            zip(texts, prompts, responses, strict=True)
        )
    ]
    store.write_jsonl(folder / "preferences.jsonl", pairs)
    training = CONFIG["training"] | {"epochs": None, "max_steps": 1, "warmup_steps": 0}
    del training["seed"]  # the spec's own
    spec = {"seed": 0, "objective": "prefgrid.objectives.dpo", "options": {}, "training": training}
    spec["prompt_format"] = "chat"
    outputs = {
        "adapter": "adapter_model.safetensors",
        "config": "adapter_config.json",
        "metrics": "metrics.jsonl",
        "link": "link.json",
        "manifest": "manifest.json",
    }
    return [
        *("steps/train_policy", "--data", "preferences.jsonl", "--logps", "logps.parquet"),
        *("--reference", "reference/manifest.json", "--spec", formats.canonical_json(spec)),
        *(
            w
            for flag, name in outputs.items()
            for w in (f"--{flag}", str(folder / "policy" / name))
        ),
    ]


def _first_step(folder: Path, words: list[str], *, preload: bool) -> tuple[float, float]:
    """Wall and CPU seconds from the runner's start to the script's first training step."""
    # As Snakemake sets it; `job_environment.start_server` has told the server's name to all jobs.
    environment = os.environ | dict.fromkeys(job_environment.TEMPORARY, tempfile.gettempdir())
    if not preload:
        environment.pop(address.VARIABLE, None)
    command = ["python", "-m", "run_job", "--log", "logs/train_policy.log", *words]
    started, found = time.perf_counter(), None
    with subprocess.Popen(
        command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True
    ) as job:
        lines = []
        for line in job.stderr:
            lines.append(line)
            if found is None and "step 1/1 " in line:
                wall = time.perf_counter() - started
                # Runner and script, wherever that comes from, have their inputs in common.
                times = [p.cpu_times() for p, line in _processes() if words[-1] in line]
                found = wall, sum(time.user + time.system for time in times)
    if job.returncode or found is None:
        raise RuntimeError(f"the training job failed:\n{''.join(lines)}")
    return found


def _processes() -> Iterator[tuple[psutil.Process, list[str]]]:
    """Every process with its command line."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            yield process, process.cmdline()
