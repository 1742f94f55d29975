"""Renders imports, their jobs and their history as text and JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from rich.table import Table

from handlers.jobs.explain import WaitReason
from portal_db.states import ImportState, JobState
from portal_db.tables import AuditEntry, Import, Job
from worker.cli.output import clean, details_table, fields, table, utc

COLOURS = {
    ImportState.SUCCEEDED: "green",
    ImportState.PARTLY_SUCCEEDED: "yellow",
    ImportState.REJECTED: "red",
    ImportState.FAILED: "bold red",
}


def import_json(row: Import) -> dict[str, Any]:
    """An import as JSON: what it is about, its state, and why."""
    return fields(row, "id xpm_uuid kind state client_id", code="outcome_code", field="outcome_field",
                  message="outcome_message", remedy="outcome_remedy")  # fmt: skip


def imports_table(rows: Sequence[Import]) -> Table:
    """Imports, one a line."""
    made = table("Import", "State", "Why", no_wrap=[0])
    for row in rows:
        made.add_row(str(row.id), row.state.value, row.outcome_code or "", style=COLOURS.get(row.state))
    return made


def import_table(row: Import) -> Table:
    """Everything about one import."""
    items = {"details": row.bring_details, "relationships": row.bring_relationships}
    return details_table({
        "Import": str(row.id),
        "XPM client": f"{row.xpm_uuid}, {row.kind.value}",
        "State": row.state.value,
        "Why": " ".join(filter(None, (row.outcome_message, row.outcome_code and f"({row.outcome_code})"))),
        "Remedy": row.outcome_remedy,
        "Client": str(row.client_id) if row.client_id else None,
        "Practice": str(row.practice_id),
        "Requested by": str(row.requested_by),
        "Requested at": utc(row.created_at),
        "Closed at": utc(row.closed_at),
        "Batch": f"{row.batch_id}, row {(row.position or 0) + 1}" if row.batch_id else None,
        "Name": row.name,
        "Type": row.entity_type and row.entity_type.value,
        "Email": row.email,
        "Imports": ", ".join(name for name, wanted in items.items() if wanted) or "the client only",
        "Welcome email": "yes" if row.send_welcome_email else "no",
    })  # fmt: skip


def job_json(job: Job, waits: Mapping[UUID, WaitReason]) -> dict[str, Any]:
    """A job of an import. `waits_for` and `until` say what an open job waits for."""
    reason = waits.get(job.id)
    return {
        **fields(job, "id kind lane state epoch attempts deferrals lost_leases finished_at",
                 code="error_code", message="error_message", remedy="error_action"),
        "waits_for": reason.words if reason else None,
        "until": reason.until if reason else None,
    }  # fmt: skip


def jobs_table(jobs: Sequence[Job], waits: Mapping[UUID, WaitReason]) -> Table:
    """Jobs of an import in the order they were created, with what each waits for or why it ended."""
    made = table("Job", "State", "Attempts", "Why", right=[2])
    for job in jobs:
        reason = waits.get(job.id)
        words = job.error_message if job.state in (JobState.REJECTED, JobState.DEAD) else None
        if reason is not None:
            until = f" Until {utc(reason.until)}." if reason.until and "until" not in reason.words else ""
            words = reason.words + until
        made.add_row(job.kind, job.state.value, str(job.attempts), clean(words or ""))
    return made


def history_table(entries: Sequence[AuditEntry]) -> Table:
    """Who changed what, oldest first."""
    made = table("When", "Who", "What")
    for entry in entries:
        change = f"{entry.action}: {entry.before or 'nothing'} to {entry.after or 'nothing'}"
        made.add_row(utc(entry.at), entry.actor.value, change + (f" ({entry.why})" if entry.why else ""))
    return made


def entry_json(entry: AuditEntry) -> dict[str, Any]:
    """One change."""
    return fields(entry, "at actor action before after why")
