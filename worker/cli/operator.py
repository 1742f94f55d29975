"""What operators' commands share: who acts and why, confirmation, ids and ages."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, TypeVar

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from handlers.access.act import Act, act_of
from portal_db.paging import LONGEST_PAGE, BadCursor, Cursor
from worker.cli.database import Record
from worker.cli.exits import ExitCode, Problem, refusals_naming
from worker.cli.output import clean, console, note

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

BY_HAND = "by hand, on the command line"

#: Without a terminal, progress is told each so many.
STEPS = 100

T = TypeVar("T")

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@contextmanager
def acting(record: Record, who: str, why: str, **given: str) -> Iterator[Act]:
    """An act of an operator; what a use case refuses is told with what it is about.

    Args:
        given: by a use case's name of a field, what the command line had in its place.
    """
    with refusals_naming({"operator": f"--as {who}", "reason": "--reason", **given}):
        yield act_of(record.database, who, why)


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that cannot be undone.

    Raises:
        Problem: there is nobody to ask, and `--yes` was not given.
        typer.Abort: the answer was no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise Problem(f"{question} There is no terminal to ask on: give --yes.", ExitCode.MISUSED)
    typer.confirm(question, abort=True, err=True)


def age(text: str | None) -> float | None:
    """Seconds of an age such as `90s`, `15m`, `6h` or `2d`.

    Raises:
        Problem: it is none.
    """
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,6})([smhd])", text.strip())
    if found is None:
        raise Problem(f"{clean(text)!r} is not an age: write 90s, 15m, 6h or 2d.", ExitCode.MISUSED)
    return float(found[1]) * _UNITS[found[2]]


def cursor(text: str | None) -> Cursor | None:
    """A cursor as a list printed it.

    Raises:
        Problem: it is none.
    """
    try:
        return Cursor.parse(text) if text is not None else None
    except BadCursor:
        raise Problem("--after takes the cursor printed at the end of a list.", ExitCode.MISUSED) from None


def more(found: int, limit: int, last: Cursor | None) -> str | None:
    """The cursor to go on with when a page was full; told on standard error."""
    if found < limit or last is None:
        return None
    note(f"There may be more: --after {last}")
    return str(last)


def counted(what: str, many: Sequence[T]) -> Iterator[T]:
    """Go through many things, with a progress bar on a terminal and a line now and then elsewhere."""
    out = console(stderr=True)
    if not out.is_terminal:
        for number, one in enumerate(many, 1):
            yield one
            if number % STEPS == 0:
                note(f"{what}: {number:,} of {len(many):,}")
        return
    columns = (TextColumn(what), BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=out, transient=True) as bar:
        yield from bar.track(many)
