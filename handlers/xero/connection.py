"""Which connection an import may use, and the access it gives: always the requester's own, never a colleague's (b.13)."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from handlers import refusals
from handlers.errors import ConnectionLost, Transient
from portal_db.database import Tx
from portal_db.states import ConnectionState
from portal_db.tables import Import, Practice, Staff, XeroLogin, XpmConnection
from portal_db.xero import requester as xero_requester

RECONNECT = "Reconnect XPM under Configure > Integrations; the import then goes on by itself."
#: Why a connection broke, by the code it was marked with: what happened, and what its owner can do (facts §5).
BROKEN: dict[str, tuple[str, str]] = {
    "grant_refused": ("Xero ended the consent behind this connection.", RECONNECT),
    "token_refused": ("Xero no longer accepts this connection's token, not even a fresh one.", RECONNECT),
    "scope_missing": (
        "The consent given at Xero does not allow reading XPM clients.",
        "Reconnect XPM under Configure > Integrations and allow what Xero asks for; the import then goes on by itself.",
    ),
    "tenant_disconnected": (
        "The practice was disconnected from the portal in Xero, or this Xero user lost access to it.",
        RECONNECT,
    ),
    "all_tenants_removed": ("Every practice was disconnected from the portal in Xero.", RECONNECT),
    "privilege_lost": (
        "XPM denies this Xero user access to clients, although the practice is still connected.",
        "Ask an XPM administrator to switch on “Connect third-party add-ons” for you, then reconnect XPM under"
        " Configure > Integrations; the import then goes on by itself.",
    ),
}
_BROKEN_SOMEHOW = ("Xero no longer accepts this connection.", RECONNECT)


class XpmRequester(Protocol):
    """On whose behalf XPM is asked: who they are, where they work, and the connection that is theirs, as of `now`."""

    @property
    def practice(self) -> Practice: ...
    @property
    def staff(self) -> Staff | None: ...
    @property
    def connection(self) -> XpmConnection | None: ...
    @property
    def xero_login(self) -> XeroLogin | None: ...
    @property
    def now(self) -> datetime: ...


def require_connection(requester: XpmRequester) -> XpmConnection:
    """The connection an import may go through.

    Raises:
        Rejected: the requester has left or only looks, firm-wide MFA is off (b.14), or they never connected XPM.
        ConnectionLost: Xero ended the connection.
    """
    staff = requester.staff
    if staff is None or staff.left_at is not None:
        raise refusals.STAFF_LEFT()
    if not staff.role.may_import:
        raise refusals.REQUESTER_NOT_ALLOWED()
    if not requester.practice.mfa_mandatory:
        raise refusals.MFA_NOT_MANDATORY()
    if requester.connection is None:
        raise refusals.INTEGRATION_NOT_CONFIGURED()
    if requester.connection.state is ConnectionState.BROKEN:
        raise connection_lost(requester.connection.broken_code)
    return requester.connection


def require_same_connection(tx: Tx, row: Import, used: XpmConnection) -> None:
    """Check inside the writing transaction that what was fetched may still be written (b.11).

    Raises:
        Rejected, ConnectionLost: the requester left, or the connection was cut since the fetch.
        Transient: it was replaced by another; the record is read again through that one.
    """
    if require_connection(xero_requester.requester(tx, row.id)).id != used.id:
        raise Transient("connection_replaced", "XPM was reconnected while this was being imported; it is read again.")


def connection_lost(code: str | None) -> ConnectionLost:
    """What a job is told whose connection broke; always the one code, with words for the cause."""
    message, remedy = BROKEN.get(code or "", _BROKEN_SOMEHOW)
    return ConnectionLost("reconnect_xpm", message, remedy)
