"""The commands `dead requeue` and `dead dismiss`: for one dead letter, for many, or for all of one cause."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any
from uuid import UUID

import typer

from handlers.dismiss_dead_letter import dismiss
from handlers.requests import RequestRefused
from handlers.requeue_dead_letter import requeue, would_refuse
from portal_db import job_search
from portal_db.database import Database
from portal_db.job_search import Filter, group_named
from portal_db.states import JobState
from portal_db.types import database_time
from worker.cli.acting import (
    BY_HAND,
    AsOperator,
    DryRun,
    OptionalReason,
    Reason,
    Yes,
    acting,
    age,
    confirm,
    counted,
)
from worker.cli.exits import ExitCode, Problem, as_problem
from worker.cli.output import AsJson, clean, count_of, note, say, say_json
from worker.cli.record import opened

#: Dead letters that one command takes on at most; it is given again for more.
MOST = 10_000
PAGE = 500
#: Refusals that are told one by one.
SHOWN = 20

Ids = Annotated[list[UUID] | None, typer.Argument(metavar="[JOB]...", help="Dead letters by id.", show_default=False)]
PracticeFilter = Annotated[UUID | None, typer.Option("--practice", metavar="ID", help="Only this practice's.")]
KindFilter = Annotated[str | None, typer.Option("--kind", metavar="KIND", help="Only jobs of this kind.")]
CodeFilter = Annotated[str | None, typer.Option("--code", metavar="CODE", help="Only with this error code.")]
TextFilter = Annotated[str | None, typer.Option("--text", metavar="TEXT", help="Only with this in the message.")]
OlderFilter = Annotated[str | None, typer.Option("--older-than", metavar="AGE", help="Such as 15m, 6h or 2d.")]
NewerFilter = Annotated[str | None, typer.Option("--newer-than", metavar="AGE", help="Such as 15m, 6h or 2d.")]
GroupFilter = Annotated[str | None, typer.Option("--group", metavar="GROUP", help="As `dead groups` prints it.")]
All = Annotated[bool, typer.Option("--all", help="Every dead letter there is.")]
PerMinute = Annotated[
    int | None, typer.Option(metavar="N", min=1, max=6_000, help="Let so many go each minute; the record keeps it.")
]


def register(app: typer.Typer) -> None:
    """Add these commands to the group `dead`."""
    app.command("requeue")(requeue_dead)
    app.command("dismiss")(dismiss_dead)


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


@dataclass
class Result:
    """What became of each dead letter that was taken on."""

    done: list[Any] = field(default_factory=list)
    refused: list[tuple[UUID, RequestRefused]] = field(default_factory=list)

    def as_json(self, done: str, **more: Any) -> dict[str, Any]:
        refused = [
            {"id": str(job_id), "code": refusal.code, "message": refusal.message, "remedy": refusal.remedy}
            for job_id, refusal in self.refused
        ]
        return {**more, done: self.done, "refused": refused}


def requeue_dead(
    operator: AsOperator,
    ids: Ids = None,
    practice: PracticeFilter = None,
    kind: KindFilter = None,
    code: CodeFilter = None,
    text: TextFilter = None,
    older_than: OlderFilter = None,
    newer_than: NewerFilter = None,
    group: GroupFilter = None,
    everything: All = False,
    per_minute: PerMinute = None,
    reason: OptionalReason = BY_HAND,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Run dead letters again: those named, those of a group, or those that filters match.

    What was done elsewhere since is not done twice: it says what did it. The oldest goes first. With --per-minute each
    waits its turn in the record, whatever becomes of this command.
    """
    which = chosen(practice, kind, code, text, older_than, newer_than, group)
    gap = 60 / per_minute if per_minute else 0.0
    with opened() as record, acting(record, operator, reason) as act:
        database = record.database
        job_ids = _job_ids(database, ids, which, everything)
        if not dry_run and len(job_ids) > 1:
            confirm(f"Requeue {count_of(len(job_ids), 'dead letter')}?", yes=yes)

        def one(job_id: UUID, turn: int) -> dict[str, Any]:
            done = requeue(database, act, job_id, in_seconds=turn * gap)
            return {"id": str(job_id), "import_id": done.import_id, "import_state": done.state,
                    "in_seconds": round(done.in_seconds, 1)}  # fmt: skip

        result = _checked(database, job_ids) if dry_run else _each("Requeueing", job_ids, one)
    lasts = f" The last one's turn is in {_minutes((len(result.done) - 1) * gap)}." if gap and result.done else ""
    verb = "would be requeued" if dry_run else "requeued"
    _tell(result, f"{count_of(len(result.done), 'dead letter')} {verb}.{lasts}", "requeued", dry_run, as_json)


def dismiss_dead(
    operator: AsOperator,
    reason: Reason,
    ids: Ids = None,
    practice: PracticeFilter = None,
    kind: KindFilter = None,
    code: CodeFilter = None,
    text: TextFilter = None,
    older_than: OlderFilter = None,
    newer_than: NewerFilter = None,
    group: GroupFilter = None,
    everything: All = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Take dead letters out for good, with a reason: nobody will do their work.

    An import that is not created yet ends cancelled; one that is stays partly succeeded.
    """
    which = chosen(practice, kind, code, text, older_than, newer_than, group)
    with opened() as record, acting(record, operator, reason) as act:
        job_ids = _job_ids(record.database, ids, which, everything)
        if not dry_run and job_ids:
            confirm(f"Dismiss {count_of(len(job_ids), 'dead letter')} for good?", yes=yes)

        def one(job_id: UUID, _: int) -> dict[str, Any]:
            done = dismiss(record.database, act, job_id)
            return {"id": str(job_id), "import_id": done.import_id, "import_state": done.state}

        result = Result([{"id": str(job_id)} for job_id in job_ids]) if dry_run else _each("Dismissing", job_ids, one)
    verb = "would be dismissed" if dry_run else "dismissed"
    _tell(result, f"{count_of(len(result.done), 'dead letter')} {verb}.", "dismissed", dry_run, as_json)


def _job_ids(database: Database, ids: list[UUID] | None, which: Filter, everything: bool) -> Sequence[UUID]:
    """The dead letters that are meant, the oldest first: those that were named, or those that match now."""
    filtered = which != Filter(states=(JobState.DEAD,))
    if sum((bool(ids), filtered, everything)) != 1:
        raise Problem("Name dead letters, or give filters, or --all.", ExitCode.MISUSED)
    if ids:
        return list(dict.fromkeys(ids))
    found: list[UUID] = []
    after = None
    with database.read() as tx:
        until = database_time(tx.session)
        while page := job_search.oldest_first(tx, which, until=until, limit=PAGE, after=after):
            found += [job_id for job_id, _ in page]
            after = page[-1][1]
            if len(found) >= MOST:
                note(f"These are the oldest {MOST:,}; give the command again for more.")
                break
    return found[:MOST]


def _each(what: str, job_ids: Sequence[UUID], one: Callable[[UUID, int], dict[str, Any]]) -> Result:
    """Each in a transaction of its own, so that workers get through; a refusal takes no turn."""
    result = Result()
    for job_id in counted(what, job_ids):
        try:
            result.done.append(one(job_id, len(result.done)))
        except RequestRefused as refusal:
            result.refused.append((job_id, refusal))
    return result


def _checked(database: Database, job_ids: Sequence[UUID]) -> Result:
    result = Result()
    for job_id in counted("Checking", job_ids):
        refusal = would_refuse(database, job_id)
        if refusal is None:
            result.done.append({"id": str(job_id)})
        else:
            result.refused.append((job_id, refusal))
    return result


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _tell(result: Result, words: str, done: str, dry_run: bool, as_json: bool) -> None:
    if as_json:
        say_json(result.as_json(done, dry_run=dry_run))
    elif len(result.refused) == 1 and not result.done:
        [(job_id, refusal)] = result.refused
        raise as_problem(refusal, {"job_id": f"Job {job_id}"})
    else:
        say(words)
        for job_id, refusal in result.refused[:SHOWN]:
            note(clean(f"{job_id} not: {refusal.message} {refusal.remedy}"))
        if len(result.refused) > SHOWN:
            note(f"… and {len(result.refused) - SHOWN:,} more were refused (all of them with --json)")
    if result.refused:
        raise typer.Exit(ExitCode.FAILED)
