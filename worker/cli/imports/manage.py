"""The commands of `imports`: listing imports, showing one with what it waits for, correcting and cancelling them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import typer

from handlers.access.outcomes import Outcomes
from handlers.imports import queries
from handlers.imports.amend import amend
from handlers.imports.cancel import Cancelled, cancel, cancel_each, open_of_batch, require_cancellable
from portal_db.states import ImportState
from portal_db.tables import Import
from worker.cli import show_imports
from worker.cli.database import open_record
from worker.cli.exits import ExitCode, Problem, explain_refusals
from worker.cli.imports.add import (
    ClientTypeOption,
    EmailOption,
    NameOption,
    SubscriptionOption,
    TypeOption,
    WelcomeOption,
)
from worker.cli.operator import BY_HAND, AsOperator, DryRun, OnlyPractice, OptionalReason, Yes, acting, confirm, track
from worker.cli.output import (
    AsJson,
    clean,
    console,
    count_of,
    fields,
    note,
    say,
    say_json,
    say_list,
    say_result,
    state_words,
)

STATES = ", ".join(state.value for state in ImportState)

ImportId = Annotated[UUID, typer.Argument(metavar="ID", help="The import's id.", show_default=False)]

imports_app = typer.Typer(no_args_is_help=True, help="Imports that were requested.")


@imports_app.command("list")
def list_imports(
    practice: OnlyPractice = None,
    state: Annotated[
        list[ImportState] | None, typer.Option(metavar="STATE", help=f"Only in this state: {STATES}. Can be repeated.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=100_000, help="How many to list, newest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List imports, newest first."""
    with open_record() as record, explain_refusals({"practice_id": f"--practice {practice}"}):
        found = queries.listing(record.database, practice_id=practice, states=state or (), limit=limit)
    say_list(found, as_json, _listed_json, show_imports.imports_table, empty="No imports.")
    if len(found) == limit and not as_json:
        say(f"The newest {count_of(limit, 'import')}; more with --limit.")


def _listed_json(row: Import) -> dict[str, Any]:
    return {**show_imports.import_json(row), "created_at": row.created_at}


@imports_app.command("show")
def show_import(import_id: ImportId, as_json: AsJson = False) -> None:
    """Show one import: the request, its jobs and what they wait for, and its history."""
    with open_record() as record, explain_refusals({"import_id": f"Import {import_id}"}):
        found = queries.details(record.database, import_id)
    if as_json:
        say_json({
            **show_imports.import_json(found.row),
            **fields(found.row, "practice_id batch_id created_at closed_at"),
            "jobs": [show_imports.job_json(job, found.waits) for job in found.jobs],
            "left_out": found.left_out,
            "history": [show_imports.entry_json(entry) for entry in found.history],
        })  # fmt: skip
        return
    out = console()
    jobs_table = show_imports.jobs_table(found.jobs, found.waits)
    for part in (show_imports.import_table(found.row), jobs_table, show_imports.history_table(found.history)):
        out.print(part)
        out.print()
    if found.left_out:
        say(f"Left out, because XPM has them in a form that cannot be read: {', '.join(map(clean, found.left_out))}")


@imports_app.command("amend")
def amend_import(
    import_id: ImportId,
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

    Once its client exists, only --email can be corrected here: it changes the login unless that is activated,
    invalidates the link that was sent, and sends a failed welcome email to the new address.
    """
    given = {"name": name, "entity_type": entity_type, "email": email, "client_type": client_type,
             "subscription": subscription, "send_welcome_email": welcome}  # fmt: skip
    corrections = {field: value for field, value in given.items() if value is not None}
    if not corrections:
        raise Problem("Say what to correct: --email, --name or another input.", ExitCode.MISUSED)
    labels = {field: f"--{field.replace('_', '-')}" for field in given} | {"import_id": f"Import {import_id}"}
    with open_record() as record, acting(record, operator, reason, **labels) as act:
        done = amend(record.database, act, import_id, corrections)
    email_words = " Its welcome email goes to the new address." if done.sends_email else ""
    say_result(
        as_json,
        {"id": import_id, **fields(done, "revision changed state sends_email")},
        f"Revision {done.revision}: {', '.join(done.changed)} corrected. The import is {state_words(done.state)}."
        f"{email_words}",
    )


@imports_app.command("cancel")
def cancel_imports(
    operator: AsOperator,
    import_id: Annotated[UUID | None, typer.Argument(metavar="ID", help="The import's id.", show_default=False)] = None,
    batch: Annotated[UUID | None, typer.Option(metavar="ID", help="Every open import of this batch.")] = None,
    reason: OptionalReason = BY_HAND,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Cancel the remaining work of an import or of a whole batch.

    An import that has created nothing ends cancelled, any other partly succeeded; what it created is kept. An email
    that is being sent cannot be stopped.
    """
    if (import_id is None) == (batch is None):
        raise Problem("Give either the ID of one import, or --batch.", ExitCode.MISUSED)
    with open_record() as record, acting(record, operator, reason, import_id=f"Import {import_id}") as act:
        database, ids = record.database, [] if import_id is None else [import_id]
        if batch is not None:
            ids = [*open_of_batch(database, act, batch)]
        else:
            require_cancellable(database, ids[0])
        if dry_run:
            plan = {"dry_run": True, "cancelled": [{"id": each} for each in ids]}
            say_result(as_json, plan, f"{count_of(len(ids), 'import')} would be cancelled.")
            return
        confirm(f"Cancel {count_of(len(ids), 'import')}?", yes=yes)
        if batch is None:
            outcomes = Outcomes([cancel(database, act, ids[0])])
        else:
            outcomes = cancel_each(database, act, track("Cancelling", ids))
    for refused_id, refusal in outcomes.refused:  # it closed meanwhile, or only its email is left
        note(clean(f"{refused_id} refused: {refusal.message}"))
    if as_json:
        rows = [fields(one, "state jobs email_goes_out", id="import_id") for one in outcomes.done]
        refused = [{"id": each, **fields(why, "code message remedy")} for each, why in outcomes.refused]
        say_json({"dry_run": False, "cancelled": rows, "refused": refused})
    else:
        _report(outcomes.done)
    if outcomes.refused:
        raise typer.Exit(ExitCode.FAILED)


def _report(done: Sequence[Cancelled]) -> None:
    states = Counter(one.state for one in done)
    words = ", ".join(f"{states[state]:,} {state_words(state)}" for state in sorted(states)) or "none were open"
    say(f"{count_of(len(done), 'import')} cancelled: {words}.")
    if sending := sum(one.email_goes_out for one in done):
        say(f"{count_of(sending, 'welcome email')} was being sent and could not be stopped.")
