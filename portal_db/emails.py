"""Welcome emails: the row that makes a second one impossible, and the intent that comes before each sending (b.6).

What people decide about an email later is in `email_decisions`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, or_, select, update

from portal_db import restores
from portal_db.database import Tx
from portal_db.dialect import insert_or_ignore
from portal_db.states import EmailState, JobState
from portal_db.tables import Client, Job, Login, Practice, WelcomeEmail
from portal_db.types import db_now


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
class Addressed:
    """A welcome email, the client it is for, the practice it is from, and the login whose address it goes to."""

    email: WelcomeEmail
    client: Client
    practice: Practice
    login: Login


def addressed(tx: Tx, email_id: UUID, practice_id: UUID) -> Addressed | None:
    """A practice's welcome email with everything its letter needs. `None` when any of that is gone."""
    statement = (
        select(WelcomeEmail, Client, Practice, Login)
        .join(Client, Client.id == WelcomeEmail.client_id)
        .join(Practice, Practice.id == Client.practice_id)
        .join(Login, Login.id == Client.login_id)
        .where(WelcomeEmail.id == email_id, WelcomeEmail.practice_id == practice_id, Client.practice_id == practice_id)
        .execution_options(populate_existing=True)
    )
    found = tx.session.execute(statement).one_or_none()
    return Addressed(*found) if found is not None else None


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
    return tx.session.scalar(statement.execution_options(synchronize_session=False)) is not None


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
    return tx.session.scalar(statement.execution_options(synchronize_session=False)) is not None


def mark_unknown(tx: Tx, email_id: UUID) -> None:
    """An email found in `sending` by somebody who did not begin it: whether it went out cannot be known."""
    tx.session.execute(
        update(WelcomeEmail)
        .where(WelcomeEmail.id == email_id, WelcomeEmail.state == EmailState.SENDING)
        .values(state=EmailState.UNKNOWN)
        .execution_options(synchronize_session=False)
    )
