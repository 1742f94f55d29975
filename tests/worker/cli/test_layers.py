"""The command line reads and writes the database through use cases only."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import worker.cli

FOLDER = Path(worker.cli.__file__).parent
#: They open the database, and upgrade it.
EXEMPT = {"database.py", "setup.py"}


def takes_a_transaction(value: object) -> bool:
    return inspect.isfunction(value) and next(iter(inspect.signature(value).parameters), "") == "tx"


def trespasses(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "portal_db":
            for alias in node.names:
                value = getattr(import_module(str(node.module)), alias.name)
                if isinstance(value, ModuleType) or takes_a_transaction(value):
                    yield f"imports {node.module}.{alias.name}"
        if isinstance(node, ast.Attribute) and node.attr in ("read", "write"):
            owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
            if owner == "database":
                yield f"opens a transaction with database.{node.attr}()"


def test_no_command_opens_a_transaction_or_calls_a_query() -> None:
    files = [file for file in sorted(FOLDER.rglob("*.py")) if file.name not in EXEMPT]
    found = {file.name: list(trespasses(file.read_text())) for file in files}
    assert len(files) > 20
    assert {name: what for name, what in found.items() if what} == {}


def test_a_transaction_and_a_query_are_noticed() -> None:
    source = """
from portal_db.work import imports
from portal_db.work.job_search import Filter, listing
with record.database.read() as tx: imports.get(tx, 1)
"""
    assert list(trespasses(source)) == [
        "imports portal_db.work.imports",
        "imports portal_db.work.job_search.listing",
        "opens a transaction with database.read()",
    ]
