"""The options that choose jobs and dead letters, declared once."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from portal_db.states import JobState
from portal_db.work.job_search import Filter, group_named
from worker.cli.exits import ExitCode, Problem
from worker.cli.operator import age
from worker.cli.output import clean

PracticeFilter = Annotated[UUID | None, typer.Option("--practice", metavar="ID", help="Only this practice's.")]
KindFilter = Annotated[str | None, typer.Option("--kind", metavar="KIND", help="Only jobs of this kind.")]
CodeFilter = Annotated[str | None, typer.Option("--code", metavar="CODE", help="Only with this error code.")]
TextFilter = Annotated[str | None, typer.Option("--text", metavar="TEXT", help="Only with this in the message.")]
OlderFilter = Annotated[str | None, typer.Option("--older-than", metavar="AGE", help="Such as 15m, 6h or 2d.")]
NewerFilter = Annotated[str | None, typer.Option("--newer-than", metavar="AGE", help="Such as 15m, 6h or 2d.")]
GroupFilter = Annotated[str | None, typer.Option("--group", metavar="GROUP", help="As `dead groups` prints it.")]


def chosen(
    practice: UUID | None,
    kind: str | None,
    code: str | None,
    text: str | None,
    older_than: str | None,
    newer_than: str | None,
    group: str | None,
) -> Filter:
    """The filter that the options make.

    Raises:
        Problem: an age or a group that is none.
    """
    named = group_named(group) if group is not None else None
    if group is not None and named is None:
        raise Problem(f"{clean(group)!r} is no group: see `portal-sync dead groups`.", ExitCode.MISUSED)
    return Filter(
        states=(JobState.DEAD,),
        practice_id=practice,
        kind=kind,
        code=code,
        text=text,
        older_than=age(older_than),
        newer_than=age(newer_than),
        group=named,
    )
