"""The group `imports`, with its commands `list` and `show`: where imports stand, and what keeps one from going on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import typer

from handlers.access.act import Act
from handlers.errors import RequestRefused
from handlers.imports.amend import amend
from handlers.imports.cancel import Cancelled, cancel, open_of_batch, require_open
from handlers.imports.reopen import require_import
from handlers.jobs.explain import wait_reasons
from portal_db import audit
from portal_db.access import people
from portal_db.database import Database
from portal_db.states import ImportState
from portal_db.work import imports, jobs
from worker.cli import show_imports
from worker.cli.database import opened
from worker.cli.exits import ExitCode, Problem
from worker.cli.imports.add import (
    ClientTypeOption,
    EmailOption,
    NameOption,
    SubscriptionOption,
    TypeOption,
    WelcomeOption,
)
from worker.cli.operator import BY_HAND, AsOperator, DryRun, OptionalReason, Yes, acting, confirm, counted
from worker.cli.output import AsJson, clean, console, count_of, iso, note, say, say_json

STATES = ", ".join(state.value for state in ImportState)

imports_app = typer.Typer(no_args_is_help=True, help="Imports that were requested.")


@imports_app.command("list")
def list_imports(
    practice: Annotated[UUID | None, typer.Option(metavar="ID", help="Only this practice's.")] = None,
    state: Annotated[
        list[ImportState] | None, typer.Option(metavar="STATE", help=f"Only in this state: {STATES}. May be repeated.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=100_000, help="How many to list, newest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List imports, newest first."""
    with opened() as record, record.database.read() as tx:
        if practice is not None and people.get_practice(tx, practice) is None:
            raise Problem(f"There is no practice {practice}.")
        found = imports.listing(tx, practice_id=practice, states=state or (), limit=limit)
    if as_json:
        say_json([{**show_imports.result(row), "created_at": iso(row.created_at)} for row in found])
        return
    if not found:
        say("No imports.")
        return
    console().print(show_imports.listed(found))
    if len(found) == limit:
        say(f"The newest {count_of(limit, 'import')}; more with --limit.")


@imports_app.command("show")
def show_import(
    import_id: Annotated[UUID, typer.Argument(metavar="ID", help="The import.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Show one import: the request, its jobs and what they wait for, and its history."""
    with opened() as record, record.database.read() as tx:
        row = imports.get(tx, import_id)
        if row is None:
            raise Problem(f"There is no import {import_id}: see `portal-sync imports list`.")
        its_jobs = jobs.of_import(tx, import_id)
        holds = wait_reasons(tx, its_jobs)
        entries = audit.of_subject(tx, "import", import_id)
    if as_json:
        say_json({
            **show_imports.result(row),
            "practice_id": str(row.practice_id),
            "batch_id": str(row.batch_id) if row.batch_id else None,
            "created_at": iso(row.created_at),
            "closed_at": iso(row.closed_at),
            "jobs": [show_imports.job_result(job, holds) for job in its_jobs],
            "history": [show_imports.entry_result(entry) for entry in entries],
        })  # fmt: skip
        return
    out = console()
    for part in (show_imports.facts(row), show_imports.jobs_table(its_jobs, holds), show_imports.history(entries)):
        out.print(part)
        out.print()


@imports_app.command("amend")
def amend_import(
    import_id: Annotated[UUID, typer.Argument(metavar="ID", help="The import.", show_default=False)],
    operator: AsOperator,
    name: NameOption = None,
    entity_type: TypeOption = None,
    email: EmailOption = None,
    client_type: ClientTypeOption = None,
    subscription: SubscriptionOption = None,
    welcome: WelcomeOption = None,
    reason: OptionalReason = BY_HAND,
    as_json: AsJson = False,
) -> None:
    """Correct an import that was rejected or failed, and validate it again.

    Once its client exists, only --email can be corrected here: it changes the login unless that is activated, ends the
    link that was sent, and sends a welcome email that had failed to the new address.
    """
    given = {"name": name, "entity_type": entity_type, "email": email, "client_type": client_type,
             "subscription": subscription, "send_welcome_email": welcome}  # fmt: skip
    wishes = {field: value for field, value in given.items() if value is not None}
    if not wishes:
        raise Problem("Say what to correct: --email, --name or another input.", ExitCode.MISUSED)
    about = {field: f"--{field.replace('_', '-')}" for field in given} | {"import_id": f"Import {import_id}"}
    with opened() as record, acting(record, operator, reason, **about) as act:
        done = amend(record.database, act, import_id, wishes)
    if as_json:
        say_json({"id": import_id, "revision": done.revision, "changed": done.changed, "state": done.state,
                  "sends_email": done.sends_email})  # fmt: skip
        return
    email_words = " Its welcome email goes to the new address." if done.sends_email else ""
    say(
        f"Revision {done.revision}: {', '.join(done.changed)} corrected. The import is"
        f" {done.state.value.replace('_', ' ')}.{email_words}"
    )


@imports_app.command("cancel")
def cancel_imports(
    operator: AsOperator,
    import_id: Annotated[UUID | None, typer.Argument(metavar="ID", help="The import.", show_default=False)] = None,
    batch: Annotated[UUID | None, typer.Option(metavar="ID", help="Every open import of this batch.")] = None,
    reason: OptionalReason = BY_HAND,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Cancel the remaining work of an import or of a whole batch.

    Before anything was created an import ends cancelled, after that partly succeeded; what was created stays. An email
    that is being sent cannot be stopped.
    """
    if (import_id is None) == (batch is None):
        raise Problem("Give either the ID of one import, or --batch.", ExitCode.MISUSED)
    about = {"import_id": f"Import {import_id}"}
    with opened() as record, acting(record, operator, reason, **about) as act:
        database = record.database
        chosen = open_of_batch(database, act, batch) if batch is not None else [_open_one(database, import_id)]
        if dry_run:
            _tell_plan(chosen, as_json)
            return
        confirm(f"Cancel {count_of(len(chosen), 'import')}?", yes=yes)
        done = [cancel(database, act, chosen[0])] if batch is None else _cancel_all(database, act, chosen)
    _tell(done, as_json)


def _open_one(database: Database, import_id: UUID | None) -> UUID:
    with database.read() as tx:
        row = require_import(imports.get(tx, import_id) if import_id is not None else None)
        require_open(row)
    return row.id


def _cancel_all(database: Database, act: Act, import_ids: Sequence[UUID]) -> list[Cancelled]:
    done = []
    for import_id in counted("Cancelling", import_ids):
        try:
            done.append(cancel(database, act, import_id))
        except RequestRefused as refusal:  # it closed meanwhile, or only its email is left
            note(clean(f"{import_id} not: {refusal.message}"))
    return done


def _tell_plan(import_ids: Sequence[UUID], as_json: bool) -> None:
    if as_json:
        say_json({"dry_run": True, "cancelled": [{"id": import_id} for import_id in import_ids]})
    else:
        say(f"{count_of(len(import_ids), 'import')} would be cancelled.")


def _tell(done: Sequence[Cancelled], as_json: bool) -> None:
    if as_json:
        told: list[dict[str, Any]] = [
            {"id": one.import_id, "state": one.state, "jobs": one.jobs, "email_goes_out": one.email_goes_out}
            for one in done
        ]
        say_json({"dry_run": False, "cancelled": told})
        return
    say(f"{count_of(len(done), 'import')} cancelled: {_by_state(done)}.")
    sending = sum(one.email_goes_out for one in done)
    if sending:
        say(f"{count_of(sending, 'welcome email')} was being sent and could not be stopped.")


def _by_state(done: Sequence[Cancelled]) -> str:
    states = sorted({one.state for one in done})
    counts = {state: sum(one.state is state for one in done) for state in states}
    return (
        ", ".join(f"{count:,} {state.value.replace('_', ' ')}" for state, count in counts.items()) or "none were open"
    )
