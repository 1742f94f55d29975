"""The group `dead`: list, group, show, requeue and dismiss dead letters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any
from uuid import UUID

import typer

from handlers.errors import RequestRefused
from handlers.jobs.explain import explain
from handlers.operations.dead_letters import dismiss, requeue, would_refuse
from portal_db import audit
from portal_db.database import Database
from portal_db.states import JobState
from portal_db.tables import AuditEntry, Import, Job, JobAttempt
from portal_db.types import database_time
from portal_db.work import imports, job_search
from portal_db.work import jobs as work_jobs
from portal_db.work.job_search import Filter, Group
from worker.cli import show_jobs
from worker.cli.database import opened
from worker.cli.exits import ExitCode, Problem, as_problem
from worker.cli.operations import job_filters as dead_acts
from worker.cli.operations import jobs as operation_jobs
from worker.cli.operations.job_filters import (
    CodeFilter,
    GroupFilter,
    KindFilter,
    NewerFilter,
    OlderFilter,
    PracticeFilter,
    TextFilter,
    chosen,
)
from worker.cli.operator import (
    BY_HAND,
    After,
    AsOperator,
    DryRun,
    Limit,
    OptionalReason,
    Reason,
    Yes,
    acting,
    confirm,
    counted,
)
from worker.cli.output import AsJson, clean, console, count_of, moment, note, say, say_json
from worker.cli.show_imports import entry_result, history

dead_app = typer.Typer(no_args_is_help=True, help="Dead letters: jobs that failed and wait for an operator.")


@dead_app.command("list")
def list_dead(
    practice: dead_acts.PracticeFilter = None,
    kind: dead_acts.KindFilter = None,
    code: dead_acts.CodeFilter = None,
    text: dead_acts.TextFilter = None,
    older_than: dead_acts.OlderFilter = None,
    newer_than: dead_acts.NewerFilter = None,
    group: dead_acts.GroupFilter = None,
    limit: Limit = 50,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """List dead letters, newest first."""
    which = dead_acts.chosen(practice, kind, code, text, older_than, newer_than, group)
    operation_jobs.show(which, limit=limit, after=after, as_json=as_json, nothing="No dead letters.", at="Died (UTC)")


@dead_app.command("groups")
def list_groups(
    practice: dead_acts.PracticeFilter = None,
    kind: dead_acts.KindFilter = None,
    code: dead_acts.CodeFilter = None,
    text: dead_acts.TextFilter = None,
    older_than: dead_acts.OlderFilter = None,
    newer_than: dead_acts.NewerFilter = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """Group dead letters by cause: kind, code and message, ignoring ids and numbers. The largest group comes first."""
    which = dead_acts.chosen(practice, kind, code, text, older_than, newer_than, None)
    with opened() as record, record.database.read() as tx:
        found = job_search.groups(tx, which, limit=limit)
    if as_json:
        say_json([show_jobs.group_result(one) for one in found])
    elif not found:
        say("No dead letters.")
    else:
        show_jobs.tell_groups(found)


@dead_app.command("show")
def show_dead(
    job_id: Annotated[UUID, typer.Argument(metavar="JOB", help="The dead letter.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Show one dead letter: its error, every attempt, its import, and what the requester was told."""
    with opened() as record, record.database.read() as tx:
        job = work_jobs.get(tx, job_id)
        if job is None:
            raise Problem(f"There is no job {job_id}: see `portal-sync dead list`.")
        row = imports.get(tx, job.import_id) if job.import_id else None
        attempts = work_jobs.attempts_of(tx, job_id)
        entries = audit.of_subject(tx, "job", job_id)
        told = explain(tx, job, ring_limit=record.settings.ring_limit)
    if as_json:
        say_json({
            **show_jobs.explained(told),
            "group": str(_group_of(job)),
            "attempt_history": [show_jobs.attempt_result(attempt) for attempt in attempts],
            "requester_was_told": show_jobs.told_to_requester(row),
            "history": [entry_result(entry) for entry in entries],
        })  # fmt: skip
        return
    _print(job, row, attempts, entries, told.next)


def _group_of(job: Job) -> Group:
    return Group(job.kind, job.error_code or "", job.error_cause or "")


def _print(job: Job, row: Import | None, attempts: list[JobAttempt], entries: list[AuditEntry], what_next: str) -> None:
    out = console()
    out.print(show_jobs.facts(_facts(job)))
    if row is not None:
        told = " ".join(filter(None, (row.outcome_message, row.outcome_remedy)))
        out.print()
        requester: dict[str, str | None] = {
            "Import": f"{row.id}, {row.state.value}",
            "Requester": f"{row.requested_by} was told: {told or row.state.value}",
        }
        out.print(show_jobs.facts(requester))
    out.print()
    out.print(show_jobs.attempts_table(attempts))
    places = next((attempt.traceback for attempt in reversed(attempts) if attempt.traceback), None)
    if places:
        say("\nWhere the last attempt failed")
        for line in places.splitlines():
            say(f"  {clean(line)}")
    if entries:
        out.print()
        out.print(history(entries))
    out.print()
    out.print(show_jobs.facts({"Next": what_next}))


def _facts(job: Job) -> dict[str, str | None]:
    return {
        "Job": str(job.id),
        "Kind": f"{job.kind}, lane {job.lane.value}",
        "State": f"{job.state.value} since {moment(job.finished_at or job.created_at)}",
        "Error": f"{job.error_class.value if job.error_class else 'none'}, {job.error_code or 'no code'}",
        "Field": job.error_field,
        "Message": job.error_message,
        "Remedy": job.error_action,
        "Group": str(_group_of(job)),
        "Practice": str(job.practice_id),
        "Counted": ", ".join(
            (
                count_of(job.attempts, "attempt"),
                count_of(job.deferrals, "deferral"),
                count_of(job.lost_leases, "lost lease"),
            )
        ),
    }


#: Dead letters that one command takes on at most; it is given again for more.
MOST = 10_000
PAGE = 500
#: Refusals that are told one by one.
SHOWN = 20

Ids = Annotated[list[UUID] | None, typer.Argument(metavar="[JOB]...", help="Dead letters by id.", show_default=False)]
All = Annotated[bool, typer.Option("--all", help="All dead letters.")]
PerMinute = Annotated[int | None, typer.Option(metavar="N", min=1, max=6_000, help="How many to start each minute.")]


@dataclass
class Result:
    """What happened to each chosen dead letter."""

    done: list[Any] = field(default_factory=list)
    refused: list[tuple[UUID, RequestRefused]] = field(default_factory=list)

    def as_json(self, done: str, **more: Any) -> dict[str, Any]:
        refused = [
            {"id": str(job_id), "code": refusal.code, "message": refusal.message, "remedy": refusal.remedy}
            for job_id, refusal in self.refused
        ]
        return {**more, done: self.done, "refused": refused}


@dead_app.command("requeue")
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
    """Requeue dead letters: by id, by group, or by filters.

    Work that was done elsewhere since is not repeated: the command says what did it. The oldest goes first. With
    --per-minute each waits its turn in the database, even if this command is interrupted.
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
    lasts = f" The last one starts in {_minutes((len(result.done) - 1) * gap)}." if gap and result.done else ""
    verb = "would be requeued" if dry_run else "requeued"
    _tell(result, f"{count_of(len(result.done), 'dead letter')} {verb}.{lasts}", "requeued", dry_run, as_json)


@dead_app.command("dismiss")
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
    """Dismiss dead letters for good, with a reason: their work will not be done.

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
                note(f"These are the oldest {MOST:,}; run the command again for more.")
                break
    return found[:MOST]


def _each(what: str, job_ids: Sequence[UUID], one: Callable[[UUID, int], dict[str, Any]]) -> Result:
    """Each in its own transaction, so that workers are not blocked; a refusal uses no turn."""
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
