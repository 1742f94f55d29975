"""Which connection an import may use, and the access it gives: always the requester's own, never a colleague's (b.13)."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from handlers import refusals
from handlers.errors import ConnectionLost, Transient
from portal_db.states import ConnectionState
from portal_db.tables import Practice, Staff, XeroLogin, XpmConnection

RECONNECT = "Reconnect XPM under Configure > Integrations. Waiting imports then resume automatically."
#: Why a connection broke, by the code it was marked with: what happened, and what its owner can do (facts §5).
BROKEN: dict[str, tuple[str, str]] = {
    "grant_refused": ("Your Xero connection has expired.", RECONNECT),
    "token_refused": ("Xero no longer accepts this connection, even after renewing its token.", RECONNECT),
    "scope_missing": (
        "The access allowed at Xero does not include reading XPM clients.",
        "Reconnect XPM under Configure > Integrations and allow everything that Xero lists. Waiting imports then resume"
        " automatically.",
    ),
    "tenant_disconnected": (
        "The practice was disconnected from the portal in Xero, or this Xero user lost access to it.",
        RECONNECT,
    ),
    "all_tenants_removed": ("Every practice was disconnected from the portal in Xero.", RECONNECT),
    "privilege_lost": (
        "XPM denies this Xero user access to clients, although the practice is still connected.",
        "Ask an XPM administrator to switch on “Connect third-party add-ons” for you, then reconnect XPM under"
        " Configure > Integrations. Waiting imports then resume automatically.",
    ),
}
_BROKEN_SOMEHOW = ("Xero no longer accepts this connection.", RECONNECT)


class XpmRequester(Protocol):
    """The person XPM is called for: who they are, where they work, and their own connection, as of `now`."""

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
        Rejected: the requester has left or may not import, firm-wide MFA is off (b.14), or they never connected XPM.
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


def require_same_connection(requester: XpmRequester, used: XpmConnection) -> None:
    """Check that what was fetched through a connection may still be written (b.11).

    Args:
        requester: as read inside the writing transaction.

    Raises:
        Rejected, ConnectionLost: the requester left, or the connection was disconnected since the fetch.
        Transient: it was replaced by another; the record is read again through that one.
    """
    if require_connection(requester).id != used.id:
        raise Transient("connection_replaced", "XPM was reconnected during this import. The record will be read again.")


def connection_lost(code: str | None) -> ConnectionLost:
    """The error of a job whose connection broke: always the same code, with words for the cause."""
    message, remedy = BROKEN.get(code or "", _BROKEN_SOMEHOW)
    return ConnectionLost("reconnect_xpm", message, remedy)
