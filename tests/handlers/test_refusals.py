"""The table of refusals, held against the source: every use fits its entry, every entry is used and in house style."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from handlers import refusals
from handlers.errors import Refusal

ROOT = Path(__file__).parents[2]
TABLE = {name: entry for name, entry in vars(refusals).items() if isinstance(entry, Refusal)}


def _values(entry: Refusal) -> set[str]:  # type: ignore[type-arg]
    """The names in the braces of an entry's words."""
    return {
        name for words in (entry.message, entry.remedy) for _, name, _, _ in string.Formatter().parse(words) if name
    }


def _sources() -> Iterator[tuple[str, ast.Module]]:
    for package in ("handlers", "web", "worker"):
        for path in sorted((ROOT / package).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


def _entry_named(node: ast.AST) -> str | None:
    """The `NAME` of `refusals.NAME`."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "refusals":
        return node.attr
    return None


def _aliases(tree: ast.Module) -> dict[str, list[str]]:
    """Variables that hold one of several entries until it is called: `refusal = refusals.A if … else refusals.B`."""
    found: dict[str, list[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.IfExp) and isinstance(node.targets[0], ast.Name):
            names = [_entry_named(node.value.body), _entry_named(node.value.orelse)]
            if None not in names:
                found[node.targets[0].id] = [name for name in names if name]
    return found


def _calls() -> Iterator[tuple[str, str, ast.Call]]:
    """Each place, the entry called there, and the call."""
    for path, tree in _sources():
        aliases = _aliases(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = _entry_named(node.func)
                known = aliases.get(node.func.id, []) if isinstance(node.func, ast.Name) else []
                for entry in [name] if name else known:
                    yield f"{path}:{node.lineno}", entry, node


def test_every_refusal_is_made_with_exactly_the_values_that_its_words_need() -> None:
    wrong = []
    for place, name, call in _calls():
        if name not in TABLE:
            wrong.append(f"{place}: there is no {name}")
            continue
        entry = TABLE[name]
        given = {keyword.arg for keyword in call.keywords} | ({"field"} if entry.field else set())
        needed = _values(entry)
        if call.args or given - {"field"} != needed - {"field"} or ("field" in needed and "field" not in given):
            wrong.append(f"{place}: {name} needs {sorted(needed)} and is given {sorted(map(str, given))}")
    assert not wrong


def test_every_entry_is_used_and_every_name_used_is_an_entry() -> None:
    used = {name for _, tree in _sources() for node in ast.walk(tree) if (name := _entry_named(node))}
    called = {name for _, name, _ in _calls()}
    assert used == set(TABLE)
    assert called == used, "an entry that is named must be called, so that the values can be checked"


@pytest.mark.parametrize("name", TABLE)
def test_codes_are_snake_case_and_words_are_sentences(name: str) -> None:
    entry = TABLE[name]
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", entry.code)
    # A message may begin with the name of a field or a filled-in value: `url: the address must …`.
    assert re.match(r"[A-Z{]|[a-z_]+: ", entry.message) or entry.message.startswith(f"{entry.field} ")
    assert entry.message.endswith(".")
    assert not entry.remedy or (entry.remedy[0].isupper() and entry.remedy.endswith("."))


def test_no_two_entries_are_the_same() -> None:
    known = [(entry.error, entry.code, entry.message, entry.remedy, entry.field) for entry in TABLE.values()]
    assert len(set(known)) == len(known)


def test_the_words_are_filled_in() -> None:
    refusal = refusals.BAD_FIELD(field="name", reason="must not be blank")
    assert (refusal.code, refusal.field) == ("bad_request", "name")
    assert refusal.message == "name: must not be blank."
