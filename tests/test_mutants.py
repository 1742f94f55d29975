"""The tool that takes guards away, tried on a project of two lines; and its table, held against the present source."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mutants.__main__ import BaselineFailed, judge, main
from tests.mutants.mutant import Edit, Mutant, Stale
from tests.mutants.page import page
from tests.mutants.table import AREAS, MUTANTS
from tests.mutants.workshop import ROOT, Verdict, Workshop, workshop

DOOR = """def enter(name):
    if not name:
        raise ValueError("who is it?")
    return name
"""
TESTS = """import time
import pytest
from config.door import enter

@pytest.fixture
def guest():
    return enter("Ann")

def test_nobody_enters_without_a_name():
    with pytest.raises(ValueError, match="who"):
        enter("")

def test_ann_enters(guest):
    assert guest == "Ann"

def test_that_takes_long():
    time.sleep(60)

def test_that_fails():
    raise AssertionError

def test_that_is_skipped():
    pytest.skip("not today")
"""
GUARD = '    if not name:\n        raise ValueError("who is it?")\n'


def of_door(name: str) -> str:
    return f"tests/test_door.py::{name}"


def mutant(old: str, new: str, *tests: str) -> Mutant:
    ids = tuple(of_door(test) for test in tests)
    return Mutant("without-guard", "a name is needed", "anybody enters", (Edit("config/door.py", old, new),), ids)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    files = {"config/__init__.py": "", "config/door.py": DOOR, "tests/__init__.py": "", "tests/test_door.py": TESTS}
    for name, text in {**files, "pyproject.toml": "[tool.pytest.ini_options]\n"}.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture(scope="module")
def shop(project: Path) -> Iterator[Workshop]:
    with workshop(project) as made:
        yield made


def test_a_guard_that_is_missed_is_red_and_is_put_back(shop: Workshop) -> None:
    test = of_door("test_nobody_enters_without_a_name")
    for _ in range(2):
        assert shop.judge(mutant(GUARD, "", "test_nobody_enters_without_a_name")) == (Verdict.RED, "")
        assert shop.run([test]) == {test: "passed"}


def test_a_guard_that_nobody_misses_is_green(shop: Workshop) -> None:
    verdict, why = shop.judge(mutant(GUARD, "", "test_nobody_enters_without_a_name", "test_ann_enters"))
    assert verdict is Verdict.GREEN, "each named test must notice"
    assert "test_ann_enters" in why
    assert "test_nobody" not in why


@pytest.mark.parametrize("old", ["if name is None:", "name"], ids=["nowhere", "several times"])
def test_an_edit_that_does_not_fit_is_stale(shop: Workshop, old: str) -> None:
    verdict, why = shop.judge(mutant(old, "", "test_ann_enters"))
    assert verdict is Verdict.STALE
    assert "config/door.py" in why


BROKEN = {
    "a name that does not exist": ("raise ValueError", "raise Valueerror", "test_nobody_enters_without_a_name"),
    "no Python": ("def enter(name):", "def enter(name:", "test_nobody_enters_without_a_name"),
    "fails in its set-up": ("    return name", '    raise ValueError("no")', "test_ann_enters"),
    "no such test": (GUARD, "", "test_that_was_renamed"),
    "skipped": (GUARD, "", "test_that_is_skipped"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_run_that_decides_nothing_is_broken(shop: Workshop, case: str) -> None:
    assert shop.judge(mutant(*BROKEN[case]))[0] is Verdict.BROKEN


def test_a_test_that_does_not_end_is_ended(shop: Workshop) -> None:
    test = of_door("test_that_takes_long")
    assert shop.run([test], seconds=1.0) == {test: "timeout"}
    assert shop.run([of_door("test_ann_enters")]) == {of_door("test_ann_enters"): "passed"}


def test_named_tests_must_pass_before_anything_is_taken_away(project: Path) -> None:
    bad = ("test_that_fails", "test_that_is_skipped")
    with pytest.raises(BaselineFailed) as failed:
        judge([mutant(GUARD, "", "test_ann_enters", *bad)], project)
    assert all(name in str(failed.value) for name in bad)
    assert "test_ann_enters" not in str(failed.value)


def test_a_name_that_no_mutant_has_is_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "nobody"]) == 2
    assert "--page" in capsys.readouterr().err


def test_every_edit_fits_the_present_source() -> None:
    stale = []
    for each in MUTANTS:
        sources: dict[str, str] = {}
        for edit in each.edits:
            source = sources.get(edit.file) or (ROOT / edit.file).read_text(encoding="utf-8")
            try:
                sources[edit.file] = edit.applied_to(source)
            except Stale as error:
                stale.append(f"{each.name}: {error}")
        for file, source in sources.items():
            if file.endswith(".py"):
                ast.parse(source, file)
    assert stale == []


def test_every_mutant_has_a_name_of_its_own_and_tests_that_exist() -> None:
    assert [name for name, number in Counter(each.name for each in MUTANTS).items() if number > 1] == []
    assert all(each.tests and each.edits for each in MUTANTS)
    named = sorted({test for each in MUTANTS for test in each.tests})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-n0", "-p", "no:cacheprovider", *named]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.splitlines()
    assert sorted({*named} - {*listed}) == [], "as pytest names them, with their parameters"


def test_the_page_of_guards_is_the_table() -> None:
    written = (ROOT / "docs/guards.md").read_text(encoding="utf-8")
    assert written == page(AREAS), "regenerate it: python -m tests.mutants --page > docs/guards.md"
