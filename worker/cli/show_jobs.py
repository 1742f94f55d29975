"""Renders jobs as text and JSON for operators: lists, groups by cause, one with its history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.padding import Padding
from rich.table import Table

from handlers.jobs.explain import Explanation
from portal_db.tables import Import, Job, JobAttempt
from portal_db.work.job_search import Filter, Grouped, cursor_of
from worker.cli.output import clean, console, count_of, iso, moment, say_line, table


def facts(told: dict[str, str | None]) -> Table:
    """Facts, one a line; unknown ones are omitted."""
    made = table("", "")
    made.show_header = False
    made.columns[0].no_wrap = True
    for name, value in told.items():
        if value:
            made.add_row(name, clean(value))
    return made


def listed(found: Sequence[Job], at: str) -> Table:
    """Jobs, one a line. `at` heads the column of times."""
    made = table("Job", "Kind", "State", at)
    made.columns[0].no_wrap = True
    for job in found:
        code = f" ({job.error_code})" if job.error_code else ""
        made.add_row(str(job.id), job.kind, f"{job.state.value}{code}", short(job.finished_at or job.created_at))
    return made


def short(at: datetime | None) -> str:
    """A time that leaves room for others: `11-22 09:30`, in UTC."""
    return moment(at)[5:16]


def result(job: Job) -> dict[str, Any]:
    """A job for scripts."""
    return {
        "id": str(job.id),
        "practice_id": str(job.practice_id),
        "import_id": str(job.import_id) if job.import_id else None,
        "kind": job.kind,
        "lane": job.lane.value,
        "state": job.state.value,
        "epoch": job.epoch,
        "attempts": job.attempts,
        "deferrals": job.deferrals,
        "lost_leases": job.lost_leases,
        "error_class": job.error_class.value if job.error_class else None,
        "code": job.error_code,
        "field": job.error_field,
        "message": job.error_message,
        "remedy": job.error_action,
        "created_at": iso(job.created_at),
        "next_attempt_at": iso(job.next_attempt_at),
        "finished_at": iso(job.finished_at),
    }


def results(found: Sequence[Job], which: Filter) -> list[dict[str, Any]]:
    """A page of jobs as JSON; give the last cursor to --after for the next page."""
    return [{**result(job), "cursor": str(cursor_of(which, job))} for job in found]


def tell_groups(found: Sequence[Grouped]) -> None:
    """Groups: the name for --group on its own line, then the count, the dates, and the message."""
    for one in found:
        say_line(str(one.group))
        seen = f"first {short(one.first_seen)}, last {short(one.last_seen)} UTC"
        many = f"{count_of(one.count, 'dead letter')} of {count_of(one.practices, 'practice')}"
        console().print(Padding(f"{many}, {seen}\n{clean(one.message)}", (0, 0, 1, 2)))


def group_result(one: Grouped) -> dict[str, Any]:
    """A group for scripts; `group` is what --group takes."""
    return {
        "group": str(one.group),
        "kind": one.group.kind,
        "code": one.group.code,
        "count": one.count,
        "practices": one.practices,
        "first_seen": iso(one.first_seen),
        "last_seen": iso(one.last_seen),
        "message": one.message,
    }


def attempts_table(attempts: Sequence[JobAttempt]) -> Table:
    """Every attempt, oldest first."""
    made = table("Try", "Ended", "Outcome", "What happened")
    made.columns[0].justify = "right"
    for attempt in attempts:
        words = " ".join(filter(None, (attempt.error_message, attempt.error_code and f"({attempt.error_code})")))
        made.add_row(str(attempt.number), short(attempt.finished_at), attempt.outcome.value, clean(words))
    return made


def attempt_result(attempt: JobAttempt) -> dict[str, Any]:
    """An attempt for scripts."""
    return {
        "number": attempt.number,
        "owner": attempt.owner,
        "started_at": iso(attempt.started_at),
        "finished_at": iso(attempt.finished_at),
        "outcome": attempt.outcome.value,
        "code": attempt.error_code,
        "message": attempt.error_message,
        "traceback": attempt.traceback,
    }


def told_to_requester(row: Import | None) -> dict[str, Any] | None:
    """What the requester of the import reads about it."""
    if row is None:
        return None
    return {
        "import_id": str(row.id),
        "requested_by": str(row.requested_by),
        "state": row.state.value,
        "code": row.outcome_code,
        "message": row.outcome_message,
        "remedy": row.outcome_remedy,
    }


def explained(told: Explanation) -> dict[str, Any]:
    """An explanation for scripts."""
    return {
        **result(told.job),
        "holds": [{"code": hold.code, "words": hold.words, "until": iso(hold.until)} for hold in told.holds],
        "next": told.next,
    }


def explanation_facts(told: Explanation) -> dict[str, str | None]:
    """An explanation for people: why the job is where it is, until when, and what happens next."""
    facts: dict[str, str | None] = {}
    for number, hold in enumerate(told.holds, 1):
        nth = "" if number == 1 else f" ({number})"
        facts[f"Why{nth}"] = hold.words
        if hold.until is not None:
            facts[f"Until{nth}"] = moment(hold.until)
    return {**facts, "Next": told.next}
