"""A fork server with all its packages: torch and numbers are as after a plain start, to the byte."""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import made_up
import psutil
import pytest
from fork_servers import ForkServers, until
from tiny_policy import logps_of, random_groups, tiny_model, tiny_tokenizer

import run_job
from prefgrid.files import store
from prefgrid.logprobs.table import logp_frame
from prefgrid.models import loading
from prefgrid.run.preload import address

OUTPUTS = {
    "metrics": "metrics.jsonl",
    "link": "link.json",
    "manifest": "manifest.json",
}
SPEC = {
    "seed": 0,
    "objective": "prefgrid.objectives.pspo",
    "options": {},
    "training": {
        "epochs": None,
        "max_steps": 8,
        "batch_size": 4,
        "micro_batch_size": 4,
        "learning_rate": 1e-2,
        "lora": {"rank": 4, "alpha": 8, "dropout": 0.3, "targets": "all-linear"},
        "precision": "none",
    },
    "prompt_format": "raw",
}
# Two threads and tensors large enough for both.
NUMBERS = """
import hashlib, json
import matplotlib, numpy, torch, transformers
from huggingface_hub import constants
print(json.dumps({
    "default threads": [torch.get_num_threads(), torch.get_num_interop_threads()],
}))
torch.set_num_threads(2)
torch.manual_seed(0)
weights = torch.rand(700, 700, requires_grad=True)
loss = (weights @ weights).log_softmax(-1).sum() + torch.nn.functional.gelu(weights).sum()
loss.backward()
product = numpy.random.default_rng(0).random((300, 300)) @ numpy.ones((300, 300))
array = lambda values: hashlib.sha256(values.tobytes()).hexdigest()
print(json.dumps({
    "numbers": [loss.item().hex(), array(weights.grad.numpy()), array(product)],
    "threads": torch.get_num_threads(),
    "CUDA": [torch.cuda.is_initialized(), torch.cuda.is_available()],
    "offline": [constants.HF_HUB_OFFLINE, transformers.utils.hub.is_offline_mode()],
    "default types": [str(torch.get_default_dtype()), torch.is_grad_enabled()],
    "figures": [matplotlib.get_backend(), matplotlib.rcParams["figure.figsize"]],
}))
"""


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    found = ForkServers(tmp_path_factory.mktemp("work"))
    # What the job runner sets, so that it finds the same server.
    options = argparse.Namespace(script="train_policy", gpus=0, online=False)
    found.environment = run_job._environment(options, Path("none"), []) | found.environment
    found.environment["CUDA_VISIBLE_DEVICES"] = ""
    yield found
    found.end()


def test_torch_computes_as_after_a_plain_start(servers):
    plain, preloaded = servers.plain(NUMBERS), servers.preloaded(NUMBERS)
    assert preloaded == plain
    assert preloaded[0] == 0, preloaded[1]


def test_torch_draws_anew_in_every_script(servers):
    """It does so after a plain start too: its seed is no constant."""
    body = "import torch; print(torch.rand(()).item(), torch.initial_seed())"
    first, second = (servers.preloaded(body)[1].split() for _ in range(2))
    assert not set(first) & set(second)


def test_training_writes_the_same_bytes(servers):
    """By the job runner, which starts the script itself, and then by the server."""
    inputs = training_inputs(servers.work)
    servers.preloaded("")
    made = {}
    for preload in (False, True):
        folder, log = servers.work / "policy", servers.work / f"{preload}.log"
        words = [word for flag, name in OUTPUTS.items() for word in (f"--{flag}", folder / name)]
        environment = servers.environment | {
            "PREFGRID_PARENT": str(os.getpid()),
            address.VARIABLE: servers.environment[address.VARIABLE] if preload else "",
        }
        command = [sys.executable, "-m", "run_job", "--log", log, "steps/train_policy"]
        with subprocess.Popen(
            [*command, *inputs, *words, "--spec", json.dumps(SPEC)],
            cwd=servers.work,
            env=environment,
            stderr=subprocess.DEVNULL,
        ) as runner:
            children = until(
                lambda: scripts_of(runner, servers) or runner.poll() is not None, "no script"
            )
            assert children == [preload]
        assert runner.returncode == 0, log.read_text()
        made[preload] = {path.name: store.sha256_file(path) for path in compared(folder)}
        shutil.rmtree(folder)  # the other goes to the same place, which the policy's card names
    assert made[True] == made[False]


def compared(folder: Path) -> list[Path]:
    """The outputs, and what stands beside the manifest: the adapter with its config."""
    names = {*OUTPUTS.values(), "adapter_model.safetensors", "adapter_config.json"}
    return [folder / name for name in sorted(names)]


def training_inputs(folder: Path) -> list[str]:
    model, tokenizer = tiny_model(vocab_size=258), tiny_tokenizer()
    loading.save_model(folder / "reference", model, tokenizer)
    groups = random_groups(16)
    logp_sums = logps_of(model, groups)
    lengths = logp_sums.new_tensor([[len(r) for r in g.responses] for g in groups]).long()
    store.write_parquet(folder / "logps.parquet", logp_frame(range(16), logp_sums, lengths))
    made_up.record(folder / "logps.parquet")
    rows = [
        {"pair": n, "prompt_id": f"{n:016x}", "prompt": "a", "prompt_tokens": g.prompt_tokens}
        | {"response_0": "b", "response_1": "c", "finish_0": "stop", "finish_1": "stop"}
        | {
            "reward_0": 0.0,
            "reward_1": 1.0,
            "reward_diff": 1.0,
            "reward_scale": 1.0,
            "z": int(g.target),
        }
        | {f"tokens_{k}": response for k, response in enumerate(g.responses)}
        for n, g in enumerate(groups)
    ]
    store.write_jsonl(folder / "preferences.jsonl", rows)
    files = ("data", "preferences.jsonl"), ("logps", "logps.parquet")
    words = [word for flag, name in files for word in (f"--{flag}", str(folder / name))]
    return [*words, "--reference", str(folder / "reference" / "manifest.json")]


def scripts_of(runner: subprocess.Popen, servers: ForkServers) -> list[bool]:
    """For each process that runs the script: does it come from the server?"""
    from_server = {child.pid for keeper in servers.server.children() for child in children(keeper)}
    from_runner = {child.pid for child in children(psutil.Process(runner.pid))}
    return [True for _ in from_server] + [False for _ in from_runner]


def children(process: psutil.Process) -> list[psutil.Process]:
    """None of a process that has just ended."""
    try:
        return process.children()
    except psutil.NoSuchProcess:
        return []
