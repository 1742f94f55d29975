"""The command `doctor`: checks an installation, and says for each failure what to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import typer
from rich.text import Text

from config.logging import set_up_logging
from config.settings import Settings, SettingsError
from config.sources import Sources
from worker.cli.database import database_of, redis_of
from worker.cli.exits import ExitCode, Problem
from worker.cli.output import AsJson, clean, console, say, say_json
from worker.health import checks
from worker.health.checks import Installation, Result


def run_doctor(as_json: AsJson = False) -> None:
    """Check settings, database, Redis, mail server, Xero and clock; say what to do about each failure.

    Changes nothing, sends no email, and calls XPM for nobody. Exits with 4 if something is wrong.
    """
    found = []
    for result in _results():
        found.append(result)
        if not as_json:
            _print(result)
    failed = [result for result in found if not result.ok]
    if as_json:
        say_json({"ok": not failed, "checks": [asdict(result) for result in found]})
    else:
        say(f"{len(failed)} of {len(found)} checks failed." if failed else "Everything is in order.")
    if failed:
        raise typer.Exit(ExitCode.NEEDS_PERSON)


def _results() -> Iterator[Result]:
    remedy = "Correct it in the environment; docs/settings.md lists every variable."
    try:
        settings = Settings.load()
        set_up_logging(settings.model_copy(update={"log_level": "error"}))
        database, client = database_of(settings), redis_of(settings)
    except (SettingsError, Problem) as error:
        yield Result("settings", False, str(error), remedy)
        return
    try:
        yield from checks.run(Installation(settings, database, client, Sources()))
    finally:
        client.close()
        database.close()


def _print(result: Result) -> None:
    mark = Text("ok     ", style="green") if result.ok else Text("FAILED ", style="bold red")
    words = f"{result.name}: {result.message}" + (f" {result.remedy}" if result.remedy else "")
    console().print(mark + Text(clean(words), style="default"), soft_wrap=True)
