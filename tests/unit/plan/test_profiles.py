"""The profiles as Snakemake reads them, its own parser and the Slurm plugin's options included."""

import os
from pathlib import Path

import pytest
from snakemake import cli
from snakemake_executor_plugin_slurm import job_status_query
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

REPOSITORY = Path(__file__).resolve().parents[3]

# What `sacct` does → what is asked for the state of jobs. Without accounting Slurm's own ends with 1
# and "Slurm accounting storage is disabled".
CLUSTERS = {
    "with accounting": ("exit 0", "sacct"),
    "without accounting": ("echo Slurm accounting storage is disabled >&2; exit 1", "squeue"),
    "without the command": (None, "squeue"),
}


def command(folder: Path, name: str, body: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{body}\n")
    (folder / name).chmod(0o755)


def settings(profile: str):
    """What the Slurm plugin is told by a profile."""
    args = cli.get_argument_parser([str(REPOSITORY / "profiles" / profile)]).parse_args([])
    assert args.executor == "slurm"
    return args, ExecutorPluginRegistry().get_plugin("slurm").get_settings(args)


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_jobs_are_asked_after_by_what_the_cluster_can_answer(cluster, tmp_path, monkeypatch):
    body, expected = CLUSTERS[cluster]
    for name in ("sinfo", "squeue"):
        command(tmp_path, name, "exit 0")
    if body is not None:
        command(tmp_path, "sacct", body)
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path), "/bin", "/usr/bin"]))
    assert settings("slurm")[1].status_command == expected


def test_the_plugin_alone_would_ask_a_cluster_without_accounting_by_sacct(tmp_path, monkeypatch):
    """It looks whether the command is there, not whether it answers; such a run never ends."""
    command(tmp_path, "sacct", CLUSTERS["without accounting"][0])
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path), "/bin", "/usr/bin"]))
    assert job_status_query.is_query_tool_available("sacct")


def test_short_jobs_are_looked_after_in_time():
    """And squeue is trusted: Slurm forgets a job that has ended after MinJobAge, by default 300 s, of which
    the plugin wants three first looks."""
    args, slurm = settings("slurm")
    assert slurm.init_seconds_before_status_checks == 10 and 3 * 10 < 300
    assert (args.retries, args.jobs) == (2, 64)


def test_the_default_profile_is_understood():
    args = cli.get_argument_parser([str(REPOSITORY / "profiles" / "default")]).parse_args([])
    assert args.keep_going and args.scheduler == "greedy"
    # A logger named here would have to be there for every Snakemake, a cluster's jobs among them.
    assert args.logger == []
