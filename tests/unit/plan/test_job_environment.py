"""What Snakemake's process hands to its jobs beside their params."""

import os
import sys
from pathlib import Path

import pytest

from prefgrid.plan import job_environment


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Restores every variable that a test changes."""
    monkeypatch.setattr(os, "environ", os.environ.copy())


def test_jobs_find_interpreter_scripts_execution_and_parent():
    os.environ |= {"PATH": "/usr/bin", "PYTHONPATH": "/elsewhere"}
    job_environment.prepare({"torch_threads": 2, "torch_threads_of": {}})
    assert os.environ["PATH"] == f"{Path(sys.executable).parent}:/usr/bin"
    root = Path(__file__).resolve().parents[3]
    assert os.environ["PYTHONPATH"] == f"{root / 'workflow_scripts'}:/elsewhere"
    assert os.environ["PREFGRID_EXECUTION"] == '{"torch_threads":2,"torch_threads_of":{}}'
    assert os.environ["PREFGRID_PARENT"] == str(os.getpid())


def test_an_outer_run_s_fork_server_is_not_for_this_run_s_jobs():
    os.environ["PREFGRID_SERVER"] = "outer"
    job_environment.prepare({})
    assert "PREFGRID_SERVER" not in os.environ


def test_an_empty_search_path_gets_no_empty_entry():
    """An empty entry would mean the working directory."""
    os.environ["PYTHONPATH"] = ""
    job_environment.prepare({})
    assert "" not in os.environ["PYTHONPATH"].split(os.pathsep)
