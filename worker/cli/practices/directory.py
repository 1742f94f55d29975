"""The group `directory`: what logins see in XPM, how fresh it is, syncing now, and accepting that records are gone."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import typer

from handlers import refusals
from handlers.directory import accept_missing
from handlers.directory.accept_missing import HeldDirectory
from handlers.directory.sync import begin_sync
from portal_db.directory import directories, resyncs
from portal_db.directory import syncs as directory_syncs
from portal_db.directory.directories import DirectoryEntry
from portal_db.directory.resyncs import PracticeSummary
from portal_db.states import SyncMode, SyncState
from portal_db.tables import DirectorySync
from worker.cli.database import opened
from worker.cli.exits import Problem, as_problem, refusals_naming
from worker.cli.operator import BY_HAND, AsOperator, DryRun, OptionalReason, Yes, acting, confirm
from worker.cli.output import AsJson, clean, console, count_of, iso, moment, note, say, say_json, say_line, table
from worker.cli.practices import structures
from worker.cli.show_jobs import facts


def show_syncs(
    directory: Annotated[UUID, typer.Argument(metavar="DIRECTORY", help="The directory's id.", show_default=False)],
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="How many to list, newest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List what a directory's syncs changed in clients' relationships, by practice."""
    with opened() as record, record.database.read() as tx:
        if directories.get(tx, directory) is None:
            raise as_problem(refusals.UNKNOWN_DIRECTORY(), {"directory": str(directory)})
        found = resyncs.of_directory(tx, directory, limit=limit)
    if as_json:
        say_json([_summary_result(each) for each in found])
        return
    if not found:
        say("No sync has changed any relationships.")
        return
    made = table("Started", "Practice", "Clients", "New", "Changed", "Ended", "Conflicts", "Waiting")
    for each in found:
        counts = (f"{getattr(each.summary, name):,}" for name in SUMMARY_COUNTS)
        made.add_row(moment(each.summary.started_at), clean(each.practice), *counts)
    console().print(made)


directory_app = typer.Typer(no_args_is_help=True, help="Directories: what each Xero login sees in XPM.")
directory_app.add_typer(structures.structures_app, name="structures")
directory_app.command("syncs")(show_syncs)

DirectoryId = Annotated[UUID, typer.Argument(metavar="DIRECTORY", help="The directory's id.", show_default=False)]

SYNCS_SHOWN = 10
NAMES_SHOWN = 20
NAMES_IN_JSON = 1_000
COUNTS = ("seen", "added", "changed", "gone", "missing", "unread")


@directory_app.command("list")
def show_all(
    practice: Annotated[UUID | None, typer.Option(metavar="ID", help="Only directories of this practice.")] = None,
    as_json: AsJson = False,
) -> None:
    """List directories: how many records, when they were synced, and whether one is held."""
    with opened() as record, record.database.read() as tx:
        found = directories.listing(tx, practice_id=practice)
    if as_json:
        say_json([_result(entry) for entry in found])
        return
    if not found:
        say("There are no directories: one is created when somebody connects XPM.")
        return
    out = console()
    for entry in found:
        out.print(facts(_told(entry)))
        out.print()


@directory_app.command("show")
def show(directory: DirectoryId, as_json: AsJson = False) -> None:
    """Show a directory and its last syncs."""
    with opened() as record, record.database.read() as tx:
        entry = next(iter(directories.listing(tx, directory_id=directory)), None)
        syncs = directory_syncs.history(tx, directory, limit=SYNCS_SHOWN) if entry else []
    if entry is None:
        raise as_problem(refusals.UNKNOWN_DIRECTORY(), {"directory": str(directory)})
    if as_json:
        say_json({**_result(entry), "syncs": [_sync(sync) for sync in syncs]})
        return
    out = console()
    out.print(facts(_told(entry)))
    if syncs:
        made = table("Started", "Mode", "State", "Seen", "New", "Changed", "Gone")
        for sync in syncs:
            counts = (
                "" if value is None else f"{value:,}" for value in (sync.seen, sync.added, sync.changed, sync.gone)
            )
            made.add_row(moment(sync.started_at), sync.mode.value, _state(sync), *counts)
        out.print()
        out.print(made)


@directory_app.command("sync")
def sync_now(
    directory: DirectoryId,
    full: Annotated[bool, typer.Option("--full", help="Read all records, not only changed ones.")] = False,
    as_json: AsJson = False,
) -> None:
    """Sync a directory now. A worker does it; `directory show` reports the result.

    Exits with 1 while another sync of it is running.
    """
    mode = SyncMode.FULL if full else SyncMode.INCREMENTAL
    with opened() as record, refusals_naming({"directory": f"Directory {directory}"}), record.database.write() as tx:
        job = begin_sync(tx, directory, mode, asked_by="command line")
    if job is None:
        raise Problem(f"Directory {directory}: a sync is already running. Wait until it ends.")
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

    A sync that would lose many records holds them until then, or until a later one lists them again. Shows who would be
    gone and asks first. Clients who were imported from them stay.
    """
    with opened() as record, refusals_naming({"directory": f"Directory {directory}"}):
        found = accept_missing.get_held(record.database, directory, limit=NAMES_IN_JSON if as_json else NAMES_SHOWN)
        if not as_json:
            _say_who(found)
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


def _say_who(found: HeldDirectory) -> None:
    say(f"Missing from the last full sync, of {count_of(found.entry.records, 'record')}:")
    for row in found.missing:
        say_line(f"  {clean(str(row.record.get('name', '')))}  {row.xpm_uuid}")
    if found.entry.missing > len(found.missing):
        say(f"  … and {found.entry.missing - len(found.missing):,} more; all of them with --json")


def _told(entry: DirectoryEntry) -> dict[str, str | None]:
    directory, sync = entry.directory, entry.sync
    told: dict[str, str | None] = {
        "Directory": str(directory.id),
        "Practice": ", ".join(clean(name) for name in entry.practices) or "nobody is connected",
        "Tenant": clean(directory.tenant_id),
        "Records": f"{entry.records:,}",
        "As of": moment(directory.cursor) or "never filled",
        "Last full": moment(directory.last_full_at) or "never",
        "Last used": moment(directory.last_used_at),
    }
    if sync is not None:
        told["Last sync"] = f"{sync.mode}, {_state(sync)}, begun {moment(sync.started_at)}"
    if entry.is_held:
        told["Held"] = f"{count_of(entry.missing, 'record')} missing: portal-sync directory accept"
    return told


def _state(sync: DirectorySync) -> str:
    return (
        f"{sync.state} ({sync.reason})" if sync.reason and sync.state is not SyncState.SUCCEEDED else sync.state.value
    )


def _result(entry: DirectoryEntry) -> dict[str, Any]:
    directory = entry.directory
    return {
        "id": directory.id,
        "tenant_id": directory.tenant_id,
        "practices": list(entry.practices),
        "records": entry.records,
        "as_of": iso(directory.cursor),
        "last_full_at": iso(directory.last_full_at),
        "last_incremental_at": iso(directory.last_incremental_at),
        "last_used_at": iso(directory.last_used_at),
        "held": entry.is_held,
        "missing": entry.missing,
        "last_sync": _sync(entry.sync) if entry.sync else None,
    }


def _sync(sync: DirectorySync) -> dict[str, Any]:
    return {
        "id": sync.id,
        "mode": sync.mode,
        "state": sync.state,
        "asked_by": sync.asked_by,
        "started_at": iso(sync.started_at),
        "finished_at": iso(sync.finished_at),
        **{name: getattr(sync, name) for name in COUNTS},
        "reason": sync.reason,
    }


SUMMARY_COUNTS = ("clients", "added", "changed", "ended", "conflicts", "waiting")


def _summary_result(each: PracticeSummary) -> dict[str, Any]:
    row = each.summary
    counts = {name: getattr(row, name) for name in SUMMARY_COUNTS}
    times = {"started_at": iso(row.started_at), "finished_at": iso(row.finished_at)}
    return {"sync_id": row.sync_id, "practice_id": row.practice_id, "practice": each.practice, **times, **counts}
