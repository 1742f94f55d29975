"""The command `reconcile`: compares record, queue and XPM, repairs what is safe, and shows the rest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from handlers.operations.reconcile import FINDING_TEXTS, Became, Finding, Report, reconcile
from worker.cli.database import opened, redis_of
from worker.cli.exits import ExitCode
from worker.cli.output import AsJson, clean, console, count_of, say, say_json
from worker.parts import Parts
from worker.queue.inspect import RedisQueues

SHOWN = 5
"""Ids shown of one kind of finding; --json has all."""

COLOURS = {Became.NEEDS_PERSON: "bold red", Became.REPAIRED: "green", Became.REPAIRABLE: "yellow"}


def run_reconcile(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing, and make no call to XPM.")] = False,
    max_links: Annotated[
        int | None,
        typer.Option("--links", metavar="N", min=0, help="How many links to check against XPM. [RECONCILE_LINKS]"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare the record with itself, with Redis and with XPM; repair what is safe, show the rest.

    Safe beside running workers, and as often as you like; the relay does it each night. Ends with 4 if something needs
    a person.
    """
    with opened() as record:
        settings = record.settings
        client = redis_of(settings)
        with Parts.assemble(settings) as parts, _display() as show:
            queues = RedisQueues(client, parts.bell, settings.redis_namespace)
            limit = settings.reconcile_links if max_links is None else max_links
            report = reconcile(parts.services, queues, dry_run=dry_run, max_links=limit, progress=show)
        client.close()
    if as_json:
        say_json(_result(report, dry_run))
    else:
        _tell(report, dry_run)
    if report.needs_person:
        raise typer.Exit(ExitCode.NEEDS_PERSON)


def _tell(report: Report, dry_run: bool) -> None:
    by_kind: dict[tuple[str, Became], list[Finding]] = defaultdict(list)
    for found in report.findings:
        by_kind[found.code, found.became].append(found)
    for (code, became), findings in by_kind.items():
        meaning = FINDING_TEXTS[code]
        say(f"{len(findings):,} x {code}: {became.value}", style=COLOURS[became])
        say(f"    {meaning.words}")
        if became is Became.NEEDS_PERSON:
            say(f"    {meaning.remedy}")
        for found in findings[:SHOWN]:
            say(f"    {clean(found.subject)}" + (f"  {found.done}" if found.done else ""))
        if len(findings) > SHOWN:
            say(f"    … and {len(findings) - SHOWN:,} more; --json shows all.")
    if not report.findings:
        say("No discrepancies found.")
    say(_figures(report, dry_run))


def _figures(report: Report, dry_run: bool) -> str:
    words = [] if report.requests_waiting is None else [f"{count_of(report.requests_waiting, 'request')} on the queue"]
    words.append("XPM not checked" if dry_run else f"{count_of(report.links_checked, 'link')} checked in XPM")
    if report.links_left:
        words.append(f"{report.links_left:,} left for the next run")
    return ", ".join(words) + "."


def _result(report: Report, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "needs_person": report.needs_person,
        "findings": [
            {
                "code": found.code,
                "subject": found.subject,
                "became": found.became.value,
                "done": found.done,
                "message": FINDING_TEXTS[found.code].words,
                "remedy": FINDING_TEXTS[found.code].remedy or None,
            }
            for found in report.findings
        ],
        "requests_waiting": report.requests_waiting,
        "links_checked": report.links_checked,
        "links_left": report.links_left,
    }


@contextmanager
def _display() -> Iterator[Callable[[int, int], None]]:
    """A bar while XPM is asked, on a terminal."""
    out = console(stderr=True)
    if not out.is_terminal:
        yield lambda *_: None
        return
    columns: Sequence[Any] = (TextColumn("Checking XPM records"), BarColumn(20), MofNCompleteColumn())
    with Progress(*columns, console=out, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
