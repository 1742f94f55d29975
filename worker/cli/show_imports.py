"""Renders imports as text and JSON: one, many, and their jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from rich.table import Table

from handlers.jobs.explain import WaitReason
from portal_db.states import ImportState, JobState
from portal_db.tables import AuditEntry, Import, Job
from worker.cli.output import clean, iso, moment, table

COLOURS = {
    ImportState.SUCCEEDED: "green",
    ImportState.PARTLY_SUCCEEDED: "yellow",
    ImportState.REJECTED: "red",
    ImportState.FAILED: "bold red",
}


def result(row: Import) -> dict[str, Any]:
    """An import as JSON: what it is about, its state, and why."""
    return {
        "id": str(row.id),
        "xpm_uuid": str(row.xpm_uuid),
        "kind": row.kind.value,
        "state": row.state.value,
        "code": row.outcome_code,
        "field": row.outcome_field,
        "message": row.outcome_message,
        "remedy": row.outcome_remedy,
        "client_id": str(row.client_id) if row.client_id else None,
    }


def listed(rows: Sequence[Import]) -> Table:
    """Imports, one a line."""
    made = table("Import", "State", "Why")
    made.columns[0].no_wrap = True
    for row in rows:
        made.add_row(str(row.id), row.state.value, row.outcome_code or "", style=COLOURS.get(row.state))
    return made


def facts(row: Import) -> Table:
    """Everything about one import, one fact a line."""
    made = table("", "")
    made.show_header = False
    brought = [
        word for word, asked in (("details", row.bring_details), ("relationships", row.bring_relationships)) if asked
    ]
    told = {
        "Import": str(row.id),
        "XPM client": f"{row.xpm_uuid}, {row.kind.value}",
        "State": row.state.value,
        "Why": " ".join(filter(None, (row.outcome_message, row.outcome_code and f"({row.outcome_code})"))),
        "Remedy": row.outcome_remedy,
        "Client": str(row.client_id) if row.client_id else None,
        "Practice": str(row.practice_id),
        "Asked by": str(row.requested_by),
        "Asked at": moment(row.created_at),
        "Closed at": moment(row.closed_at),
        "Batch": f"{row.batch_id}, row {(row.position or 0) + 1}" if row.batch_id else None,
        "Name": row.name,
        "Type": row.entity_type and row.entity_type.value,
        "Email": row.email,
        "Brings": ", ".join(brought) or "the client only",
        "Welcome email": "yes" if row.send_welcome_email else "no",
    }
    for name, value in told.items():
        if value:
            made.add_row(name, clean(value))
    return made


def job_result(job: Job, holds: Mapping[UUID, WaitReason]) -> dict[str, Any]:
    """A job for scripts; `waits_for` and `until` say what an open one waits for."""
    why, until = _wait(holds.get(job.id))
    return {
        "id": str(job.id),
        "kind": job.kind,
        "lane": job.lane.value,
        "state": job.state.value,
        "epoch": job.epoch,
        "attempts": job.attempts,
        "deferrals": job.deferrals,
        "lost_leases": job.lost_leases,
        "waits_for": why,
        "until": iso(until),
        "code": job.error_code,
        "message": job.error_message,
        "remedy": job.error_action,
        "finished_at": iso(job.finished_at),
    }


def jobs_table(jobs: Sequence[Job], holds: Mapping[UUID, WaitReason]) -> Table:
    """Jobs in the order they were made, with what each waits for or why it ended."""
    made = table("Job", "State", "Tries", "Why")
    made.columns[2].justify = "right"
    for job in jobs:
        why, until = _wait(holds.get(job.id))
        ended = job.error_message if job.state in (JobState.REJECTED, JobState.DEAD) else None
        says_until = until is None or "until" in (why or "")
        words = " ".join(filter(None, (why or ended, None if says_until else f"Until {moment(until)}.")))
        made.add_row(job.kind, job.state.value, str(job.attempts), clean(words))
    return made


def _wait(hold: WaitReason | None) -> tuple[str | None, datetime | None]:
    return (hold.words, hold.until) if hold is not None else (None, None)


def history(entries: Sequence[AuditEntry]) -> Table:
    """Who changed what, oldest first."""
    made = table("When", "Who", "What")
    for entry in entries:
        change = f"{entry.action}: {entry.before or 'nothing'} to {entry.after or 'nothing'}"
        made.add_row(moment(entry.at), entry.actor.value, change + (f" ({entry.why})" if entry.why else ""))
    return made


def entry_result(entry: AuditEntry) -> dict[str, Any]:
    """A change for scripts."""
    return {
        "at": iso(entry.at),
        "actor": entry.actor.value,
        "action": entry.action,
        "before": entry.before,
        "after": entry.after,
        "why": entry.why,
    }
