"""A short text that changes exactly when the code a step really uses changes.

The fingerprint of a script covers its transitive first-party imports, plus the modules its spec
chooses by name. It hashes syntax trees without comments and docstrings, so reformatting and
documenting change nothing; modules that mark themselves inert are left out. The trees' text is our
own: `ast.dump` and `ast.unparse` differ between Python versions.
"""

import ast
import hashlib
import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2]

# In a module's own source this says that it only refuses, words and carries: it can stop a job, but
# what it returns is what it was given, what its file says, or for people alone. Nothing that can
# change a number, an order or a text of a result may stand there.
MARK = "INERT = True"


@cache
def fingerprint(script: str, *chosen_modules: str) -> str:
    """`{script}@{16 hex digits}` over the script's import closure and the chosen modules'.

    script: dotted name of a file below workflow_scripts/, whose stem stands in front.
    chosen_modules: dotted names that the spec selects; third-party ones count by their own source
    file and what they import from here.
    """
    digest = hashlib.sha256()
    for module in sorted(closure(script, *chosen_modules)):
        digest.update(f"{module}\n{_source(module).text}\n".encode())
    return f"{script.rpartition('.')[2]}@{digest.hexdigest()[:16]}"


def module_path(module: str) -> Path | None:
    """Source file of a first-party module, or None if it is not one."""
    base = SCRIPTS.joinpath(*module.split("."))
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def closure(*roots: str) -> set[str]:
    """`roots` and all modules that they import but inert ones, whose own imports count."""
    seen: set[str] = set()
    waiting = list(roots)
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting += _source(module).imports
    return {module for module in seen if module in roots or not _source(module).inert}


@dataclass(frozen=True)
class _Source:
    """A module: its normalised text, the first-party modules it imports, whether it is inert."""

    text: str
    imports: tuple[str, ...]
    inert: bool


@cache
def _source(module: str) -> _Source:
    path = module_path(module) or _foreign_path(module)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree))
    imports = {name for node in nodes for name in _imported(node, module, path)}
    used = tuple(sorted(name for name in imports if name != module and module_path(name)))
    _remove_docstrings(nodes)
    return _Source(_text(tree), used, any(map(_marks, tree.body)))


def _marks(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Assign) and ast.unparse(statement) == MARK


def _foreign_path(module: str) -> Path:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"no module {module!r} in {SCRIPTS} or in the environment")
    return Path(spec.origin)


def _imported(node: ast.AST, module: str, path: Path) -> list[str]:
    """Every dotted name a statement may import, parents included: their __init__ runs too."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        parts = package.split(".")[: len(package.split(".")) - max(node.level - 1, 0)]
        base = (
            ".".join([*parts, node.module] if node.module else parts) if node.level else node.module
        )
        names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
    else:
        return []
    prefixes = []
    for name in names:
        parts = name.split(".")
        prefixes += [".".join(parts[: i + 1]) for i in range(len(parts))]
    return prefixes


def _remove_docstrings(nodes: list[ast.AST]) -> None:
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in nodes:
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]


def _text(node: object) -> str:
    """A syntax tree as text; empty fields are left out, since newer Pythons add some."""
    if isinstance(node, ast.AST):
        values = ((name, getattr(node, name, [])) for name in node._fields)
        fields = [f"{name}={_text(value)}" for name, value in values if value != []]
        return f"{type(node).__name__}({','.join(fields)})"
    if isinstance(node, list):
        return f"[{','.join([_text(item) for item in node])}]"
    return ascii(node)
