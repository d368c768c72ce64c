"""Folders whose names a run cannot have, refused by name; matplotlib's own folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from prefgrid.plan import places

REPOSITORY = Path(__file__).resolve().parents[3]
PLAIN_C = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
SOURCES = ("Snakefile", "config.yaml", "rules", "workflow_scripts", "profiles", "envs")


def dry_run(checkout: Path) -> subprocess.CompletedProcess:
    """Planning one job in a checkout of these sources at `checkout`."""
    checkout.mkdir()
    for name in SOURCES:
        (checkout / name).symlink_to(REPOSITORY / name)
    (checkout / "Snakefile").unlink()
    (checkout / "Snakefile").write_text((REPOSITORY / "Snakefile").read_text())
    return subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "results/data/ultrafeedback/train.jsonl"],
        cwd=checkout,
        capture_output=True,
        text=True,
        env={key: value for key, value in os.environ.items() if not key.startswith("PREFGRID_")},
    )


@pytest.mark.parametrize("character", [":", "{", "}"])
def test_a_checkout_in_a_folder_that_others_would_misread_is_refused_by_name(tmp_path, character):
    """Kind: a path that something splits or fills in, so that jobs fail in others' words."""
    done = dry_run(tmp_path / f"a{character}b")
    assert done.returncode != 0
    assert f"a{character}b, has a {character!r} in its path" in done.stdout + done.stderr
    assert "Move the checkout" in done.stdout + done.stderr


def test_a_checkout_may_have_any_other_name(tmp_path):
    done = dry_run(tmp_path / "[a] *?'\"%s $x ä;#")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "write_tiny_data" in done.stdout + done.stderr


@pytest.mark.parametrize("label", ["größer", "greater"])
def test_letters_that_a_locale_would_change_on_their_way_to_jobs_are_refused(tmp_path, label):
    """Kind: a process in another encoding than its jobs; ASCII is the same in both."""
    code = (
        "import sys; from prefgrid.plan import places\n"
        f"places.check_locale({{'methods': {{{label!r}: 1}}}})"
    )
    for locale in (PLAIN_C, {"PYTHONUTF8": "1"}):
        path = tmp_path / "program.py"
        path.write_text(code, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, str(path)],
            env=os.environ | locale | {"PYTHONPATH": str(REPOSITORY / "workflow_scripts")},
            capture_output=True,
            text=True,
        )
        refused = label == "größer" and locale is PLAIN_C
        assert (done.returncode != 0) == refused, done.stderr
        assert ("PYTHONUTF8=1 for Snakemake" in done.stderr) == refused


def test_matplotlib_gets_a_folder_of_the_run_where_it_would_make_temporary_ones(tmp_path):
    """Kind: what an import leaves to be removed at exit, each fork of the server would remove."""
    own = {"XDG_CONFIG_HOME": str(tmp_path / "c"), "XDG_CACHE_HOME": str(tmp_path / "deep/er")}
    assert places.matplotlib_folder(own, tmp_path) is None
    (tmp_path / "c").touch()  # a file where a folder should be: nobody can make one, not even root
    expected = str(tmp_path / ".snakemake" / "matplotlib")
    assert places.matplotlib_folder(own, tmp_path) == expected
    assert places.matplotlib_folder(own | {"MPLCONFIGDIR": str(tmp_path / "m")}, tmp_path) is None
    look = "import matplotlib, sys; print(matplotlib.get_configdir(), matplotlib.get_cachedir())"
    shown = subprocess.check_output(
        [sys.executable, "-c", look], env=os.environ | own | {"MPLCONFIGDIR": expected}, text=True
    )
    assert shown.split() == [expected, expected]
