"""A release is installed over the one that runs: a process goes on with the templates that it started with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("config", "xpm", "portal_db", "handlers", "web")

#: Prints, as one line for each round, what the pages, the console and emails are made of.
PROCESS = """
from pathlib import Path

from config.settings import Settings
from handlers.email.compose import compose
from web.console import view as console
from web.pages.frame import view as pages


def show(name):
    email = compose(Settings(), name, to="kim@mail.example", subject="", message_id="1", values={})
    texts = [part.get_payload(decode=True).decode() for part in email.get_payload()]
    page = f"{name}.html"
    print(pages.part(page).body.decode(), console._templates.get_template(page).render(), *texts)


show("rendered")
for folder in ("web/templates", "handlers/email/templates"):
    for file in Path(folder).glob("*.*"):
        file.write_text("new")
for name in ("rendered", "later"):
    show(name)
"""


def test_a_process_keeps_the_templates_that_it_started_with(tmp_path: Path) -> None:
    # Given an installed release with two templates more, of pages and of emails
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package)
    for file in ("web/templates/{}.html", "handlers/email/templates/{}.html", "handlers/email/templates/{}.txt"):
        for name in ("rendered", "later"):
            (tmp_path / file.format(name)).write_text("old")
    # When a process has rendered one of each, and the next release is installed over it
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", PROCESS]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    # Then it renders both as they were when it started
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == 3 * ["old old old old"]
