"""The commands `emails list`, `resend` and `mark-delivered`: welcome emails of unknown outcome."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.table import Table

from handlers.imports import welcome_email
from handlers.imports.welcome_email import Decided
from portal_db.paging import Cursor
from portal_db.states import EmailState
from portal_db.welcome_emails import EmailEntry
from worker.cli.database import open_record
from worker.cli.operator import (
    BY_HAND,
    After,
    AsOperator,
    Limit,
    OnlyPractice,
    OptionalReason,
    Yes,
    acting,
    confirm,
    cursor,
)
from worker.cli.output import AsJson, fields, say_list, say_result, short_utc, state_words, table

STATES = ", ".join(state.value for state in EmailState)

emails_app = typer.Typer(no_args_is_help=True, help="Welcome emails of unknown outcome.")

EmailId = Annotated[UUID, typer.Argument(metavar="EMAIL", help="The email's id.", show_default=False)]


@emails_app.command("list")
def list_emails(
    state: Annotated[
        list[EmailState] | None,
        typer.Option(metavar="STATE", help=f"In this state, instead of unknown: {STATES}. Can be repeated."),
    ] = None,
    practice: OnlyPractice = None,
    limit: Limit = 50,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """List welcome emails that may or may not have been sent, newest first."""
    states = state or [EmailState.UNKNOWN]
    with open_record() as record:
        found = welcome_email.listing(
            record.database, states=states, practice_id=practice, limit=limit, after=cursor(after)
        )
    empty = f"No welcome emails that are {' or '.join(states)}."
    say_list(found, as_json, _result, _table, empty=empty, limit=limit, cursor=_cursor)


def _table(found: Sequence[EmailEntry]) -> Table:
    made = table("Email", "State", "Version", "Created", "Activated", no_wrap=[0])
    for entry in found:
        email, activated = entry.email, "yes" if entry.activated_at else "no"
        made.add_row(str(email.id), email.state.value, str(email.version), short_utc(email.created_at), activated)
    return made


@emails_app.command("resend")
def resend(
    email_id: EmailId,
    operator: AsOperator,
    reason: OptionalReason = BY_HAND,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Send one more welcome email, with a new link; the earlier link stops working."""
    with open_record() as record, acting(record, operator, reason, email_id=f"Email {email_id}") as act:
        confirm("Send this welcome email once more?", yes=yes)
        decided = welcome_email.resend(record.database, act, email_id)
    text = f"One more email will be sent, as version {decided.version}; the earlier link no longer works."
    _report(decided, text, as_json)


@emails_app.command("mark-delivered")
def mark_delivered(
    email_id: EmailId,
    operator: AsOperator,
    reason: OptionalReason = BY_HAND,
    as_json: AsJson = False,
) -> None:
    """Mark a welcome email as delivered, once the client confirms that it arrived; its link keeps working."""
    with open_record() as record, acting(record, operator, reason, email_id=f"Email {email_id}") as act:
        decided = welcome_email.mark_delivered(record.database, act, email_id)
    _report(decided, "Marked as delivered.", as_json)


def _report(decided: Decided, words: str, as_json: bool) -> None:
    result = fields(decided, "email_id import_id version", import_state="state")
    say_result(as_json, result, f"{words} Import {decided.import_id} is {state_words(decided.state)}.")


def _cursor(entry: EmailEntry) -> Cursor:
    return Cursor(entry.email.created_at, entry.email.id)


def _result(entry: EmailEntry) -> dict[str, Any]:
    email = fields(entry.email, "id practice_id client_id state version message_id created_at sent_at",
                   link_expires_at="token_expires_at")  # fmt: skip
    return {**email, **fields(entry, "import_id activated_at")}
