"""Fingerprints change with the code a step uses, and with nothing else."""

import ast
import hashlib
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from prefgrid.plan import fingerprint as module
from prefgrid.plan.fingerprint import fingerprint

TREE = {
    "train.py": '''
        """Trains."""
        from prefgrid.files import store
        from prefgrid.job import jobs
        from prefgrid.training.loop import train

        def main(job):
            """Glue."""
            train(job.spec["steps"] + 1)
        ''',
    "label.py": "import prefgrid.links as links\n",
    "prefgrid/__init__.py": "",
    "prefgrid/files/__init__.py": "",
    "prefgrid/job/__init__.py": "",
    "prefgrid/files/store.py": "INERT = True\n\n\ndef log(message):\n    print(message)\n",
    "prefgrid/job/jobs.py": "from prefgrid.job import parts\n\nINERT = True\n",
    "prefgrid/job/parts.py": "x = 1\n",
    "prefgrid/links.py": "def link(u):\n    return u\n",
    "prefgrid/unused.py": "x = 1\n",
    "prefgrid/training/__init__.py": "",
    "prefgrid/training/loop.py": '''
        from . import step
        from ..maths import total

        class Loop:
            """A loop."""

            size: int = 3

            def run(self):
                """Only a docstring."""

        def train(steps):
            # A comment.
            return step.advance(total([steps, 1]))
        ''',
    "prefgrid/training/step.py": "def advance(x):\n    return x + 1\n",
    "prefgrid/maths.py": "def total(values):\n    return sum(values)\n",
    "prefgrid/objectives/__init__.py": "",
    "prefgrid/objectives/base.py": "x = 1\n",
    "prefgrid/objectives/dpo.py": "from prefgrid.objectives import base\nx = 1\n",
    "prefgrid/objectives/pspo.py": "from prefgrid.objectives import base\nx = 2\n",
}


class Tree:
    """A miniature workflow_scripts/ folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, text in TREE.items():
            self.write(name, textwrap.dedent(text))

    def write(self, name: str, text: str) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text)
        forget()

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text()
        assert text.count(old) == 1
        self.write(name, text.replace(old, new))


def forget() -> None:
    module.fingerprint.cache_clear()
    module._source.cache_clear()


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SCRIPTS", tmp_path)
    yield Tree(tmp_path)
    forget()


LOOP = "prefgrid/training/loop.py"


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("train.py", '"""Trains."""', '"""Trains a policy, carefully."""'),
        ("train.py", '"""Glue."""', "'''Glue, and more\n    of it.'''"),
        (LOOP, "# A comment.", "# Another one, and a blank line.\n"),
        (LOOP, "# A comment.\n", "\n"),
        (LOOP, '"""A loop."""', ""),
        (LOOP, '"""Only a docstring."""', "pass"),
        (LOOP, "[steps, 1]", "[\n        steps,\n        1,\n    ]"),
        (LOOP, "step.advance(total([steps, 1]))", "(step . advance(total( [steps,1] )))"),
        ("train.py", '"steps"', "'ste' 'ps'"),
    ],
)
def test_comments_docstrings_and_layout_change_nothing(tree, name, old, new):
    before = fingerprint("train")
    tree.edit(name, old, new)
    assert fingerprint("train") == before


def test_times_of_files_change_nothing(tree):
    before = fingerprint("train")
    for path in tree.folder.rglob("*.py"):
        path.touch()
    forget()
    assert fingerprint("train") == before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("train.py", "+ 1", "+ 2"),
        (LOOP, "[steps, 1]", "[steps, 1.0]"),
        (LOOP, "[steps, 1]", "[steps, True]"),
        (LOOP, "size: int = 3", "size: int = 4"),
        ("prefgrid/training/step.py", "x + 1", "x - 1"),
        ("prefgrid/maths.py", "sum(values)", "sum(values, 0)"),
        ("train.py", '"steps"', '"step"'),
    ],
)
def test_code_anywhere_in_the_closure_counts(tree, name, old, new):
    """step and maths are reached through relative imports of one and two dots."""
    before, other = fingerprint("train"), fingerprint("label")
    tree.edit(name, old, new)
    assert fingerprint("train") != before
    assert fingerprint("label") == other


def test_a_package_s_own_init_counts(tree):
    before = fingerprint("train")
    tree.write("prefgrid/training/__init__.py", "import os\n")
    assert fingerprint("train") != before


@pytest.mark.parametrize("name", ["files/store", "job/jobs", "unused", "links"])
def test_inert_and_unused_modules_do_not_count(tree, name):
    before = fingerprint("train")
    tree.write(f"prefgrid/{name}.py", (tree.folder / f"prefgrid/{name}.py").read_text() + "y = 2\n")
    assert fingerprint("train") == before


def test_what_an_inert_module_imports_counts(tree):
    before = fingerprint("train")
    tree.edit("prefgrid/job/parts.py", "x = 1", "x = 2")
    assert fingerprint("train") != before


@pytest.mark.parametrize("mark", ["INERT = False", "def f():\n    INERT = True", "# INERT = True"])
def test_only_the_mark_itself_makes_a_module_inert(tree, mark):
    before = fingerprint("train")
    tree.write("prefgrid/files/store.py", mark)
    assert fingerprint("train") != before


def test_what_the_spec_chooses_is_never_inert(tree):
    pspo = "prefgrid.objectives.pspo"
    tree.edit("prefgrid/objectives/pspo.py", "x = 2", "INERT = True\nx = 2")
    before = fingerprint("train", pspo)
    tree.edit("prefgrid/objectives/pspo.py", "x = 2", "x = 3")
    assert fingerprint("train", pspo) != before


def test_a_module_chosen_by_the_spec_counts_only_where_it_is_chosen(tree):
    names = ("prefgrid.objectives.dpo", "prefgrid.objectives.pspo")
    plain, dpo, pspo = fingerprint("train"), *(fingerprint("train", name) for name in names)
    assert len({plain, dpo, pspo}) == 3
    tree.edit("prefgrid/objectives/pspo.py", "x = 2", "x = 3")
    assert (fingerprint("train"), fingerprint("train", names[0])) == (plain, dpo)
    assert fingerprint("train", names[1]) != pspo
    tree.edit("prefgrid/objectives/base.py", "x = 1", "x = 3")
    assert fingerprint("train") == plain
    assert fingerprint("train", names[0]) != dpo


def test_a_foreign_module_counts_by_its_own_source(tree, tmp_path_factory, monkeypatch):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.syspath_prepend(elsewhere)
    (elsewhere / "my_objective.py").write_text("from prefgrid.objectives import base\nx = 1\n")
    before = fingerprint("train", "my_objective")
    tree.edit("prefgrid/objectives/base.py", "x = 1", "x = 3")
    between = fingerprint("train", "my_objective")
    assert between != before, "our own modules that it imports count"
    (elsewhere / "my_objective.py").write_text("from prefgrid.objectives import base\nx = 2\n")
    forget()
    assert fingerprint("train", "my_objective") != between


def test_an_unknown_module_is_named(tree):
    with pytest.raises(ModuleNotFoundError, match="no module 'no_such_objective'"):
        fingerprint("train", "no_such_objective")


def test_swapped_code_of_two_modules_is_noticed(tree):
    tree.edit("train.py", "from prefgrid.files import store", "from prefgrid import links, maths")
    before = fingerprint("train")
    links, maths = (tree.folder / f"prefgrid/{name}.py" for name in ("links", "maths"))
    one, two = links.read_text(), maths.read_text()
    tree.write("prefgrid/links.py", two)
    tree.write("prefgrid/maths.py", one)
    assert fingerprint("train") != before


def test_the_script_s_name_leads(tree):
    name, digits = fingerprint("train").split("@")
    assert name == "train"
    assert len(digits) == 16 and set(digits) <= set("0123456789abcdef")


def test_processes_agree_on_the_real_tree():
    """Whatever the hash seed, the working folder and what was fingerprinted before."""
    program = (
        f"import sys; sys.path.insert(0, {str(module.SCRIPTS)!r})\n"
        "from prefgrid.plan.fingerprint import fingerprint\n"
        "print(fingerprint('steps.train_policy', 'prefgrid.objectives.dpo'))"
    )
    found = {fingerprint("steps.train_policy", "prefgrid.objectives.dpo")}
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            cwd="/",
            capture_output=True,
            text=True,
            check=True,
        )
        found.add(done.stdout.strip())
    assert len(found) == 1


def test_the_text_is_the_same_in_every_python():
    """Pinned: `ast.dump` and `ast.unparse` of this line differ between 3.11 and 3.12."""
    text = module._text(ast.parse("def f(x, *a: int): return f'{x!r} {a[\"k\"]}', None"))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "1c34d60b54b65b7d"
