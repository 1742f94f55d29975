"""The group `schedule`: recurring work, when it last ran and runs next, or why it was skipped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from handlers.schedule import control
from handlers.schedule.due import SKIP_REASONS
from portal_db.directory.schedules import ScheduleEntry
from portal_db.states import SyncState
from portal_db.tables import DirectorySync
from worker.cli.database import open_record
from worker.cli.exits import explain_refusals
from worker.cli.operator import BY_HAND, AsOperator, OnlyPractice, acting
from worker.cli.output import AsJson, clean, fields, note, say_json, say_line, say_list, say_result, short_utc, table
from worker.cli.practices.directory import SYNC_COUNTS

schedule_app = typer.Typer(no_args_is_help=True, help="Directory syncs and nightly work: when, and the results.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The schedule, as in `schedule list`.", show_default=False)]
Why = Annotated[
    str, typer.Option("--why", "--reason", metavar="TEXT", help="Why, for the audit trail.", show_default=False)
]
OptionalWhy = Annotated[str, typer.Option("--why", "--reason", metavar="TEXT", help="Why, for the audit trail.")]


@schedule_app.command("list")
def list_schedules(practice: OnlyPractice = None, as_json: AsJson = False) -> None:
    """List schedules, next due first. Times are UTC."""
    with open_record() as record, explain_refusals({"practice_id": f"--practice {practice}"}):
        found = control.listing(record.database, practice)
    empty = "Nothing is scheduled yet: the relay creates schedules once a practice is connected."
    say_list(found, as_json, _result, _table, empty=empty)


def _table(found: Sequence[ScheduleEntry]) -> Table:
    made = table("Schedule", "Practice", "Next", "Last", "Took", "Result", no_wrap=(0, 2, 3, 4))
    for entry in found:
        began, ended = _times(entry)
        cells = (short_utc(entry.schedule.next_due_at), short_utc(began), _took(began, ended), clean(_outcome(entry)))
        made.add_row(entry.schedule.name, clean(", ".join(entry.practices)), *cells)
    return made


@schedule_app.command("run")
def run_now(name: Name, operator: AsOperator, why: OptionalWhy = BY_HAND, as_json: AsJson = False) -> None:
    """Start a directory's sync now. Its due times do not change; a relay and a worker must be running."""
    with open_record() as record, acting(record, operator, why, schedule=f"Schedule {name}") as act:
        job_id = control.run_now(record.database, act, name)
    if as_json:
        say_json({"schedule": name, "job_id": job_id})
        return
    say_line(str(job_id))
    note("The sync starts shortly; portal-sync schedule list shows the result.")


@schedule_app.command("pause")
def pause(name: Name, operator: AsOperator, why: Why, as_json: AsJson = False) -> None:
    """Pause a schedule; a running sync finishes."""
    with open_record() as record, acting(record, operator, why, schedule=f"Schedule {name}") as act:
        control.pause(record.database, act, name)
    text = f"Paused: {name}. Its due times are skipped until it is resumed."
    say_result(as_json, {"schedule": name, "paused": True}, text)


@schedule_app.command("resume")
def resume(name: Name, operator: AsOperator, why: OptionalWhy = BY_HAND, as_json: AsJson = False) -> None:
    """Resume a schedule from its next due time."""
    with open_record() as record, acting(record, operator, why, schedule=f"Schedule {name}") as act:
        [row] = control.resume(record.database, act, name)
    result = {"schedule": name, "paused": False, "next_due_at": row.next_due_at}
    say_result(as_json, result, f"Resumed: {name}. Next due {short_utc(row.next_due_at)} UTC.")


def _times(entry: ScheduleEntry) -> tuple[datetime | None, datetime | None]:
    if entry.sync is not None:
        return entry.sync.started_at, entry.sync.finished_at
    if entry.run is not None and entry.schedule.directory_id is None:
        return entry.run.claimed_at, entry.run.ended_at
    return None, None


def _took(began: datetime | None, ended: datetime | None) -> str:
    return f"{(ended - began).total_seconds():.0f} s" if began and ended else ""


def _outcome(entry: ScheduleEntry) -> str:
    """Why it is not running now, or how the last run ended."""
    row = entry.schedule
    if row.paused_at is not None:
        return f"paused by {entry.paused_by or 'somebody'}: {row.paused_why}"
    if entry.passed_over is not None:
        why = f": {row.skipped_why}" if row.skipped_why else ""
        return f"skipped {short_utc(row.skipped_at)}, {entry.passed_over}{why}"
    if entry.sync is not None:
        return _sync_outcome(entry.sync)
    if entry.run is None or row.directory_id is not None:
        return ""
    return {True: "done", False: "failed: see the relay's log", None: "running"}[entry.run.succeeded]


def _sync_outcome(sync: DirectorySync) -> str:
    if sync.state is SyncState.RUNNING:
        return "running"
    if sync.state is SyncState.FAILED:
        return f"failed ({sync.reason})"
    changes = {"new": sync.added, "changed": sync.changed, "gone": sync.gone}
    counts = ", ".join([f"{sync.seen or 0:,} seen", *(f"{count:,} {word}" for word, count in changes.items() if count)])
    return f"{counts}; held" if sync.state is SyncState.HELD else counts


def _result(entry: ScheduleEntry) -> dict[str, Any]:
    row, (began, ended) = entry.schedule, _times(entry)
    return {
        **fields(row, "directory_id mode next_due_at", schedule="name"),
        "practices": entry.practices,
        "last": _last(entry, began, ended),
        "skipped": _skipped(entry),
        "paused": fields(row, "", at="paused_at", by="paused_by", why="paused_why") if row.paused_at else None,
    }


def _last(entry: ScheduleEntry, began: datetime | None, ended: datetime | None) -> dict[str, Any] | None:
    if began is None:
        return None
    seconds = (ended - began).total_seconds() if ended else None
    times = {"began_at": began, "ended_at": ended, "seconds": seconds}
    if entry.sync is not None:
        return {**times, **fields(entry.sync, f"state asked_by reason {SYNC_COUNTS}")}
    return {**times, "succeeded": entry.run.succeeded if entry.run else None}


def _skipped(entry: ScheduleEntry) -> dict[str, Any] | None:
    row, code = entry.schedule, entry.passed_over
    if code is None:
        return None
    reason = SKIP_REASONS[code]
    skipped = fields(row, "", at="skipped_at", why="skipped_why")
    return {**skipped, "code": code, "message": reason.words, "remedy": reason.remedy or None}
