"""The commands `emails list`, `resend` and `mark-delivered`: welcome emails of unknown outcome."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import typer

from handlers.imports import welcome_email
from handlers.imports.welcome_email import Decided
from portal_db import welcome_emails
from portal_db.paging import Cursor
from portal_db.states import EmailState
from portal_db.welcome_emails import EmailEntry
from worker.cli.database import opened
from worker.cli.operator import BY_HAND, After, AsOperator, Limit, OptionalReason, Yes, acting, confirm, cursor, more
from worker.cli.output import AsJson, console, iso, say, say_json, table
from worker.cli.show_jobs import short

STATES = ", ".join(state.value for state in EmailState)

emails_app = typer.Typer(no_args_is_help=True, help="Welcome emails of unknown outcome.")

EmailId = Annotated[UUID, typer.Argument(metavar="EMAIL", help="The email's id.", show_default=False)]


@emails_app.command("list")
def list_emails(
    state: Annotated[
        list[EmailState] | None,
        typer.Option(metavar="STATE", help=f"In this state, instead of unknown: {STATES}. May be repeated."),
    ] = None,
    practice: Annotated[UUID | None, typer.Option(metavar="ID", help="Only this practice's.")] = None,
    limit: Limit = 50,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """List welcome emails that may or may not have been sent, newest first."""
    states = state or [EmailState.UNKNOWN]
    with opened() as record, record.database.read() as tx:
        found = welcome_emails.listing(tx, states=states, practice_id=practice, limit=limit, after=cursor(after))
    if as_json:
        say_json([_result(known) for known in found])
        return
    if not found:
        say(f"No welcome emails that are {' or '.join(states)}.")
        return
    made = table("Email", "State", "Version", "Wanted since", "Activated")
    made.columns[0].no_wrap = True
    for known in found:
        email, activated = known.email, "yes" if known.activated_at else "no"
        made.add_row(str(email.id), email.state.value, str(email.version), short(email.created_at), activated)
    console().print(made)
    more(len(found), limit, _cursor(found[-1]))


@emails_app.command("resend")
def resend(
    email_id: EmailId,
    operator: AsOperator,
    reason: OptionalReason = BY_HAND,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Send one more welcome email, with a new link; the earlier link stops working."""
    with opened() as record, acting(record, operator, reason, email_id=f"Email {email_id}") as act:
        confirm("Send this welcome email once more?", yes=yes)
        decided = welcome_email.resend(record.database, act, email_id)
    _tell(
        decided,
        f"One more email will be sent, as version {decided.version}; the earlier link no longer works.",
        as_json,
    )


@emails_app.command("mark-delivered")
def mark_delivered(
    email_id: EmailId,
    operator: AsOperator,
    reason: OptionalReason = BY_HAND,
    as_json: AsJson = False,
) -> None:
    """Mark a welcome email as delivered, once the client confirms that it arrived; its link keeps working."""
    with opened() as record, acting(record, operator, reason, email_id=f"Email {email_id}") as act:
        decided = welcome_email.mark_delivered(record.database, act, email_id)
    _tell(decided, "Marked as delivered.", as_json)


def _tell(decided: Decided, words: str, as_json: bool) -> None:
    if as_json:
        say_json({
            "email_id": decided.email_id,
            "import_id": decided.import_id,
            "version": decided.version,
            "import_state": decided.state,
        })  # fmt: skip
    else:
        say(f"{words} Import {decided.import_id} is {decided.state.value.replace('_', ' ')}.")


def _cursor(known: EmailEntry) -> Cursor:
    return Cursor(known.email.created_at, known.email.id)


def _result(known: EmailEntry) -> dict[str, Any]:
    email = known.email
    return {
        "id": email.id,
        "practice_id": email.practice_id,
        "client_id": email.client_id,
        "import_id": known.import_id,
        "state": email.state,
        "version": email.version,
        "message_id": email.message_id,
        "created_at": iso(email.created_at),
        "sent_at": iso(email.sent_at),
        "link_expires_at": iso(email.token_expires_at),
        "activated_at": iso(known.activated_at),
        "cursor": str(_cursor(known)),
    }
