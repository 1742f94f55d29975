"""The commands of `directory`: what logins see in XPM, how fresh it is, syncing now, and accepting that records are gone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Group
from rich.table import Table

from handlers.directory import accept_missing, queries
from handlers.directory.accept_missing import HeldDirectory
from handlers.directory.sync import sync_now
from portal_db.directory.directories import DirectoryEntry
from portal_db.directory.resyncs import PracticeSummary
from portal_db.directory.unreadable import Unread
from portal_db.states import SyncMode, SyncState
from portal_db.tables import DirectorySync
from worker.cli.database import open_record
from worker.cli.exits import explain_refusals
from worker.cli.operator import BY_HAND, AsOperator, DryRun, OnlyPractice, OptionalReason, Yes, acting, confirm
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
    say_line,
    say_list,
    table,
    utc,
)
from worker.cli.practices import structures

directory_app = typer.Typer(no_args_is_help=True, help="Directories: what each Xero login sees in XPM.")
directory_app.add_typer(structures.structures_app, name="structures")

DirectoryId = Annotated[UUID, typer.Argument(metavar="DIRECTORY", help="The directory's id.", show_default=False)]

SYNCS_SHOWN = 10
NAMES_SHOWN = 20
NAMES_IN_JSON = 1_000
SYNC_COUNTS = "seen added changed gone missing unread"
CHANGE_COUNTS = "clients added changed ended conflicts waiting"


@directory_app.command("syncs")
def show_syncs(
    directory: DirectoryId,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="How many to list, newest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List what a directory's syncs changed in clients' relationships, by practice."""
    with open_record() as record, explain_refusals({"directory": f"Directory {directory}"}):
        found = queries.changes(record.database, directory, limit=limit)
    say_list(found, as_json, _changes_json, _changes_table, empty="No sync has changed any relationships.")


def _changes_table(found: Sequence[PracticeSummary]) -> Table:
    made = table("Started", "Practice", "Clients", "New", "Changed", "Ended", "Conflicts", "Waiting")
    for each in found:
        counts = (f"{count:,}" for count in fields(each.summary, CHANGE_COUNTS).values())
        made.add_row(utc(each.summary.started_at), clean(each.practice), *counts)
    return made


def _changes_json(each: PracticeSummary) -> dict[str, Any]:
    row = fields(each.summary, f"sync_id practice_id started_at finished_at {CHANGE_COUNTS}")
    return {**row, "practice": each.practice}


@directory_app.command("list")
def show_all(practice: OnlyPractice = None, as_json: AsJson = False) -> None:
    """List directories: how many records, when they were synced, and whether one is held."""
    with open_record() as record:
        found = queries.listing(record.database, practice)
    empty = "There are no directories: one is created when somebody connects XPM."
    say_list(found, as_json, _result, _tables, empty=empty)


@directory_app.command("show")
def show(directory: DirectoryId, as_json: AsJson = False) -> None:
    """Show a directory and its last syncs."""
    with open_record() as record, explain_refusals({"directory": f"Directory {directory}"}):
        shown = NAMES_IN_JSON if as_json else NAMES_SHOWN
        entry, syncs, unread = queries.one(record.database, directory, limit=SYNCS_SHOWN, fields_limit=shown)
    if as_json:
        left_out = [{"xpm_uuid": xpm_uuid, "fields": names} for xpm_uuid, names in unread.fields]
        unread_json = {"unread": unread.records, "incomplete": unread.incomplete, "left_out": left_out}
        say_json({**_result(entry), **unread_json, "syncs": [_sync(sync) for sync in syncs]})
        return
    out = console()
    out.print(_tables([entry]))
    _print_unread(unread)
    if syncs:
        made = table("Started", "Mode", "State", "Seen", "New", "Changed", "Gone", "Unread")
        for sync in syncs:
            counts = fields(sync, "seen added changed gone unread").values()
            cells = ("" if count is None else f"{count:,}" for count in counts)
            made.add_row(utc(sync.started_at), sync.mode.value, _state(sync), *cells)
        out.print(made)


def _print_unread(unread: Unread) -> None:
    if unread.records:
        say(
            f"{count_of(unread.records, 'record')} cannot be read: no uuid or no name. Their last readable version is kept."
        )
    if unread.incomplete:
        say(
            f"{count_of(unread.incomplete, 'record')} were read without these fields, which XPM has in an unknown form:"
        )
    for xpm_uuid, names in unread.fields:
        say_line(f"  {xpm_uuid}  {', '.join(clean(name) for name in names)}")
    if unread.incomplete > len(unread.fields):
        say(f"  … and {unread.incomplete - len(unread.fields):,} more; up to {NAMES_IN_JSON:,} of them with --json")


@directory_app.command("sync")
def sync_directory(
    directory: DirectoryId,
    full: Annotated[bool, typer.Option("--full", help="Read all records, not only changed ones.")] = False,
    as_json: AsJson = False,
) -> None:
    """Sync a directory now. A worker does it; `directory show` reports the result.

    Exits with 1 while another sync of it is running.
    """
    mode = SyncMode.FULL if full else SyncMode.INCREMENTAL
    labels = dict.fromkeys(("directory", "schedule"), f"Directory {directory}")
    with open_record() as record, explain_refusals(labels):
        job = sync_now(record.database, directory, mode)
    if as_json:
        say_json({"sync_id": job.args["sync_id"], "job_id": job.id})
        return
    say_line(job.args["sync_id"])
    note("A worker starts it; see portal-sync directory show.")


@directory_app.command("accept")
def accept(
    directory: DirectoryId,
    operator: AsOperator,
    reason: OptionalReason = BY_HAND,
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Accept that the records missing from a full sync are gone.

    A sync that would lose many records holds them until then, or until a later sync finds them again. Shows the records
    and asks first. Clients who were imported from them are kept.
    """
    with open_record() as record, explain_refusals({"directory": f"Directory {directory}"}):
        found = accept_missing.get_held(record.database, directory, limit=NAMES_IN_JSON if as_json else NAMES_SHOWN)
        if not as_json:
            _print_missing(found)
        if not dry_run:
            confirm(f"Mark {count_of(found.entry.missing, 'record')} as gone?", yes=yes)
            with acting(record, operator, reason, directory=f"Directory {directory}") as act:
                accept_missing.accept_as_gone(record.database, act, directory, count=found.entry.missing)
    if as_json:
        names = [{"xpm_uuid": row.xpm_uuid, "name": row.record.get("name")} for row in found.missing]
        gone = 0 if dry_run else found.entry.missing
        say_json({"directory_id": directory, "missing": found.entry.missing, "gone": gone, "records": names})
        return
    say("Nothing was changed." if dry_run else f"{count_of(found.entry.missing, 'record')} marked as gone.")


def _print_missing(found: HeldDirectory) -> None:
    say(f"Missing from the last full sync, of {count_of(found.entry.records, 'record')}:")
    for row in found.missing:
        say_line(f"  {clean(str(row.record.get('name', '')))}  {row.xpm_uuid}")
    if found.entry.missing > len(found.missing):
        say(f"  … and {found.entry.missing - len(found.missing):,} more; all of them with --json")


def _tables(found: Sequence[DirectoryEntry]) -> Group:
    return Group(*(part for entry in found for part in (details_table(_details(entry)), "")))


def _details(entry: DirectoryEntry) -> dict[str, str | None]:
    directory, sync = entry.directory, entry.sync
    held = f"{count_of(entry.missing, 'record')} missing: portal-sync directory accept"
    return {
        "Directory": str(directory.id),
        "Practice": ", ".join(clean(name) for name in entry.practices) or "nobody is connected",
        "Tenant": clean(directory.tenant_id),
        "Records": f"{entry.records:,}",
        "As of": utc(directory.cursor) or "never synced",
        "Last full": utc(directory.last_full_at) or "never",
        "Last used": utc(directory.last_used_at),
        "Last sync": f"{sync.mode}, {_state(sync)}, started {utc(sync.started_at)}" if sync else None,
        "Held": held if entry.is_held else None,
    }


def _state(sync: DirectorySync) -> str:
    return (
        f"{sync.state} ({sync.reason})" if sync.reason and sync.state is not SyncState.SUCCEEDED else sync.state.value
    )


def _result(entry: DirectoryEntry) -> dict[str, Any]:
    return {
        **fields(entry.directory, "id tenant_id last_full_at last_incremental_at last_used_at", as_of="cursor"),
        **fields(entry, "practices records missing", held="is_held"),
        "last_sync": _sync(entry.sync) if entry.sync else None,
    }


def _sync(sync: DirectorySync) -> dict[str, Any]:
    return fields(sync, f"id mode state asked_by started_at finished_at {SYNC_COUNTS} reason")
