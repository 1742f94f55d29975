"""The commands `dead list`, `groups` and `show`: dead letters, what they have in common, and all that is known of one."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from handlers.explain_job import explain
from portal_db import audit, imports, job_search, jobs
from portal_db.job_search import Group
from portal_db.tables import AuditEntry, Import, Job, JobAttempt
from worker.cli import dead_acts, job_listing, job_telling
from worker.cli.acting import After, Limit
from worker.cli.exits import Problem
from worker.cli.output import AsJson, clean, console, count_of, moment, say, say_json
from worker.cli.record import opened
from worker.cli.telling import entry_result, history

dead_app = typer.Typer(no_args_is_help=True, help="Dead letters: jobs that failed for good and wait for an operator.")
dead_acts.register(dead_app)


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
    """List dead letters, the latest first."""
    which = dead_acts.chosen(practice, kind, code, text, older_than, newer_than, group)
    job_listing.show(which, limit=limit, after=after, as_json=as_json, nothing="No dead letters.", at="Died (UTC)")


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
    """Group dead letters by cause: kind, code and message, ids and numbers in it aside. The biggest group first."""
    which = dead_acts.chosen(practice, kind, code, text, older_than, newer_than, None)
    with opened() as record, record.database.read() as tx:
        found = job_search.groups(tx, which, limit=limit)
    if as_json:
        say_json([job_telling.group_result(one) for one in found])
    elif not found:
        say("No dead letters.")
    else:
        job_telling.tell_groups(found)


@dead_app.command("show")
def show_dead(
    job_id: Annotated[UUID, typer.Argument(metavar="JOB", help="The dead letter.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Show one dead letter: its error, every attempt, its import, and what the requester was told."""
    with opened() as record, record.database.read() as tx:
        job = jobs.get(tx, job_id)
        if job is None:
            raise Problem(f"There is no job {job_id}: see `portal-sync dead list`.")
        row = imports.get(tx, job.import_id) if job.import_id else None
        attempts = jobs.attempts_of(tx, job_id)
        entries = audit.of_subject(tx, "job", job_id)
        told = explain(tx, job, ring_limit=record.settings.ring_limit)
    if as_json:
        say_json({
            **job_telling.explained(told),
            "group": str(_group_of(job)),
            "attempt_history": [job_telling.attempt_result(attempt) for attempt in attempts],
            "requester_was_told": job_telling.told_to_requester(row),
            "history": [entry_result(entry) for entry in entries],
        })  # fmt: skip
        return
    _print(job, row, attempts, entries, told.next)


def _group_of(job: Job) -> Group:
    return Group(job.kind, job.error_code or "", job.error_cause or "")


def _print(job: Job, row: Import | None, attempts: list[JobAttempt], entries: list[AuditEntry], what_next: str) -> None:
    out = console()
    out.print(job_telling.facts(_facts(job)))
    if row is not None:
        told = " ".join(filter(None, (row.outcome_message, row.outcome_remedy)))
        out.print()
        requester: dict[str, str | None] = {
            "Import": f"{row.id}, {row.state.value}",
            "Requester": f"{row.requested_by} was told: {told or row.state.value}",
        }
        out.print(job_telling.facts(requester))
    out.print()
    out.print(job_telling.attempts_table(attempts))
    places = next((attempt.traceback for attempt in reversed(attempts) if attempt.traceback), None)
    if places:
        say("\nWhere the last of them broke")
        for line in places.splitlines():
            say(f"  {clean(line)}")
    if entries:
        out.print()
        out.print(history(entries))
    out.print()
    out.print(job_telling.facts({"Next": what_next}))


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
