"""What the documents claim about the code, checked."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import SecretStr

from config.settings import Settings
from handlers.findings import MEANINGS
from worker.cli.app import build

ROOT = Path(__file__).parent.parent


def test_the_files_through_which_one_import_is_followed_exist() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    walk = text.split("## Follow one import through the code")[1].split("\n## ")[0]
    files = re.findall(r"^\d\. `([^`]+)`", walk, flags=re.MULTILINE)
    assert len(files) == 5
    assert [name for name in files if not (ROOT / name).is_file()] == []


def test_the_consumer_is_as_long_as_the_documents_say_and_no_longer_than_sixty_lines() -> None:
    lines = len((ROOT / "worker" / "consumer.py").read_text().splitlines())
    claimed = re.search(r"`worker/consumer.py`, (\d+) lines", (ROOT / "docs" / "architecture.md").read_text())
    assert claimed is not None
    assert lines == int(claimed[1]) <= 60


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


#: Commands of the runbook that another branch brings; to be emptied when it has landed.
PROMISED = {"dead", "emails", "imports amend", "imports cancel", "jobs", "pause", "pauses", "resume"}


def test_every_command_and_every_finding_of_the_runbook_exists() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    # A command's words are in small letters; what stands for a value is in capitals, and ends it.
    typed = {words.strip() for words in re.findall(r"portal-sync ((?:[a-z-]+(?: |(?=[`\n]))){1,2})", text)}
    typed = {" ".join(word for word in words.split() if not word.startswith("-")) for words in typed}
    app = build()
    known = {str(command.name) for command in app.registered_commands}
    for group in app.registered_groups:
        assert group.typer_instance is not None
        known |= {f"{group.name} {command.name}" for command in group.typer_instance.registered_commands}
    unknown = {words for words in typed - known if words not in PROMISED and words.split()[0] not in PROMISED}
    assert unknown == set()
    assert len(known & typed) > 7
    listed = re.findall(r"^\| `([a-z_]+)` \|", text.split("## What reconcile finds")[1].split("\n## ")[0], re.MULTILINE)
    assert listed == list(dict.fromkeys(listed))
    assert set(listed) == set(MEANINGS)
