"""A short text that changes exactly when the code a step really uses changes.

The fingerprint of a script covers its transitive first-party imports, plus the modules its spec
chooses by name. It hashes syntax trees without comments and docstrings, so reformatting and
documenting change nothing. The trees' text is our own: `ast.dump` and `ast.unparse` differ between
Python versions.
"""

import ast
import hashlib
import importlib.util
from functools import cache
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2]

# Modules that carry bytes and messages but cannot change a result, and so hide what they import.
INERT = frozenset(
    {
        "prefgrid.files.store",
        "prefgrid.files.records",
        "prefgrid.files.table_rows",
        "prefgrid.job.explaining",
        "prefgrid.job.jobs",
        "prefgrid.job.devices",
        "prefgrid.run.execution",
    }
)


@cache
def fingerprint(script: str, *chosen_modules: str) -> str:
    """`{script}@{16 hex digits}` over the script's import closure and the chosen modules'.

    script: dotted name of a file below workflow_scripts/, whose stem stands in front. chosen_modules: dotted names that the spec selects;
    third-party ones count by their own source file only.
    """
    closure = sorted(_closure((script, *chosen_modules)))
    digest = hashlib.sha256()
    for module in closure:
        digest.update(f"{module}\n{_tree(module)[0]}\n".encode())
    return f"{script.rpartition('.')[2]}@{digest.hexdigest()[:16]}"


def module_path(module: str) -> Path | None:
    """Source file of a first-party module, or None if it is not one."""
    base = SCRIPTS.joinpath(*module.split("."))
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _closure(roots: tuple[str, ...]) -> set[str]:
    seen: set[str] = set()
    waiting = list(roots)
    while waiting:
        module = waiting.pop()
        if module not in seen and module not in INERT:
            seen.add(module)
            waiting += _tree(module)[1]
    return seen


@cache
def _tree(module: str) -> tuple[str, tuple[str, ...]]:
    """(normalised source, first-party modules it imports) of one module."""
    path = module_path(module) or _foreign_path(module)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree))
    imports = {name for node in nodes for name in _imported(node, module, path)}
    used = tuple(sorted(name for name in imports if name != module and module_path(name)))
    _remove_docstrings(nodes)
    return _text(tree), used


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
