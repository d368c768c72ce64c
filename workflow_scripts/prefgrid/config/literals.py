"""Literal constants of a module, read from its source without importing it.

So planning can ask a plug-in what it needs while torch and matplotlib stay out of Snakemake's process.
"""

import ast
import importlib.util
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any


def found(module: str) -> Path | None:
    """Source file of an importable module; its parents are imported, itself it is not.

    None if there is none; ValueError if a parent, which is anybody's code, cannot be imported.
    """
    if not all(part.isidentifier() for part in module.split(".")):
        return None
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return None
    except Exception as error:
        raise ValueError(f"{module!r}: above it, {type(error).__name__}: {error}") from error
    return None if spec is None or spec.origin is None else Path(spec.origin)


def read(module: str, names: Iterable[str], called: str = "") -> dict[str, Any]:
    """Name → value of the constants `names` at the top level of a module, by its dotted name.

    Values are the caller's own. ValueError names what it lacks, and the module as it is `called`.
    """
    values, called = _assigned(module), called or f"module {module!r}"
    wanted = {}
    for name in names:
        if name not in values:
            raise ValueError(f"{called} lacks the literal {name}")
        try:
            wanted[name] = ast.literal_eval(values[name])
        except ValueError:
            raise ValueError(
                f"{called}: {name} is no literal, since planning reads it without running it"
            ) from None
    return wanted


def optional(module: str, name: str, default: Any, called: str = "") -> Any:
    """As `read`, of one constant that the module may leave out."""
    return read(module, [name], called)[name] if name in _assigned(module) else default


def defines(module: str, names: Iterable[str], called: str = "") -> None:
    """ValueError naming the first of `names` that a module's top level neither defines nor imports."""
    called, found = called or f"module {module!r}", set(_assigned(module))
    for node in _parsed(module):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
    for name in names:
        if name not in found:
            raise ValueError(f"{called} lacks {name}")


@cache
def _assigned(module: str) -> dict[str, ast.expr]:
    """What a module's top level assigns to plain names, the last one of each."""
    assigned = {}
    for node in _parsed(module):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        # What is added to later (X += …) is no literal; its own name stands for that.
        value = getattr(node, "target" if isinstance(node, ast.AugAssign) else "value", None)
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        assigned |= dict.fromkeys(names if value else (), value)
    return assigned


@cache
def _parsed(module: str) -> list[ast.stmt]:
    path = _source(module)
    try:
        return ast.parse(path.read_text(encoding="utf-8")).body
    except SyntaxError as error:
        raise ValueError(f"{path}, line {error.lineno}: {error.msg}") from error


def _source(module: str) -> Path:
    path = found(module)
    if path is None or path.suffix != ".py":
        raise ValueError(f"no module {module!r} with a Python source")
    return path
