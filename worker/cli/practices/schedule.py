"""The group `schedule`: recurring work, when it last ran and runs next, or why it was skipped."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import typer

from handlers.schedule import control
from handlers.schedule.due import SKIP_REASONS
from portal_db.access import people
from portal_db.directory import schedules
from portal_db.directory.schedules import ScheduleEntry
from portal_db.states import SyncState
from portal_db.tables import DirectorySync
from worker.cli.database import opened
from worker.cli.exits import Problem
from worker.cli.operator import BY_HAND, AsOperator, acting
from worker.cli.output import AsJson, clean, console, iso, note, say, say_json, say_line, table
from worker.cli.show_jobs import short

schedule_app = typer.Typer(no_args_is_help=True, help="Directory syncs and nightly work: when, and the results.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The schedule, as `list` names it.", show_default=False)]
Why = Annotated[
    str, typer.Option("--why", "--reason", metavar="TEXT", help="Why, for the audit trail.", show_default=False)
]
OptionalWhy = Annotated[str, typer.Option("--why", "--reason", metavar="TEXT", help="Why, for the audit trail.")]

COUNTS = ("seen", "added", "changed", "gone", "missing", "unread")


@schedule_app.command("list")
def list_schedules(
    practice: Annotated[UUID | None, typer.Option(metavar="ID", help="Only this practice's.")] = None,
    as_json: AsJson = False,
) -> None:
    """List schedules, next due first. Times are UTC."""
    with opened() as record, record.database.read() as tx:
        if practice is not None and people.get_practice(tx, practice) is None:
            raise Problem(f"There is no practice {practice}.")
        found = schedules.listing(tx, practice_id=practice)
    if as_json:
        say_json([_result(entry) for entry in found])
        return
    if not found:
        say("Nothing is scheduled yet: the relay creates schedules once a practice is connected.")
        return
    made = table("Schedule", "Practice", "Next", "Last", "Took", "Came to")
    for heading in (0, 2, 3, 4):
        made.columns[heading].no_wrap = True
    for entry in found:
        began, ended = _times(entry)
        cells = (short(entry.schedule.next_due_at), short(began), _took(began, ended), clean(_came_to(entry)))
        made.add_row(entry.schedule.name, clean(", ".join(entry.practices)), *cells)
    console().print(made)


@schedule_app.command("run")
def run_now(name: Name, operator: AsOperator, why: OptionalWhy = BY_HAND, as_json: AsJson = False) -> None:
    """Start a directory's sync now. Its due times do not change; a relay and a worker must be running."""
    with opened() as record, acting(record, operator, why, schedule=f"Schedule {name}") as act:
        job_id = control.run_now(record.database, act, name)
    if as_json:
        say_json({"schedule": name, "job_id": job_id})
        return
    say_line(str(job_id))
    note("The sync starts shortly; portal-sync schedule list shows the result.")


@schedule_app.command("pause")
def pause(name: Name, operator: AsOperator, why: Why, as_json: AsJson = False) -> None:
    """Pause a schedule; a running sync finishes."""
    with opened() as record, acting(record, operator, why, schedule=f"Schedule {name}") as act:
        control.pause(record.database, act, name)
    if as_json:
        say_json({"schedule": name, "paused": True})
    else:
        say(f"Paused: {name}. Its due times are skipped until it is resumed.")


@schedule_app.command("resume")
def resume(name: Name, operator: AsOperator, why: OptionalWhy = BY_HAND, as_json: AsJson = False) -> None:
    """Resume a schedule from its next due time."""
    with opened() as record, acting(record, operator, why, schedule=f"Schedule {name}") as act:
        row = control.resume(record.database, act, name)
    if as_json:
        say_json({"schedule": name, "paused": False, "next_due_at": iso(row.next_due_at)})
    else:
        say(f"Resumed: {name}. Next due {short(row.next_due_at)} UTC.")


def _times(entry: ScheduleEntry) -> tuple[datetime | None, datetime | None]:
    if entry.sync is not None:
        return entry.sync.started_at, entry.sync.finished_at
    if entry.run is not None and entry.schedule.directory_id is None:
        return entry.run.claimed_at, entry.run.ended_at
    return None, None


def _took(began: datetime | None, ended: datetime | None) -> str:
    return f"{(ended - began).total_seconds():.0f} s" if began and ended else ""


def _came_to(entry: ScheduleEntry) -> str:
    """Why it is not running now, or how the last run ended."""
    row = entry.schedule
    if row.paused_at is not None:
        return f"paused by {entry.paused_by or 'somebody'}: {row.paused_why}"
    if entry.passed_over is not None:
        why = f": {row.skipped_why}" if row.skipped_why else ""
        return f"skipped {short(row.skipped_at)}, {entry.passed_over}{why}"
    if entry.sync is not None:
        return _outcome(entry.sync)
    if entry.run is None or row.directory_id is not None:
        return ""
    return {True: "done", False: "failed: see the relay's log", None: "begun"}[entry.run.succeeded]


def _outcome(sync: DirectorySync) -> str:
    if sync.state is SyncState.RUNNING:
        return "running"
    if sync.state is SyncState.FAILED:
        return f"failed ({sync.reason})"
    news = {"new": sync.added, "changed": sync.changed, "gone": sync.gone}
    counts = ", ".join([f"{sync.seen or 0:,} seen", *(f"{count:,} {word}" for word, count in news.items() if count)])
    return f"{counts}; held" if sync.state is SyncState.HELD else counts


def _result(entry: ScheduleEntry) -> dict[str, Any]:
    row, (began, ended) = entry.schedule, _times(entry)
    return {
        "schedule": row.name,
        "directory_id": row.directory_id,
        "mode": row.mode.value if row.mode else None,
        "practices": entry.practices,
        "next_due_at": iso(row.next_due_at),
        "last": _last(entry, began, ended),
        "skipped": _skipped(entry),
        "paused": {"at": iso(row.paused_at), "by": row.paused_by, "why": row.paused_why} if row.paused_at else None,
    }


def _last(entry: ScheduleEntry, began: datetime | None, ended: datetime | None) -> dict[str, Any] | None:
    if began is None:
        return None
    told: dict[str, Any] = {"began_at": iso(began), "ended_at": iso(ended)}
    told["seconds"] = (ended - began).total_seconds() if ended else None
    if entry.sync is not None:
        told |= {"state": entry.sync.state.value, "asked_by": entry.sync.asked_by, "reason": entry.sync.reason}
        return told | {name: getattr(entry.sync, name) for name in COUNTS}
    return told | {"succeeded": entry.run.succeeded if entry.run else None}


def _skipped(entry: ScheduleEntry) -> dict[str, Any] | None:
    row, code = entry.schedule, entry.passed_over
    if code is None:
        return None
    meaning = SKIP_REASONS[code]
    told = {"at": iso(row.skipped_at), "code": code, "why": row.skipped_why}
    return told | {"message": meaning.words, "remedy": meaning.remedy or None}
