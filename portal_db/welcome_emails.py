"""Welcome emails: the row that makes a second one impossible, and the intent that comes before each sending (b.6).

What people decide about an email later is in `email_decisions`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select, update

from portal_db.database import Tx
from portal_db.dialect import insert_or_ignore
from portal_db.paging import LONGEST_PAGE, Cursor, older
from portal_db.states import EmailState, JobState
from portal_db.tables import Client, Job, Login, Practice, WelcomeEmail
from portal_db.types import db_now
from portal_db.upkeep import restores


@dataclass(frozen=True, slots=True)
class Intent:
    """That one email is about to be sent, under one job's lease."""

    email_id: UUID
    job_id: UUID
    lease_token: UUID


def add(tx: Tx, practice_id: UUID, client_id: UUID, *, asked_at: datetime) -> UUID:
    """Note that a client is to get its welcome email; there is one per client, the unique index sees to it.

    One that was asked for before the database was put back from a backup may have left since: it is unknown.

    Returns:
        The id of the client's welcome email.
    """
    email_id: UUID = tx.new_id()
    row = {
        "id": email_id,
        "practice_id": practice_id,
        "client_id": client_id,
        "version": 1,
        "state": EmailState.UNKNOWN if restores.was_after(tx, asked_at) else EmailState.PENDING,
        "message_id": message_id(email_id, 1),
        "created_at": db_now(),
    }
    if tx.session.scalar(insert_or_ignore(tx, WelcomeEmail, row).returning(WelcomeEmail.id)) is not None:
        return email_id
    return tx.session.execute(select(WelcomeEmail.id).where(WelcomeEmail.client_id == client_id)).scalar_one()


def message_id(email_id: UUID, version: int) -> str:
    """The stable left part of a Message-ID: the same email carries the same one however often it is tried."""
    return f"{email_id.hex}.{version}"


@dataclass(frozen=True, slots=True)
class AddressedEmail:
    """A welcome email, the client it is for, the practice it is from, and the login whose address it goes to."""

    email: WelcomeEmail
    client: Client
    practice: Practice
    login: Login


def addressed(tx: Tx, email_id: UUID, practice_id: UUID) -> AddressedEmail | None:
    """A practice's welcome email with everything its letter needs. `None` when any of that is gone."""
    statement = (
        select(WelcomeEmail, Client, Practice, Login)
        .join(Client, Client.id == WelcomeEmail.client_id)
        .join(Practice, Practice.id == Client.practice_id)
        .join(Login, Login.id == Client.login_id)
        .where(WelcomeEmail.id == email_id, WelcomeEmail.practice_id == practice_id, Client.practice_id == practice_id)
    )
    found = tx.session.execute(statement).one_or_none()
    return AddressedEmail(*found) if found is not None else None


def begin_sending(tx: Tx, intent: Intent, *, token_hash: str, valid_seconds: float) -> bool:
    """Commit the intent to send, with the activation link's hash. False when it is not pending (any more), or the job was
    cancelled or taken back: whoever wants to do that waits for this row of the job, or this waits for them.

    Under the same lease it may be committed again, as long as nothing was sent: its COMMIT may have got no answer.
    """
    held = select(Job.id).where(
        Job.id == intent.job_id, Job.lease_token == intent.lease_token, Job.state == JobState.RUNNING
    )
    if tx.session.scalar(held.with_for_update()) is None:
        return False
    ours = and_(WelcomeEmail.state == EmailState.SENDING, WelcomeEmail.sending_token == intent.lease_token)
    statement = (
        update(WelcomeEmail)
        .where(WelcomeEmail.id == intent.email_id, or_(WelcomeEmail.state == EmailState.PENDING, ours))
        .values(
            state=EmailState.SENDING,
            sending_token=intent.lease_token,
            token_hash=token_hash,
            token_expires_at=db_now(valid_seconds),
        )
        .returning(WelcomeEmail.id)
    )
    return tx.session.scalar(statement) is not None


def finish_sending(tx: Tx, intent: Intent, state: EmailState) -> bool:
    """End an intent: sent, refused, unknown, or (known not to be sent) pending again. False when it is not ours."""
    statement = (
        update(WelcomeEmail)
        .where(
            WelcomeEmail.id == intent.email_id,
            WelcomeEmail.state == EmailState.SENDING,
            WelcomeEmail.sending_token == intent.lease_token,
        )
        .values(state=state, sent_at=db_now() if state is EmailState.SENT else None)
        .returning(WelcomeEmail.id)
    )
    return tx.session.scalar(statement) is not None


def mark_unknown(tx: Tx, email_id: UUID) -> None:
    """An email found in `sending` by somebody who did not begin it: whether it went out cannot be known."""
    tx.session.execute(
        update(WelcomeEmail)
        .where(WelcomeEmail.id == email_id, WelcomeEmail.state == EmailState.SENDING)
        .values(state=EmailState.UNKNOWN)
    )


@dataclass(frozen=True, slots=True)
class Known:
    """A welcome email, the import that asked for it, and when its login was activated."""

    email: WelcomeEmail
    import_id: UUID | None
    activated_at: datetime | None


_NO_LINK: dict[str, Any] = {"token_hash": None, "token_expires_at": None}

_KNOWN = (
    select(WelcomeEmail, Client.import_id, Login.activated_at)
    .join(Client, Client.id == WelcomeEmail.client_id)
    .join(Login, Login.id == Client.login_id)
)


def get(tx: Tx, email_id: UUID) -> Known | None:
    found = tx.session.execute(_KNOWN.where(WelcomeEmail.id == email_id)).one_or_none()
    return Known(*found) if found is not None else None


def of_client(tx: Tx, client_id: UUID) -> Known | None:
    """The client's welcome email, if one was ever wanted."""
    found = tx.session.execute(_KNOWN.where(WelcomeEmail.client_id == client_id)).one_or_none()
    return Known(*found) if found is not None else None


def listing(
    tx: Tx,
    *,
    states: Collection[EmailState],
    practice_id: UUID | None = None,
    limit: int,
    after: Cursor | None = None,
) -> Sequence[Known]:
    """Welcome emails in these states, newest first, at most `limit`, from a cursor on."""
    statement = _KNOWN.where(WelcomeEmail.state.in_(states))
    if practice_id is not None:
        statement = statement.where(WelcomeEmail.practice_id == practice_id)
    if after is not None:
        statement = statement.where(older(WelcomeEmail.created_at, WelcomeEmail.id, after))
    statement = statement.order_by(WelcomeEmail.created_at.desc(), WelcomeEmail.id.desc())
    return [Known(*found) for found in tx.session.execute(statement.limit(min(limit, LONGEST_PAGE)))]


def renew(tx: Tx, email: WelcomeEmail) -> int | None:
    """Have an email sent once more, as its next version: the link of the one before dies with its hash.

    Returns:
        The new version; `None` when somebody else decided meanwhile, or its link was used.
    """
    version = email.version + 1
    renewed = _decide(
        tx,
        email,
        WelcomeEmail.token_used_at.is_(None),
        state=EmailState.PENDING,
        version=version,
        message_id=message_id(email.id, version),
        sending_token=None,
        sent_at=None,
        **_NO_LINK,
    )
    return version if renewed else None


def mark_delivered(tx: Tx, email: WelcomeEmail, *, sent_at: datetime | None) -> bool:
    """Somebody knows that it arrived. False when it is not unknown any more."""
    return _decide(tx, email, state=EmailState.SENT, sent_at=sent_at)


def revoke_link(tx: Tx, email: WelcomeEmail) -> bool:
    """End the link of an email that was sent."""
    return _decide(tx, email, **_NO_LINK)


def call_off(tx: Tx, client_id: UUID) -> EmailState | None:
    """Cancel a client's email if it is not begun; a job that wants to begin it later finds it cancelled.

    Returns:
        Its state now, `sending` if it is too late; `None` when there is no email.
    """
    statement = (
        update(WelcomeEmail)
        .where(WelcomeEmail.client_id == client_id, WelcomeEmail.state == EmailState.PENDING)
        .values(state=EmailState.CANCELLED)
    )
    tx.session.execute(statement)
    return tx.session.scalar(select(WelcomeEmail.state).where(WelcomeEmail.client_id == client_id))


def _decide(tx: Tx, email: WelcomeEmail, *conditions: ColumnElement[bool], **values: Any) -> bool:
    statement = (
        update(WelcomeEmail)
        .where(WelcomeEmail.id == email.id, WelcomeEmail.version == email.version, WelcomeEmail.state == email.state)
        .where(*conditions)
        .values(**values)
        .returning(WelcomeEmail.id)
    )
    return tx.session.scalar(statement) is not None
