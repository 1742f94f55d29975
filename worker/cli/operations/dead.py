"""The group `dead`: list, group, show, requeue and dismiss dead letters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import typer

from handlers.access.outcomes import Outcomes, for_each
from handlers.operations import bulk, jobs
from handlers.operations.bulk import Selection
from handlers.operations.dead_letters import check_each, dismiss, matching, requeue
from handlers.operations.jobs import JobDetails
from portal_db.database import Database
from portal_db.states import BulkAction, JobState
from portal_db.tables import Job
from portal_db.work.job_search import Filter, Group
from worker.cli import operator, show_jobs
from worker.cli.database import open_record
from worker.cli.exits import ExitCode, Problem, explain_refusals, problem_of
from worker.cli.operations import bulk_acts
from worker.cli.operations.job_filters import DeadLetterOptions, JobOptions, with_options
from worker.cli.operator import (
    BY_HAND,
    AsOperator,
    DryRun,
    OptionalReason,
    Reason,
    Yes,
    acting,
    confirm,
    track,
)
from worker.cli.output import (
    AsJson,
    clean,
    console,
    count_of,
    details_table,
    fields,
    note,
    say,
    say_json,
    utc,
)
from worker.cli.show_imports import entry_json, history_table

dead_app = typer.Typer(no_args_is_help=True, help="Dead letters: jobs that failed and wait for an operator.")
dead_app.command("acts")(bulk_acts.list_acts)
dead_app.command("stop")(bulk_acts.stop_act)
dead_app.command("resume")(bulk_acts.resume_act)

DEAD = (JobState.DEAD,)
#: The most dead letters that a dry run checks.
MOST = 10_000
#: The most refusals that are printed one by one.
SHOWN = 20

Ids = Annotated[list[UUID] | None, typer.Argument(metavar="[JOB]...", help="Dead letters by id.", show_default=False)]
All = Annotated[bool, typer.Option("--all", help="All dead letters.")]
PerMinute = Annotated[int | None, typer.Option(metavar="N", min=1, max=6_000, help="How many to start each minute.")]


@dead_app.command("list")
@with_options
def list_dead(
    *, options: DeadLetterOptions, limit: operator.Limit = 50, after: operator.After = None, as_json: AsJson = False
) -> None:
    """List dead letters, newest first."""
    which = options.as_filter()
    with open_record() as record:
        found = jobs.listing(record.database, which, limit=limit, after=operator.cursor(after))
    show_jobs.say_jobs(found, as_json, limit=limit, empty="No dead letters.", time_heading="Died (UTC)")


@dead_app.command("groups")
@with_options
def list_groups(*, options: JobOptions, limit: operator.Limit = 50, as_json: AsJson = False) -> None:
    """Group dead letters by cause: kind, code and message, ignoring ids and numbers. The largest group comes first."""
    which = options.as_filter(states=DEAD)
    with open_record() as record:
        found = jobs.groups(record.database, which, limit=limit)
    if as_json:
        say_json([show_jobs.group_json(one) for one in found])
    elif not found:
        say("No dead letters.")
    else:
        show_jobs.say_groups(found)


@dead_app.command("show")
def show_dead(
    job_id: Annotated[UUID, typer.Argument(metavar="JOB", help="The dead letter's id.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Show one dead letter: its error, every attempt, its import, and what the requester was told."""
    with open_record() as record, explain_refusals({"job_id": f"Job {job_id}"}):
        found = jobs.details(record.database, job_id, ring_limit=record.settings.ring_limit)
    if as_json:
        say_json({
            **show_jobs.explanation_json(found.explanation),
            "group": _group_of(found.explanation.job),
            "attempt_history": [show_jobs.attempt_json(attempt) for attempt in found.attempts],
            "requester_was_told": show_jobs.requester_json(found.row) if found.row else None,
            "history": [entry_json(entry) for entry in found.history],
        })  # fmt: skip
    else:
        _print(found)


def _group_of(job: Job) -> Group:
    return Group(job.kind, job.error_code or "", job.error_cause or "")


def _print(found: JobDetails) -> None:
    out = console()
    out.print(details_table(_details(found.explanation.job)))
    if (row := found.row) is not None:
        seen = " ".join(filter(None, (row.outcome_message, row.outcome_remedy))) or row.state.value
        out.print()
        requester = f"{row.requested_by} was told: {seen}"
        out.print(details_table({"Import": f"{row.id}, {row.state.value}", "Requester": requester}))
    out.print()
    out.print(show_jobs.attempts_table(found.attempts))
    places = next((attempt.traceback for attempt in reversed(found.attempts) if attempt.traceback), None)
    if places:
        say("\nWhere the last attempt failed")
        for line in places.splitlines():
            say(f"  {clean(line)}")
    if found.history:
        out.print()
        out.print(history_table(found.history))
    out.print()
    out.print(details_table({"Next": show_jobs.next_words(found.explanation)}))


def _details(job: Job) -> dict[str, str | None]:
    return {
        "Job": str(job.id),
        "Kind": f"{job.kind}, lane {job.lane.value}",
        "State": f"{job.state.value} since {utc(job.finished_at or job.created_at)}",
        "Error": f"{job.error_class.value if job.error_class else 'none'}, {job.error_code or 'no code'}",
        "Field": job.error_field,
        "Message": job.error_message,
        "Remedy": job.error_action,
        "Group": str(_group_of(job)),
        "Practice": str(job.practice_id),
        "Counts": f"{count_of(job.attempts, 'attempt')}, {count_of(job.deferrals, 'deferral')},"
        f" {count_of(job.lost_leases, 'lost lease')}",
    }


@dead_app.command("requeue")
@with_options
def requeue_dead(
    *,
    operator: AsOperator,
    ids: Ids = None,
    options: DeadLetterOptions,
    everything: All = False,
    per_minute: PerMinute = None,
    reason: OptionalReason = BY_HAND,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Requeue dead letters: by id, by group, or by filters.

    Work that was done elsewhere since is not repeated: the command says what did it. The oldest goes first. Several go
    behind the imports that people wait for. With --per-minute each waits its turn in the database. Ctrl-C stops it, and
    `dead resume` goes on; if this command dies, the relay goes on within a minute.
    """
    which = options.as_filter()
    gap = 60 / per_minute if per_minute else 0.0
    with open_record() as record, acting(record, operator, reason) as act:
        database = record.database
        chosen = _chosen(ids, which, everything)
        if dry_run:
            checked = check_each(database, track("Checking", _job_ids(database, chosen)))
            would: list[dict[str, Any]] = [{"id": job_id} for job_id in checked.done]
            _report(checked, would, "requeued", dry_run, as_json, gap)
            return
        count = bulk.count(database, chosen)
        many, stopped = count > 1, False  # nobody waits in front of a page for each of many
        if many:
            confirm(f"Requeue {count_of(count, 'dead letter')}?", yes=yes)
            done, stopped = bulk_acts.carry_out(
                database, act, chosen, BulkAction.REQUEUE, "Requeueing", count, per_minute
            )
        else:
            done = for_each(_job_ids(database, chosen)[:count], lambda job_id, _: requeue(database, act, job_id))
    rows = [
        {**fields(one, "import_id", id="job_id", import_state="state"), "in_seconds": round(one.in_seconds, 1)}
        for one in done.done
    ]
    _report(done, rows, "requeued", dry_run, as_json, gap, stopped=stopped)


@dead_app.command("dismiss")
@with_options
def dismiss_dead(
    *,
    operator: AsOperator,
    reason: Reason,
    ids: Ids = None,
    options: DeadLetterOptions,
    everything: All = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Dismiss dead letters for good, with a reason: their work will not be done.

    An import that has not created its client ends cancelled; one that has stays partly succeeded.
    """
    which = options.as_filter()
    with open_record() as record, acting(record, operator, reason) as act:
        database = record.database
        chosen = _chosen(ids, which, everything)
        if dry_run:
            _report(Outcomes(), [{"id": each} for each in _job_ids(database, chosen)], "dismissed", dry_run, as_json)
            return
        count, stopped = bulk.count(database, chosen), False
        if count:
            confirm(f"Dismiss {count_of(count, 'dead letter')} for good?", yes=yes)
        if count > 1:
            done, stopped = bulk_acts.carry_out(database, act, chosen, BulkAction.DISMISS, "Dismissing", count)
        else:
            done = for_each(_job_ids(database, chosen)[:count], lambda job_id, _: dismiss(database, act, job_id))
    rows = [fields(one, "import_id", id="job_id", import_state="state") for one in done.done]
    _report(done, rows, "dismissed", dry_run, as_json, stopped=stopped)


def _chosen(ids: list[UUID] | None, which: Filter, everything: bool) -> Selection:
    """The dead letters to act on: those given, or those that match."""
    if sum((bool(ids), which != Filter(states=DEAD), everything)) != 1:
        raise Problem("Name dead letters, or give filters, or --all.", ExitCode.MISUSED)
    return Selection(ids=tuple(dict.fromkeys(ids))) if ids else Selection(which)


def _job_ids(database: Database, chosen: Selection) -> Sequence[UUID]:
    """Their ids, oldest first."""
    if chosen.ids:
        return chosen.ids
    found = matching(database, chosen.which, limit=MOST)
    if len(found) == MOST:
        note(f"These are the oldest {MOST:,} only.")
    return found


def _report(
    outcomes: Outcomes[Any],
    rows: Sequence[dict[str, Any]],
    verb: str,
    dry_run: bool,
    as_json: bool,
    gap: float = 0.0,
    *,
    stopped: bool = False,
) -> None:
    """Print what was done and what was refused; fail if anything was refused, or the act was stopped before its end.

    Args:
        rows: one for each dead letter that was done, for scripts.
        gap: seconds between the starts of two jobs.
    """
    refused = outcomes.refused
    if as_json:
        refusals = [{"id": job_id, **fields(refusal, "code message remedy")} for job_id, refusal in refused]
        say_json({"dry_run": dry_run, verb: rows, "refused": refusals, "stopped": stopped})
    elif len(refused) == 1 and not rows:
        [(job_id, refusal)] = refused
        raise problem_of(refusal, {"job_id": f"Job {job_id}"})
    else:
        last = f" The last one starts in {_minutes((len(rows) - 1) * gap)}." if gap and rows else ""
        say(f"{count_of(len(rows), 'dead letter')} {'would be ' if dry_run else ''}{verb}.{last}")
        for job_id, refusal in refused[:SHOWN]:
            note(clean(f"{job_id} refused: {refusal.message} {refusal.remedy}"))
        if len(refused) > SHOWN:
            note(f"… and {len(refused) - SHOWN:,} more were refused (all of them with --json)")
    if refused or stopped:
        raise typer.Exit(ExitCode.FAILED)


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
