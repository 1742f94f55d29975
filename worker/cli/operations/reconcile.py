"""The command `reconcile`: compares record, queue and XPM, repairs what is safe, and shows the rest."""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn

from handlers.operations.reconcile import FINDING_TEXTS, Became, Finding, Report, reconcile
from worker.cli.database import open_record, redis_of
from worker.cli.exits import ExitCode
from worker.cli.output import AsJson, clean, count_of, fields, progress_bar, say, say_json
from worker.parts import Parts
from worker.queue.inspect import RedisQueues

SHOWN = 5
"""The most ids shown of one kind of finding; --json has all."""

COLOURS = {Became.NEEDS_PERSON: "bold red", Became.REPAIRED: "green", Became.REPAIRABLE: "yellow"}


def run_reconcile(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing, and make no call to XPM.")] = False,
    max_links: Annotated[
        int | None,
        typer.Option("--links", metavar="N", min=0, help="How many links to check against XPM. [RECONCILE_LINKS]"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare the database with Redis and XPM; repair what is safe, show the rest.

    Safe to run at any time, also while workers run; the relay does it each night. Exits with 4 if something needs a
    person.
    """
    with open_record() as record:
        settings = record.settings
        client = redis_of(settings)
        columns = (TextColumn("Checking XPM records"), BarColumn(20), MofNCompleteColumn())
        with Parts.assemble(settings) as parts, progress_bar(*columns) as bar:
            task = bar.add_task("", total=None)

            def show(done: int, total: int) -> None:
                bar.update(task, completed=done, total=total)

            queues = RedisQueues(client, parts.bell, settings.redis_namespace)
            limit = settings.reconcile_links if max_links is None else max_links
            report = reconcile(parts.services, queues, dry_run=dry_run, max_links=limit, progress=show)
        client.close()
    if as_json:
        say_json(_result(report, dry_run))
    else:
        _print(report, dry_run)
    if report.needs_person:
        raise typer.Exit(ExitCode.NEEDS_PERSON)


def _print(report: Report, dry_run: bool) -> None:
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
    say(_counts(report, dry_run))


def _counts(report: Report, dry_run: bool) -> str:
    words = [] if report.requests_waiting is None else [f"{count_of(report.requests_waiting, 'request')} on the queue"]
    words.append("XPM not checked" if dry_run else f"{count_of(report.links_checked, 'link')} checked in XPM")
    if report.links_left:
        words.append(f"{report.links_left:,} left for a later run")
    return ", ".join(words) + "."


def _result(report: Report, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "needs_person": report.needs_person,
        "findings": [
            {
                **fields(found, "code subject became done"),
                "message": FINDING_TEXTS[found.code].words,
                "remedy": FINDING_TEXTS[found.code].remedy or None,
            }
            for found in report.findings
        ],
        **fields(report, "requests_waiting links_checked links_left"),
    }
