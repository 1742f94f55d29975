"""Disconnecting XPM: here at once, at Xero by a job, because Xero may be unavailable (b.11)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

from config.settings import SettingsError
from handlers import refusals
from handlers.access.act import Actor
from handlers.errors import Deferred
from handlers.jobs.enqueue import FollowUp, add_job_of
from handlers.jobs.handler import job_arg
from handlers.jobs.kinds import JobKind
from handlers.services import Services
from handlers.xero.tokens import LIST_SECONDS, connections_at_xero, from_oauth, identity, stored_tokens, tokens_of
from portal_db import audit
from portal_db.access import people
from portal_db.access.people import Person
from portal_db.database import Database, Tx
from portal_db.states import ActorKind, ConnectionState
from portal_db.tables import Job, XpmConnection
from portal_db.xero import connections, consents, logins
from xpm import oauth

#: How long the job waits while somebody is connecting.
LOOK_AGAIN_SECONDS = 60.0


def disconnect(database: Database, by: Actor, connection_id: UUID) -> None:
    """Disconnect a connection.

    Args:
        by: an operator, or the staff member whose it must be.

    Raises:
        RequestRefused: the connection is not found or not theirs, or it is already disconnected.
    """
    with database.write() as tx:
        row = connections.get(tx, connection_id)
        if row is None or (by.actor is ActorKind.STAFF and by.actor_id != row.staff_id):
            raise refusals.UNKNOWN_CONNECTION()
        if not cut(tx, row, by):
            raise refusals.ALREADY_DISCONNECTED()


def cut(tx: Tx, row: XpmConnection, by: Actor) -> bool:
    """Disconnect within an open transaction; jobs that wait for the connection run at once, and are rejected.

    Returns:
        False when it was disconnected already.
    """
    if not connections.disconnect(tx, row.id):
        return False
    by.audit(
        tx,
        "connection.state",
        "connection",
        row.id,
        row.practice_id,
        before=row.state,
        after=ConnectionState.DISCONNECTED,
    )
    add_job_of(tx, JobKind.LEAVE_XERO, row.practice_id, connection_id=row.id)
    connections.resume_waiting_jobs(tx, row.staff_id)
    return True


def owner(database: Database, connection_id: UUID) -> Person | None:
    """Whose connection this is; `None` if there is no such connection."""
    with database.read() as tx:
        row = connections.get(tx, connection_id)
        return people.who_is(tx, row.staff_id) if row is not None else None


T = TypeVar("T")


class XeroOutcome(StrEnum):
    """What happened at Xero, for the audit trail."""

    DELETED = "deleted at Xero"
    STILL_USED = "kept: another connection uses it"
    UNREACHABLE = "kept: the consent had ended, so Xero lets nobody delete it but its own users"


@dataclass(frozen=True)
class Departure:
    """What was done at Xero. `version` is set if the login's tokens were revoked and must be forgotten."""

    connection: XpmConnection
    outcome: XeroOutcome
    version: int | None = None


def fetch(services: Services, job: Job) -> Departure | None:
    """Delete the connection at Xero, and revoke the consent if nothing else needs it.

    Returns:
        `None` when the connection is in use again, or never existed.

    Raises:
        JobError: Xero could not be reached, or somebody is connecting just now; the job is retried.
    """
    with services.database.read() as tx:
        connection = connections.get(tx, job_arg(job, "connection_id"))
        if connection is None or connection.state is not ConnectionState.DISCONNECTED:
            return None
        if _is_used(tx, connection, tenant_id=connection.tenant_id):
            return Departure(connection, XeroOutcome.STILL_USED)
    try:
        outcome = _delete(services, connection)
        version = None if outcome is XeroOutcome.STILL_USED else _revoke(services, connection)
    except (oauth.XeroAuthError, SettingsError) as error:
        raise from_oauth(error) from error
    return Departure(connection, outcome, version)


def apply(tx: Tx, job: Job, row: None, departure: Departure | None) -> Sequence[FollowUp]:
    """Forget tokens that were revoked, and audit what happened to the connection at Xero."""
    if departure is None:
        return []
    connection = departure.connection
    if departure.version is not None:
        logins.delete_tokens(tx, connection.xero_login_id, version=departure.version)
    audit.record(
        tx,
        action="connection.left_xero",
        subject="connection",
        subject_id=connection.id,
        practice_id=connection.practice_id,
        after=departure.outcome,
    )
    return []


def _is_used(tx: Tx, connection: XpmConnection, *, tenant_id: str | None = None) -> bool:
    """Whether a live connection (to this tenant) uses the login. Read again after each call of Xero, which may take long.

    Raises:
        Deferred: somebody is connecting just now: what Xero gives them must not be ended.
    """
    if consents.is_connecting(tx, staff_id=connection.staff_id, login_id=connection.xero_login_id):
        raise Deferred("connecting", "Waiting for somebody to finish connecting XPM.", wait_seconds=LOOK_AGAIN_SECONDS)
    return logins.is_used(tx, connection.xero_login_id, tenant_id=tenant_id)


def _delete(services: Services, connection: XpmConnection) -> XeroOutcome:
    def leave(access_token: str) -> XeroOutcome:
        with oauth.Http(seconds=LIST_SECONDS) as http:
            at_xero = connections_at_xero(services.settings, http)
            tenants = at_xero.tenants(access_token)
            with services.database.read() as tx:
                if _is_used(tx, connection, tenant_id=connection.tenant_id):
                    return XeroOutcome.STILL_USED
            for tenant in tenants:
                if tenant.tenant_id == connection.tenant_id:
                    at_xero.delete(access_token, tenant.connection_id)
        return XeroOutcome.DELETED

    try:
        return _with_token(services, connection.xero_login_id, leave)
    except (oauth.ReconnectNeeded, oauth.TokenRefused):
        return XeroOutcome.UNREACHABLE


def _with_token(services: Services, login_id: UUID, call: Callable[[str], T]) -> T:
    """A call with the login's token, repeated once with a new token if that is refused."""
    tokens = tokens_of(services.database, services.settings)
    token = tokens.access_token(login_id)
    try:
        return call(token.value)
    except oauth.TokenRefused:
        return call(tokens.access_token(login_id, not_version=token.version).value)


def _revoke(services: Services, connection: XpmConnection) -> int | None:
    """End the consent behind the login's tokens, as read while nothing used them.

    Returns:
        The version of the tokens that were revoked; `None` when something uses them.
    """
    with services.database.read() as tx:
        if _is_used(tx, connection):
            return None
        found = logins.load(tx, connection.xero_login_id)
    stored = stored_tokens(found.row, found.now, services.settings.vault)
    if stored.refresh_token is not None and not stored.refused:
        with oauth.Http(seconds=LIST_SECONDS) as http:
            identity(services.settings, http).revoke(stored.refresh_token)
    return stored.version
