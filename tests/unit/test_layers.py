"""The shape of the source tree: imports point downward, files are small, packages are empty."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPTS = REPOSITORY / "workflow_scripts"
PACKAGE = SCRIPTS / "prefgrid"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")
PROGRAMS = sorted(
    [*SCRIPTS.glob("*.py"), *(p for p in SCRIPTS.glob("*/*.py") if p.parent != PACKAGE)]
)
RULES = sorted((REPOSITORY / "rules").rglob("*.smk"))

# Top to bottom. A part may import itself and what stands below it.
LAYERS = (
    "plan",
    "studies",
    "report",
    "figures",
    "evaluation",
    "statistics",
    # It makes models and data out of nothing, and trains them as anything is trained.
    "tinyworld",
    "training",
    # Everything that jobs do with a model, once.
    "rehearsal",
    # What responses are worth by judges' logits, and which of them train.
    "targets",
    "judges",
    "sampling",
    "objectives",
    "logprobs",
    "models",
    # Of responses, from data sets or made up.
    "comparisons",
    "data",
    "templates",
    "chat",
    "pairs",
    "job",
    "config",
    "files",
    # What stands before a job; standard library only.
    "run",
    "links",
    "seeding",
    # What config, jobs and computation must agree on; standard library only.
    "limits",
)
# Modules of a study that describe it to the plan.
PLANNING = ("base", "config", "checks", "wiring", "registry", "preference_models")
# Those of self-play, which has many.
PLANNING += ("axes", "judge_checks", "measured", "requested")
RUNNER = "python -m run_job"
HEIGHT = {part: -line for line, part in enumerate(LAYERS)}
STANDARD_ONLY = ("run", "limits")


def imported(path: Path) -> set[str]:
    """Dotted names of all modules of the package that a file imports, inside functions too."""
    return {name for name in all_imported(path) if name.split(".")[0] == PACKAGE.name}


def all_imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import; the house style is absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def part(dotted: str) -> str:
    """prefgrid.data.pools.split → data"""
    return dotted.split(".")[1]


def name(path: Path) -> str:
    return path.relative_to(SCRIPTS).with_suffix("").as_posix().replace("/", ".")


def test_every_module_has_a_layer():
    assert {part(name(path)) for path in MODULES} <= HEIGHT.keys()


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_imports_point_downward(path):
    own = part(name(path))
    for dotted in imported(path):
        other = part(dotted)
        if other == own:
            continue
        assert HEIGHT[other] < HEIGHT[own], f"{name(path)} imports {dotted}, which is not below it"


def test_no_module_and_no_script_imports_a_program():
    """Programs stand on top: the runner, the check, and every script of a rule."""
    tops = {name(path).split(".")[0] for path in PROGRAMS}
    assert {"run_job", "verify", "steps", "worlds"} <= tops
    for path in (*MODULES, *PROGRAMS):
        programs = {dotted for dotted in all_imported(path) if dotted.split(".")[0] in tops}
        assert not programs, f"{name(path)} imports {programs}"


@pytest.mark.parametrize("folder", STANDARD_ONLY)
def test_the_runner_and_the_limits_need_the_standard_library_alone(folder):
    """At import; what only some jobs need (torch's launcher, psutil at the end) may come later."""
    for path in (PACKAGE / folder).rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module]
            tops = {name.split(".")[0] for name in names} - {"prefgrid"}
            assert tops <= sys.stdlib_module_names, f"{name(path)} imports {tops}"


def test_no_module_imports_itself_in_a_circle():
    edges = {name(path): {_module(dotted) for dotted in imported(path)} for path in MODULES}
    waiting = dict(edges)
    while waiting:
        free = [module for module, below in waiting.items() if not below & waiting.keys()]
        assert free, f"a circle among {sorted(waiting)}"
        for module in free:
            del waiting[module]


def _module(dotted: str) -> str:
    """The module that a dotted name is in: prefgrid.data.pools.split → prefgrid.data.pools."""
    if SCRIPTS.joinpath(*dotted.split(".")).with_suffix(".py").is_file():
        return dotted
    return dotted.rpartition(".")[0]


def test_only_its_own_scripts_import_the_tiny_world():
    """Everything between the worlds' rules is the same code for both."""
    users = {path.stem for path in PROGRAMS if any(part(n) == "tinyworld" for n in imported(path))}
    tiny_rules = (REPOSITORY / "rules" / "worlds" / "tiny.smk").read_text()
    assert users and all(re.search(rf"\b{user}\b", tiny_rules) for user in users)
    for path in MODULES:
        if part(name(path)) != "tinyworld":
            assert "tinyworld" not in {part(dotted) for dotted in imported(path)}, name(path)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_scripts_never_import_the_config(path):
    """A script sees its spec alone; else a config key could change a result unnoticed."""
    if path.stem not in ("verify", "launch"):
        assert not {n for n in imported(path) if part(n) in ("config", "plan")}


def test_modules_below_the_rules_never_import_the_config():
    for path in MODULES:
        own = name(path)
        if part(own) not in ("config", "plan") and path.stem not in PLANNING:
            assert "config" not in {part(dotted) for dotted in imported(path)}, own


def test_packages_are_empty():
    packages = list(PACKAGE.rglob("__init__.py"))
    folders = {
        parent
        for path in MODULES
        for parent in path.parents
        if PACKAGE in (parent, *parent.parents)
    }
    assert folders == {path.parent for path in packages}
    assert [path for path in packages if path.stat().st_size] == []


def test_files_are_small():
    files = [REPOSITORY / "Snakefile", *RULES, *PROGRAMS, *MODULES]
    files += (REPOSITORY / "benchmarks").glob("*.py")
    long = {
        str(path.relative_to(REPOSITORY)): lines
        for path in files
        if (lines := len(path.read_text().splitlines())) > 250
    }
    assert not long


def test_every_rule_has_a_script_of_its_name_and_every_script_a_rule():
    """Rules with a shell command; the supervisor stands in front of all of them."""
    rules = "\n".join(path.read_text() for path in RULES)
    blocks = re.split(r"^ *(?:rule|checkpoint) (\w+):$", rules, flags=re.MULTILINE)[1:]
    bodies = dict(zip(blocks[::2], blocks[1::2], strict=True))
    with_command = {rule for rule, body in bodies.items() if RUNNER in body}
    assert with_command <= {path.stem for path in PROGRAMS}
    assert {path.stem for path in PROGRAMS} - with_command == {"run_job", "verify", "launch"}
    for rule in with_command:
        [script] = re.findall(
            r" (\w+/\w+)(?= )", bodies[rule].split(RUNNER)[1].partition("--spec")[0]
        )
        assert script.partition("/")[2] == rule, f"{rule}: other script"
        code = script.replace("/", ".")
        assert re.search(rf'code=\w+\("{code}"', bodies[rule]), f"{rule}: other script's code"


def test_what_the_rules_import_loads_no_data_or_model_library():
    """Parsing the Snakefile, which every job of a cluster repeats, must stay light."""
    common = (REPOSITORY / "rules" / "common.smk").read_text()
    lines = re.findall(r"^(?:from|import) prefgrid.*$", common, flags=re.MULTILINE)
    assert lines
    heavy = ("torch", "transformers", "pandas", "numpy", "datasets", "scipy")
    program = "\n".join([*lines, "import sys", f"print([m for m in {heavy} if m in sys.modules])"])
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=SCRIPTS, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_the_conda_environment_has_the_versions_of_the_lock():
    environment = yaml.safe_load((REPOSITORY / "envs" / "prefgrid.yaml").read_text())
    lines = (REPOSITORY / "requirements.lock").read_text().splitlines()
    python, pip, packages = environment["dependencies"]
    assert (python, pip) == ("python=3.11", "pip")
    assert packages == {"pip": [line for line in lines if line and not line.startswith("#")]}


def test_the_lock_has_what_the_tests_need():
    """Kind: tests that are skipped where their package is not installed, which is then everywhere."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    asked, waiting = set(), [*project["dependencies"], *extras["test"], *extras["cluster"]]
    while waiting:
        one = Requirement(waiting.pop())
        waiting += [text for extra in one.extras for text in extras[extra]]
        asked |= {one.name} - {project["name"]}
    lines = (REPOSITORY / "requirements.lock").read_text().splitlines()
    pinned = {line.partition("==")[0].lower() for line in lines}
    assert {"torch", "pytest", "tensorboard", "wandb"} <= asked <= pinned


def test_the_lock_pins_every_version_exactly():
    """No ranges, no extras, no local labels (+cpu): one file for every kind of machine."""
    lines = (REPOSITORY / "requirements.lock").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    pinned = dict(line.split("==") for line in pins)
    assert len(pinned) == len(pins) > 50
    assert [line for line in pins if not re.fullmatch(r"[\w.-]+==\d[\w.]*", line)] == []
    wanted = {
        "torch": "2.13.0",
        "transformers": "5.19.0",
        "trl": "1.16.0",
        "peft": "0.21.2",
        "accelerate": "1.15.0",
        "datasets": "5.2.0",
        "snakemake": "9.27.1",
    }
    assert wanted.items() <= pinned.items()
    assert tuple(map(int, pinned["numpy"].split(".")[:2])) < (2, 4)
