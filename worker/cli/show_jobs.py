"""Renders jobs, groups of dead letters and attempts as text and JSON for operators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.padding import Padding
from rich.table import Table

from handlers.jobs.explain import Explanation, Suggestion
from portal_db.paging import Cursor
from portal_db.tables import Import, Job, JobAttempt
from portal_db.work.job_search import Grouped
from worker.cli.output import clean, console, count_of, fields, say_line, say_list, short_utc, table, utc


def say_jobs(found: Sequence[tuple[Job, Cursor]], as_json: bool, *, limit: int, empty: str, time_heading: str) -> None:
    """Print one page of jobs, each with the cursor of the page after it."""

    def render(rows: Sequence[tuple[Job, Cursor]]) -> Table:
        made = table("Job", "Kind", "State", time_heading, no_wrap=[0])
        for job, _ in rows:
            code = f" ({job.error_code})" if job.error_code else ""
            at = short_utc(job.finished_at or job.created_at)
            made.add_row(str(job.id), job.kind, f"{job.state.value}{code}", at)
        return made

    say_list(found, as_json, lambda row: job_json(row[0]), render, empty=empty, limit=limit, cursor=lambda row: row[1])


def job_json(job: Job) -> dict[str, Any]:
    """A job."""
    return fields(job, "id practice_id import_id kind lane state epoch attempts deferrals lost_leases error_class"
                  " created_at next_attempt_at finished_at", code="error_code", field="error_field",
                  message="error_message", remedy="error_action")  # fmt: skip


def say_groups(found: Sequence[Grouped]) -> None:
    """Print groups: the name for --group on its own line, then the count, the dates, and the message."""
    for one in found:
        say_line(str(one.group))
        dates = f"first {short_utc(one.first_seen)}, last {short_utc(one.last_seen)} UTC"
        counts = f"{count_of(one.count, 'dead letter')} of {count_of(one.practices, 'practice')}"
        console().print(Padding(f"{counts}, {dates}\n{clean(one.message)}", (0, 0, 1, 2)))


def group_json(one: Grouped) -> dict[str, Any]:
    """A group; `group` is what --group takes."""
    return {**fields(one.group, "kind code"), **fields(one, "group count practices first_seen last_seen message")}


def attempts_table(attempts: Sequence[JobAttempt]) -> Table:
    """Every attempt, oldest first."""
    made = table("Attempt", "Ended", "Outcome", "What happened", right=[0])
    for attempt in attempts:
        words = " ".join(filter(None, (attempt.error_message, attempt.error_code and f"({attempt.error_code})")))
        made.add_row(str(attempt.number), short_utc(attempt.finished_at), attempt.outcome.value, clean(words))
    return made


def attempt_json(attempt: JobAttempt) -> dict[str, Any]:
    """An attempt."""
    return fields(attempt, "number owner started_at finished_at outcome traceback",
                  code="error_code", message="error_message")  # fmt: skip


def requester_json(row: Import) -> dict[str, Any]:
    """What the requester of the import reads about it."""
    return fields(row, "requested_by state", import_id="id", code="outcome_code", message="outcome_message",
                  remedy="outcome_remedy")  # fmt: skip


def explanation_json(found: Explanation) -> dict[str, Any]:
    """A job with its explanation."""
    holds = [fields(hold, "code words until") for hold in found.holds]
    return {**job_json(found.job), "holds": holds, "next": next_words(found)}


def explanation_details(found: Explanation) -> dict[str, str | None]:
    """Why the job is where it is, until when, and what happens next."""
    details: dict[str, str | None] = {}
    for number, hold in enumerate(found.holds, 1):
        nth = "" if number == 1 else f" ({number})"
        details |= {f"Why{nth}": hold.words, f"Until{nth}": utc(hold.until)}
    return {**details, "Next": next_words(found)}


_COMMANDS = {
    Suggestion.REQUEUE: "`portal-sync dead requeue {job}` runs it again.",
    Suggestion.DISMISS: "`portal-sync dead dismiss {job}` removes it.",
    Suggestion.AMEND: "`portal-sync imports amend {row}` corrects its import.",
    Suggestion.SEE_PAUSES: "See `portal-sync pauses list`.",
    Suggestion.START_RELAY: "Start one: `portal-sync relay`.",
}


def next_words(found: Explanation) -> str:
    """What happens next with a job, and the commands for it."""
    ids = {"job": found.job.id, "row": found.job.import_id}
    return " ".join([found.next.words, *(_COMMANDS[each].format(**ids) for each in found.next.suggestions)])
