"""What waits for a person: reads rows that are few by nature, by indexes that hold only those."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, or_, select

from portal_db.database import Tx
from portal_db.states import ConnectionState, EmailState
from portal_db.tables import (
    DISABLED_BY_HAND,
    MalformedMessage,
    Practice,
    Staff,
    WebhookEndpoint,
    WelcomeEmail,
    XpmConnection,
    XpmLink,
)
from portal_db.work.due import is_in


def unknown_emails(tx: Tx, *, limit: int) -> Sequence[WelcomeEmail]:
    """Welcome emails that may or may not have been sent, newest first."""
    statement = select(WelcomeEmail).where(is_in(EmailState.UNKNOWN, of=WelcomeEmail))
    return tx.session.scalars(statement.order_by(WelcomeEmail.id.desc()).limit(limit)).all()


@dataclass(frozen=True, slots=True)
class BrokenConnection:
    """A connection to XPM that its owner must renew, and their practice."""

    connection: XpmConnection
    practice: str


def broken_connections(tx: Tx, *, limit: int) -> list[BrokenConnection]:
    """Connections that are broken, the longest first; not those of people who have left."""
    statement = (
        select(XpmConnection, Practice.name)
        .join(Practice, Practice.id == XpmConnection.practice_id)
        .join(Staff, Staff.id == XpmConnection.staff_id)
        .where(XpmConnection.state == ConnectionState.BROKEN, Staff.left_at.is_(None))
        .order_by(XpmConnection.broken_at, XpmConnection.id)
        .limit(limit)
    )
    return [BrokenConnection(*row) for row in tx.session.execute(statement)]


#: Endpoints that have failed since some time, or are disabled: some answers disable one at once. One that its own practice
#: has disabled needs nobody.
WEBHOOK_FAILS = (
    WebhookEndpoint.removed_at.is_(None),
    WebhookEndpoint.disabled_reason.is_distinct_from(DISABLED_BY_HAND),
    or_(WebhookEndpoint.failing_since.is_not(None), WebhookEndpoint.disabled_at.is_not(None)),
)


def failing_webhooks(tx: Tx, *, limit: int) -> Sequence[WebhookEndpoint]:
    """Endpoints that fail, the longest first."""
    since = func.coalesce(WebhookEndpoint.failing_since, WebhookEndpoint.disabled_at)
    statement = select(WebhookEndpoint).where(*WEBHOOK_FAILS).order_by(since, WebhookEndpoint.id)
    return tx.session.scalars(statement.limit(limit)).all()


def malformed_messages(tx: Tx, *, limit: int) -> Sequence[MalformedMessage]:
    """Messages that could not be read, newest first."""
    return tx.session.scalars(select(MalformedMessage).order_by(MalformedMessage.id.desc()).limit(limit)).all()


#: Live links whose record did not exist when it was last checked.
LINK_IS_GONE = (XpmLink.disconnected_at.is_(None), XpmLink.gone_at.is_not(None))


def links_without_record(tx: Tx, *, limit: int) -> Sequence[XpmLink]:
    return tx.session.scalars(
        select(XpmLink).where(*LINK_IS_GONE).order_by(XpmLink.gone_at, XpmLink.id).limit(limit)
    ).all()
