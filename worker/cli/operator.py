"""What commands share: common options, the operator who acts and why, confirmation, ages and cursors."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, TypeVar
from uuid import UUID

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn

from handlers.access.act import Act, act_of
from handlers.operations.job_query import seconds_of
from portal_db.access.people import Person
from portal_db.paging import LONGEST_PAGE, BadCursor, Cursor
from worker.cli.database import Record
from worker.cli.exits import ExitCode, Problem, explain_refusals
from worker.cli.output import clean, note, progress_bar

AsOperator = Annotated[
    str, typer.Option("--as", metavar="OPERATOR", help="Who acts: an operator's id or email.", show_default=False)
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for the audit trail.", show_default=False)]
OptionalReason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for the audit trail.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation; for scripts.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done; do nothing.")]
Limit = Annotated[int, typer.Option(metavar="N", min=1, max=LONGEST_PAGE, help="How many to list.")]
After = Annotated[
    str | None, typer.Option(metavar="CURSOR", help="Continue after the page that ended with this cursor.")
]
Practice = Annotated[UUID, typer.Option("--practice", metavar="ID", help="The practice's id.", show_default=False)]
OnlyPractice = Annotated[UUID | None, typer.Option("--practice", metavar="ID", help="Only this practice's.")]

BY_HAND = "by hand, on the command line"

#: Without a terminal, progress is printed after every so many records.
STEPS = 100

T = TypeVar("T")


@contextmanager
def acting(record: Record, who: str, why: str, **labels: str) -> Iterator[Act]:
    """An act of an operator. Refusals name what they are about, as in `explain_refusals`."""
    with explain_refusals({"operator": f"--as {who}", "reason": "--reason", **labels}):
        yield act_of(record.database, who, why)


def confirm(question: str, *, yes: bool, about: Person | None = None) -> None:
    """Ask before something that cannot be undone.

    Args:
        about: whom an id stands for, shown to the person who is asked, and to nobody else.

    Raises:
        Problem: standard input is not a terminal, and `--yes` was not given.
        typer.Abort: the answer was no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise Problem(f"{question} There is no terminal to ask on: give --yes.", ExitCode.MISUSED)
    if about is not None:
        note(f"{clean(about.name)}, {about.role.value} at {clean(about.practice)}")
    typer.confirm(question, abort=True, err=True)


def age(text: str | None) -> float | None:
    """Seconds of an age such as `90s`, `15m`, `6h` or `2d`.

    Raises:
        Problem: it is not an age.
    """
    if text is None:
        return None
    seconds = seconds_of(text)
    if seconds is None:
        raise Problem(f"{clean(text)!r} is not an age: write 90s, 15m, 6h or 2d.", ExitCode.MISUSED)
    return seconds


def cursor(text: str | None) -> Cursor | None:
    """A cursor as a list printed it.

    Raises:
        Problem: it is not a cursor.
    """
    try:
        return Cursor.parse(text) if text is not None else None
    except BadCursor:
        raise Problem("--after takes the cursor printed at the end of a list.", ExitCode.MISUSED) from None


def track(what: str, rows: Sequence[T]) -> Iterator[T]:
    """Go through rows with a progress bar on a terminal, and with an occasional line elsewhere."""
    with progress_bar(TextColumn(what), BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn()) as bar:
        for number, row in enumerate(bar.track(rows), 1):
            yield row
            if bar.disable and number % STEPS == 0:
                note(f"{what}: {number:,} of {len(rows):,}")


@contextmanager
def progress_of(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show how far something is that is done many records at a time: a bar on a terminal, lines elsewhere."""
    with progress_bar(TextColumn(what), BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn()) as bar:
        task = bar.add_task("", total=total)
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            bar.update(task, completed=done)
            if bar.disable and count and done < total:
                note(f"{what}: {done:,} of {total:,}")

        yield advance
