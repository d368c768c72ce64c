"""Where a job may run: any locale, interpreter options, neighbouring files, under another launcher.

Kind: what a job finds around it although nobody meant it for the job. Each test is a real script
under the real supervisor, started plainly and by the fork server.
"""

import json
import os

from fork_servers import ForkServers
from test_run_job import both_ways, finish, folder  # noqa: F401

from prefgrid.plan import places
from prefgrid.run.preload import client

# A locale that knows no letter beyond ASCII, and an interpreter told not to mend that.
PLAIN_C = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
# What torchrun, accelerate and MPI tell the third of four processes.
OUTER = {
    "TORCHELASTIC_RUN_ID": "outer",
    "RANK": "2",
    "LOCAL_RANK": "2",
    "WORLD_SIZE": "4",
    "LOCAL_WORLD_SIZE": "4",
    "GROUP_RANK": "0",
    "MASTER_ADDR": "no.such.machine",
    "MASTER_PORT": "1",
    "PET_NNODES": "7",
    "ACCELERATE_MIXED_PRECISION": "fp8",
    "ACCELERATE_USE_FSDP": "true",
    "OMPI_COMM_WORLD_RANK": "2",
    "PMI_SIZE": "4",
}


@both_ways
def test_a_script_reads_and_writes_utf_8_in_every_locale(folder):  # noqa: F811
    body = "open('text', 'w').write('βä漢')\nprint(open('text').read(), '→')"
    status, terminal, log = finish(folder, body, env=PLAIN_C)
    assert (status, log) == (0, "βä漢 →\n"), terminal
    assert (folder / "text").read_bytes() == "βä漢".encode()


@both_ways
def test_a_script_keeps_asserts_and_docstrings(folder):  # noqa: F811
    """transformers cannot be imported without docstrings."""
    body = '"""text"""\nprint(__doc__, __debug__)'
    status, terminal, log = finish(folder, body, env={"PYTHONOPTIMIZE": "2"})
    assert (status, log) == (0, "text True\n"), terminal


@both_ways
def test_another_launcher_s_processes_are_not_ours(folder):  # noqa: F811
    body = f"import json, os\nprint(json.dumps([k for k in {sorted(OUTER)} if k in os.environ]))"
    status, terminal, log = finish(folder, body, env=OUTER)
    assert (status, log) == (0, "[]\n"), terminal


def test_forks_do_not_remove_each_other_s_files(tmp_path, monkeypatch):
    """Kind: exit functions of the server's imports run in each fork; matplotlib's removes a folder."""
    monkeypatch.setattr(client, "PACKAGES", ("psutil", "matplotlib.pyplot"))
    monkeypatch.setenv("HOME", "/dev/null")  # where nobody, not even root, can make a folder
    monkeypatch.delenv("MPLCONFIGDIR", raising=False)
    for variable in places.MATPLOTLIB_FOLDERS:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("MPLCONFIGDIR", places.matplotlib_folder(os.environ, tmp_path))
    servers = ForkServers(tmp_path)
    try:
        ends = [servers.preloaded("import matplotlib; matplotlib.get_configdir()") for _ in "abc"]
    finally:
        servers.end()
    assert ends == [(0, "")] * 3


def test_our_own_launcher_s_processes_are_numbered_by_it_alone(folder):  # noqa: F811
    body = (
        "import json, os\n"
        "names = ('RANK', 'LOCAL_RANK', 'WORLD_SIZE', 'MASTER_ADDR')\n"
        "found = [os.environ[name] for name in names]\n"
        "assert os.environ['TORCHELASTIC_RUN_ID'] != 'outer' and 'PMI_SIZE' not in os.environ\n"
        "print(json.dumps(found[:3])) if found[3] != 'no.such.machine' else exit('outer')"
    )
    env = OUTER | {"CUDA_VISIBLE_DEVICES": "0,1"}
    status, terminal, log = finish(folder, body, "--gpus", "2", env=env)
    assert status == 0, terminal
    assert json.loads(log.splitlines()[1]) == ["0", "0", "2"]
