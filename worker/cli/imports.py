"""The group `imports`, with its commands `list` and `show`: where imports stand, and what keeps one from going on."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from handlers.explain_job import waits
from portal_db import audit, imports, jobs, people
from portal_db.states import ImportState
from worker.cli import mending, telling
from worker.cli.exits import Problem
from worker.cli.output import AsJson, console, count_of, iso, say, say_json
from worker.cli.record import opened

STATES = ", ".join(state.value for state in ImportState)

imports_app = typer.Typer(no_args_is_help=True, help="Imports that were asked for.")
mending.register(imports_app)


@imports_app.command("list")
def list_imports(
    practice: Annotated[UUID | None, typer.Option(metavar="ID", help="Only this practice's.")] = None,
    state: Annotated[
        list[ImportState] | None, typer.Option(metavar="STATE", help=f"Only in this state: {STATES}. May be repeated.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=100_000, help="At most so many, newest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List imports, newest first."""
    with opened() as record, record.database.read() as tx:
        if practice is not None and people.get_practice(tx, practice) is None:
            raise Problem(f"There is no practice {practice}.")
        found = imports.listing(tx, practice_id=practice, states=state or (), limit=limit)
    if as_json:
        say_json([{**telling.result(row), "created_at": iso(row.created_at)} for row in found])
        return
    if not found:
        say("No imports.")
        return
    console().print(telling.listed(found))
    if len(found) == limit:
        say(f"The newest {count_of(limit, 'import')}; more with --limit.")


@imports_app.command("show")
def show_import(
    import_id: Annotated[UUID, typer.Argument(metavar="ID", help="The import.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Show one import: what was asked, its jobs and what they wait for, and its history."""
    with opened() as record, record.database.read() as tx:
        row = imports.get(tx, import_id)
        if row is None:
            raise Problem(f"There is no import {import_id}: see `portal-sync imports list`.")
        its_jobs = jobs.of_import(tx, import_id)
        holds = waits(tx, its_jobs)
        entries = audit.of_subject(tx, "import", import_id)
    if as_json:
        say_json({
            **telling.result(row),
            "practice_id": str(row.practice_id),
            "batch_id": str(row.batch_id) if row.batch_id else None,
            "created_at": iso(row.created_at),
            "closed_at": iso(row.closed_at),
            "jobs": [telling.job_result(job, holds) for job in its_jobs],
            "history": [telling.entry_result(entry) for entry in entries],
        })  # fmt: skip
        return
    out = console()
    for part in (telling.facts(row), telling.jobs_table(its_jobs, holds), telling.history(entries)):
        out.print(part)
        out.print()
