"""The fields of every line that our code logs, read from its source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("config", "xpm", "portal_db", "handlers", "worker", "web")
ROOT = Path(__file__).parent.parent
_LEVELS = frozenset({"debug", "info", "warning", "error", "critical", "exception"})
_OTHERS = frozenset({"log_each", "bind_contextvars", "bound_contextvars"})
#: Where `log_each` is defined: what it passes on is read at its callers.
_PASSES_ON = "config/logging.py"


def fields_logged() -> Iterator[tuple[str, str]]:
    """Where a line is logged, and the name of a field of it: for each field."""
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            place = str(file.relative_to(ROOT))
            if place != _PASSES_ON:
                yield from ((f"{place}:{line}", name) for line, name in fields_of(file.read_text()))


def fields_of(source: str) -> Iterator[tuple[int, str]]:
    """The line and the name of each field that a module logs.

    Raises:
        ValueError: the source does not say which fields a line has.
    """
    module = ast.parse(source)
    for node in ast.walk(module):
        if not isinstance(node, ast.Call) or not _logs(node.func):
            continue
        splats = [keyword.value for keyword in node.keywords if keyword.arg is None]
        if ast.unparse(node.func) == "log_each":
            splats.append(node.args[2])
        names = {keyword.arg for keyword in node.keywords if keyword.arg} - {"exc_info"}
        for splat in splats:
            names |= _keys(splat, module)
        yield from ((node.lineno, name) for name in sorted(names))


def _logs(called: ast.expr) -> bool:
    *owner, name = ast.unparse(called).split(".")
    return name in _OTHERS or (owner == ["log"] and name in _LEVELS)


def _keys(value: ast.expr, module: ast.Module) -> set[str]:
    """The keys of a dict, wherever the module makes it: in place, in a function of its own, or under a name."""
    match value:
        case ast.Dict():
            made: list[ast.AST] = [value]
        case ast.DictComp():
            return {str(each.value) for each in ast.walk(value.generators[0].iter) if isinstance(each, ast.Constant)}
        case ast.ListComp():
            return _keys(value.elt, module)
        case ast.Call(func=ast.Name(name)):
            made = [each for each in ast.walk(module) if isinstance(each, ast.FunctionDef) and each.name == name]
        case ast.Name(name):
            made = [
                each
                for each in ast.walk(module)
                if isinstance(each, ast.Assign) and ast.unparse(each.targets[0]).split("[")[0] == name
            ]
        case _:
            made = []
    keys = {str(each.value) for one in made for each in _key_nodes(one) if isinstance(each, ast.Constant)}
    if not keys:
        raise ValueError(f"line {value.lineno}: no dict of {ast.unparse(value)} is in the module")
    return keys


def _key_nodes(made: ast.AST) -> Iterator[ast.expr | None]:
    for each in ast.walk(made):
        if isinstance(each, ast.Dict):
            yield from each.keys
        elif isinstance(each, ast.Subscript) and isinstance(each.ctx, ast.Store):
            yield each.slice
