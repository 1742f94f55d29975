"""Welcome emails: one row per client, which makes a second email impossible, the intent that is committed before each
sending (b.6), and what people decide about an email afterwards.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam, case, func, literal_column, or_, select, update

from portal_db import bulk
from portal_db.bulk import Given, confined, one_of
from portal_db.database import Tx
from portal_db.dialect import one_as, update_rows
from portal_db.paging import LONGEST_PAGE, Cursor, newest_first
from portal_db.states import EmailState
from portal_db.tables import Client, CoOwnerInvitation, Login, Practice, PracticeLook, WelcomeEmail
from portal_db.types import UtcDateTime, db_now
from portal_db.upkeep import restores
from portal_db.work.due import word
from portal_db.work.jobs import IS_HELD


@dataclass(frozen=True, slots=True)
class Intent:
    """An email that is about to be sent, under one job's lease."""

    email_id: UUID
    job_id: UUID
    lease_token: UUID


def add(tx: Tx, practice_id: UUID, client_id: UUID, *, asked_at: datetime) -> UUID:
    """Record a client's welcome email, to be sent, unless the client has one: the unique index decides.

    Args:
        asked_at: when it was requested. If that was before the database was restored from a backup, it may have been sent
            already, so its state is unknown.

    Returns:
        The id of the client's welcome email.
    """
    row = _row(tx, practice_id, client_id, asked_at)
    added: UUID | None = bulk.execute(tx, WelcomeEmail, [row], _add_if_none, more=_ASKED).scalar()
    if added is not None:
        return added
    return tx.session.scalars(select(WelcomeEmail.id).where(WelcomeEmail.client_id == client_id)).one()


def add_all(tx: Tx, practice_id: UUID, asked_at: Mapping[UUID, datetime]) -> dict[UUID, UUID]:
    """`add` for new clients, which have none.

    Args:
        asked_at: when each client's email was requested, by client.

    Returns:
        The id of each client's welcome email.
    """
    rows = [_row(tx, practice_id, client_id, asked) for client_id, asked in asked_at.items()]
    if rows:
        bulk.write(tx, WelcomeEmail, rows, _add, more=_ASKED)
    return {row["client_id"]: row["id"] for row in rows}


def _row(tx: Tx, practice_id: UUID, client_id: UUID, asked_at: datetime) -> dict[str, Any]:
    email_id: UUID = tx.new_id()
    return {
        "id": email_id,
        "practice_id": practice_id,
        "client_id": client_id,
        "asked": asked_at,
        "message_id": message_id(email_id, 1),
    }


_ASKED = (("asked", UtcDateTime()),)


def _add(given: Given) -> Any:
    may_be_sent = given["asked"] <= restores.LATEST
    state = case((may_be_sent, word(EmailState.UNKNOWN)), else_=word(EmailState.PENDING))
    return given.insert(given.columns | {"version": literal_column("1"), "state": state, "created_at": db_now()})


def _add_if_none(given: Given) -> Any:
    return _add(given).on_conflict_do_nothing().returning(WelcomeEmail.id)


def message_id(email_id: UUID, version: int) -> str:
    """The left part of an email's Message-ID: the same for every attempt at the same version."""
    return f"{email_id.hex}.{version}"


@dataclass(frozen=True, slots=True)
class AddressedEmail:
    """What is needed to write a welcome email: the client's name, or only the given one, the practice's, its look, and the
    address of the client's login."""

    id: UUID
    version: int
    state: EmailState
    message_id: str
    name: str
    practice_name: str
    address: str
    look: PracticeLook | None


def addressed(tx: Tx, email_ids: Collection[UUID], practice_id: UUID) -> dict[UUID, AddressedEmail]:
    """A practice's welcome emails with everything needed to write them. Those of which anything is gone are left out."""
    values = {"email_ids": list(email_ids), "practice_id": practice_id}
    found = [AddressedEmail(*row) for row in tx.session.execute(_ADDRESSED, values)]
    return {one.id: one for one in found}


# Statements that run for every email are built once: building one costs as much as running it.
_ADDRESSED = (
    select(WelcomeEmail.id, WelcomeEmail.version, WelcomeEmail.state, WelcomeEmail.message_id)
    .add_columns(
        func.coalesce(func.nullif(Client.given_name, ""), Client.name), Practice.name, Login.email, PracticeLook
    )
    .join(Client, Client.id == WelcomeEmail.client_id)
    .join(Practice, Practice.id == Client.practice_id)
    .join(Login, Login.id == Client.login_id)
    .outerjoin(PracticeLook, PracticeLook.practice_id == Practice.id)
    .where(
        one_of(WelcomeEmail.id, "email_ids"),
        confined(WelcomeEmail.practice_id, bindparam("practice_id")),
        confined(Client.practice_id, bindparam("practice_id")),
    )
)
#: Updates of the table, on the connection: one of the class SQLAlchemy takes apart at each execution.
_TABLE: Any = WelcomeEmail.__table__
_UUID = WelcomeEmail.id.type
_IS_EMAIL = WelcomeEmail.id == bindparam("email_id", type_=_UUID)
_TOKEN = bindparam("token", type_=_UUID)
_IS_OURS = and_(WelcomeEmail.state == EmailState.SENDING, WelcomeEmail.sending_token == _TOKEN)
#: The address of an email's login.
_ADDRESS = (
    select(Login.email)
    .join(Client, Client.login_id == Login.id)
    .where(Client.id == WelcomeEmail.client_id)
    .correlate(WelcomeEmail)
    .scalar_subquery()
)
_BEGIN = (
    update(_TABLE)
    .where(
        _IS_EMAIL,
        IS_HELD,
        or_(WelcomeEmail.state == EmailState.PENDING, _IS_OURS),
        bindparam("address", type_=Login.email.type) == _ADDRESS,
    )
    .values(
        state=EmailState.SENDING,
        sending_token=_TOKEN,
        token_hash=bindparam("new_token_hash"),
        token_expires_at=db_now(bindparam("valid_seconds")),
    )
    .returning(WelcomeEmail.id)
)
_NOT_SENT = (
    update(_TABLE)
    .where(_IS_EMAIL, _IS_OURS)
    .values(state=bindparam("new_state", type_=WelcomeEmail.state.type), sent_at=None)
    .returning(WelcomeEmail.id)
)
#: Again under the same lease it changes nothing but the time: its COMMIT may have got no answer.
_SENT = (
    update(_TABLE)
    .where(
        _IS_EMAIL,
        WelcomeEmail.state.in_((EmailState.SENDING, EmailState.SENT)),
        WelcomeEmail.sending_token == _TOKEN,
    )
    .values(state=EmailState.SENT, sent_at=db_now())
    .returning(WelcomeEmail.id)
)


def begin_sending(tx: Tx, intent: Intent, *, token_hash: str, valid_seconds: float, address: str) -> bool:
    """Record the intent to send, with the activation link's hash. False when the email is not pending, the login has another
    address by now, or the job was cancelled or taken back: the job's row is locked, so neither can happen meanwhile.

    Under the same lease it may be recorded again as long as nothing was sent: its COMMIT may have got no answer.

    Args:
        address: to whom the message is written already.
    """
    values = {
        **_of(intent),
        "job_id": intent.job_id,
        "new_token_hash": token_hash,
        "valid_seconds": valid_seconds,
        "address": address,
    }
    return tx.connection.scalar(_BEGIN, values) is not None


def finish_sending(tx: Tx, intent: Intent, state: EmailState) -> bool:
    """End an intent: sent, refused, unknown, or (known not to be sent) pending again. False when another job's lease holds
    it."""
    if state is EmailState.SENT:
        return tx.connection.scalar(_SENT, _of(intent)) is not None
    return tx.connection.scalar(_NOT_SENT, {**_of(intent), "new_state": state}) is not None


def mark_sent(tx: Tx, intents: Sequence[Intent]) -> None:
    """End intents as sent, by one statement. Those that have ended, or that another job's lease holds, stay as they are.

    This goes with the next statement of `bulk`, which does not see it yet.
    """
    rows = [{"id": each.email_id, "sending_token": each.lease_token} for each in intents]
    bulk.write(tx, WelcomeEmail, rows, _mark_sent, with_next=True)


def _mark_sent(given: Given) -> Any:
    is_ours = (WelcomeEmail.sending_token == given["sending_token"], WelcomeEmail.state == EmailState.SENDING)
    return given.update({"state": EmailState.SENT, "sent_at": db_now()}).where(*is_ours)


def _of(intent: Intent) -> dict[str, Any]:
    return {"email_id": intent.email_id, "token": intent.lease_token}


def mark_unknown(tx: Tx, email_id: UUID) -> EmailState | None:
    """Mark an email unknown that an interrupted attempt left in `sending`: whether it was sent cannot be known.

    Returns:
        Its state now: `sent` if that attempt has recorded so meanwhile, since it was slow and not interrupted.
    """
    is_sending = (WelcomeEmail.id == email_id, WelcomeEmail.state == EmailState.SENDING)
    update_rows(tx, WelcomeEmail, *is_sending, state=EmailState.UNKNOWN)
    return _state(tx, WelcomeEmail.id == email_id)


@dataclass(frozen=True, slots=True)
class EmailEntry:
    """A welcome email, the import that requested it, and when its login was activated."""

    email: WelcomeEmail
    import_id: UUID | None
    activated_at: datetime | None


_NO_LINK: dict[str, Any] = {"token_hash": None, "token_expires_at": None}

_ENTRIES = (
    select(WelcomeEmail, Client.import_id, Login.activated_at)
    .join(Client, Client.id == WelcomeEmail.client_id)
    .join(Login, Login.id == Client.login_id)
)


def get(tx: Tx, email_id: UUID) -> EmailEntry | None:
    return one_as(tx, EmailEntry, _ENTRIES.where(WelcomeEmail.id == email_id))


def of_client(tx: Tx, client_id: UUID) -> EmailEntry | None:
    """The client's welcome email, if one was ever requested."""
    return one_as(tx, EmailEntry, _ENTRIES.where(WelcomeEmail.client_id == client_id))


def listing(
    tx: Tx,
    *,
    states: Collection[EmailState],
    practice_id: UUID | None = None,
    limit: int,
    after: Cursor | None = None,
) -> Sequence[EmailEntry]:
    """A page of the welcome emails in these states, newest first."""
    statement = _ENTRIES.where(WelcomeEmail.state.in_(states))
    if practice_id is not None:
        statement = statement.where(WelcomeEmail.practice_id == practice_id)
    limit = min(limit, LONGEST_PAGE)
    page = newest_first(statement, WelcomeEmail.created_at, WelcomeEmail.id, after=after, limit=limit)
    return [EmailEntry(*found) for found in tx.session.execute(page)]


def renew(tx: Tx, email: WelcomeEmail | CoOwnerInvitation) -> int | None:
    """Send an email again as its next version; the previous version's link stops working.

    Returns:
        The new version; `None` when somebody else decided meanwhile, or the link was used.
    """
    version = email.version + 1
    renewed = _decide(
        tx,
        email,
        type(email).token_used_at.is_(None),
        state=EmailState.PENDING,
        version=version,
        message_id=message_id(email.id, version),
        sending_token=None,
        sent_at=None,
        **_NO_LINK,
    )
    return version if renewed else None


def mark_delivered(tx: Tx, email: WelcomeEmail, *, sent_at: datetime | None) -> bool:
    """Mark an unknown email sent, because somebody knows that it arrived. False when it is no longer unknown."""
    return _decide(tx, email, state=EmailState.SENT, sent_at=sent_at)


def revoke_link(tx: Tx, email: WelcomeEmail) -> bool:
    """Revoke the activation link of an email that was sent."""
    return _decide(tx, email, **_NO_LINK)


def cancel_pending(tx: Tx, client_id: UUID) -> EmailState | None:
    """Cancel a client's pending email; a job that starts later finds it cancelled.

    Returns:
        Its state now, `sending` if it is too late; `None` when there is no email.
    """
    is_pending = (WelcomeEmail.client_id == client_id, WelcomeEmail.state == EmailState.PENDING)
    update_rows(tx, WelcomeEmail, *is_pending, state=EmailState.CANCELLED)
    return _state(tx, WelcomeEmail.client_id == client_id)


def _state(tx: Tx, is_meant: ColumnElement[bool]) -> EmailState | None:
    return tx.session.scalar(select(WelcomeEmail.state).where(is_meant))


def _decide(tx: Tx, email: WelcomeEmail | CoOwnerInvitation, *conditions: ColumnElement[bool], **values: Any) -> bool:
    table = type(email)
    unchanged = (table.id == email.id, table.version == email.version, table.state == email.state)
    return bool(update_rows(tx, table, *unchanged, *conditions, **values))
