"""What the documents claim about the code, checked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import typer
from pydantic import SecretStr
from typer.core import TyperGroup

from config.settings import Settings
from handlers.operations.reconcile import FINDING_TEXTS
from worker.cli.app import build

ROOT = Path(__file__).parent.parent


def test_the_files_through_which_one_import_is_followed_exist() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    walk = text.split("## Follow one import through the code")[1].split("\n## ")[0]
    files = re.findall(r"^\d\. `([^`]+)`", walk, flags=re.MULTILINE)
    assert len(files) == 5
    assert [name for name in files if not (ROOT / name).is_file()] == []


def test_every_path_that_the_documents_name_exists() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    rooms = "config|xpm|portal_db|handlers|worker|web|tests|bench|docs"
    named = {(page.name, path) for page in pages for path in re.findall(rf"`((?:{rooms})/[\w/.-]*)`", page.read_text())}
    assert [where for where in sorted(named) if not (ROOT / where[1]).exists()] == []
    assert len(named) > 40


def test_every_module_in_the_table_of_pages_exists() -> None:
    cells = re.findall(r"^\| .+ \| .+ \| ([^|]+) \|$", (ROOT / "docs" / "pages.md").read_text(), re.MULTILINE)
    modules = {module for cell in cells for module in re.findall(r"`(\w+/\w+\.py)`", cell)}
    assert len(modules) > 25
    assert [module for module in sorted(modules) if not (ROOT / "web" / "pages" / module).is_file()] == []


def test_every_setting_is_documented_with_its_default() -> None:
    text = (ROOT / "docs" / "settings.md").read_text()
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", text, flags=re.MULTILINE))
    assert set(rows) == {name.upper() for name in Settings.model_fields}
    for name, field in Settings.model_fields.items():
        default = field.default
        plain = default.get_secret_value() if isinstance(default, SecretStr) else default
        shown = f"{plain:g}" if isinstance(plain, float) else str(plain)
        words = {"()": "none", "": "empty"}
        assert rows[name.upper()] == words.get(shown, f"`{shown}`"), name


def test_every_behaviour_of_an_import_has_a_test() -> None:
    text = (ROOT / "docs" / "pages.md").read_text()
    rows = re.findall(r"^\| b\.(\d+) \| .*? \| `([\w/]+\.py)::(\w+)` \|$", text, flags=re.MULTILINE)
    assert [int(number) for number, _, _ in rows] == list(range(1, 37))
    named = {(file, name) for _, file, name in rows}
    assert [each for each in sorted(named) if f"def {each[1]}(" not in (ROOT / "tests" / each[0]).read_text()] == []


def test_every_walk_that_the_pages_name_is_there() -> None:
    text = (ROOT / "docs" / "pages.md").read_text()
    walks = re.findall(r"^\| [^|]+ \| `(test_\w+\.py)::(\w+)` \|$", text, flags=re.MULTILINE)
    assert len(walks) > 20
    folder = ROOT / "tests" / "e2e"
    assert [name for file, name in walks if f"def {name}(" not in (folder / file).read_text()] == []


def test_links_between_documents_lead_somewhere() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    broken = [
        f"{page.name}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text())
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert len(pages) > 3
    assert broken == []


def typed_commands() -> list[tuple[str, list[str]]]:
    """Every `portal-sync …` of the documents, and its words. A line that goes on after a backslash is one line."""
    found = []
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for line in re.findall(
            r"(?:^(?:\$ )?|`)portal-sync ([^`\n]+)", page.read_text().replace("\\\n", " "), re.MULTILINE
        ):
            typed = re.split(r" [|<>#]|  |: |[;,]", line)[0]
            found.append((f"{page.name}: {typed}", re.sub(r"“[^”]*”|\"[^\"]*\"|'[^']*'", "TEXT", typed).split()))
    return found


def test_every_command_that_the_documents_type_exists_with_its_options() -> None:
    tree: Any = typer.main.get_command(build())
    unknown = []
    for where, words in typed_commands():
        command = tree
        while isinstance(command, TyperGroup) and words and words[0] in command.commands:
            command = command.commands[words.pop(0)]
        options = {name for option in command.params for name in option.opts} | {"--help", "--version"}
        given = {re.split(r"[=|…\]]", word)[0].strip("[]().") for word in words if word.lstrip("[(").startswith("--")}
        is_group = isinstance(command, TyperGroup)
        if is_group and words and re.fullmatch(r"[a-z-]+", words[0]):
            unknown.append(where)
        elif given - options:
            unknown.append(f"{where}: {sorted(given - options)}")
    assert unknown == []
    assert len(typed_commands()) > 40


def test_every_finding_of_reconcile_is_in_the_runbook() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    listed = re.findall(r"^\| `([a-z_]+)` \|", text.split("## What reconcile finds")[1].split("\n## ")[0], re.MULTILINE)
    assert listed == list(dict.fromkeys(listed))
    assert set(listed) == set(FINDING_TEXTS)


def test_the_checklist_answers_every_requirement_once_and_counts_them() -> None:
    text = (ROOT / "docs" / "security-asvs.md").read_text()
    rows = re.findall(r"^\| (\d+\.\d+\.\d+) \| [12] \| .+? \| (.+?) \| .+ \|$", text, re.MULTILINE)
    assert len({number for number, _ in rows}) == len(rows) == 253  # of levels 1 and 2 in ASVS 5.0.0
    counted = [f"{sum(answer == each for _, answer in rows)} {each}" for each in ("met", "not applicable", "open")]
    assert ", ".join(counted) in text
    assert {answer for _, answer in rows} == {"met", "not applicable", "open"}
