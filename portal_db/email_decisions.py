"""What people decide about welcome emails: send once more as a new version, count as delivered, call off. Each by
compare-and-set on the state they decided about."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select, update

from portal_db.database import Tx
from portal_db.emails import message_id
from portal_db.paging import LONGEST_PAGE, Cursor, older
from portal_db.states import EmailState
from portal_db.tables import Client, Login, WelcomeEmail


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
    .execution_options(populate_existing=True)
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
    tx.session.execute(statement.execution_options(synchronize_session=False))
    return tx.session.scalar(select(WelcomeEmail.state).where(WelcomeEmail.client_id == client_id))


def _decide(tx: Tx, email: WelcomeEmail, *conditions: ColumnElement[bool], **values: Any) -> bool:
    statement = (
        update(WelcomeEmail)
        .where(WelcomeEmail.id == email.id, WelcomeEmail.version == email.version, WelcomeEmail.state == email.state)
        .where(*conditions)
        .values(**values)
        .returning(WelcomeEmail.id)
    )
    return tx.session.scalar(statement.execution_options(synchronize_session=False)) is not None
