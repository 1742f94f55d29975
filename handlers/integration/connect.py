"""Connecting XPM, and reconnecting it: a staff member consents at Xero, comes back, and chooses a practice (b.13, b.14).

Each person connects for themselves. Xero is asked outside any transaction; a consent is answered once.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from config.settings import Settings
from handlers import refusals
from handlers.access.act import Actor
from handlers.access.tokens import hashed
from handlers.directory.sync import sync_on_connecting
from handlers.errors import RequestRefused
from handlers.integration.disconnect import cut
from handlers.xero.tokens import LIST_SECONDS, connections_at_xero, identity
from portal_db.access import people
from portal_db.database import Database, Tx
from portal_db.states import ConnectionState
from portal_db.tables import XeroConsent, XpmConnection
from portal_db.types import database_time
from portal_db.xero import connections, consents, logins
from xpm import oauth

CONSENT_SECONDS = 600.0
"""How long somebody may take at Xero, and again to choose a practice."""


@dataclass(frozen=True)
class ConnectingStaff:
    """The staff member who connects, and where they work."""

    practice_id: UUID
    staff_id: UUID


@dataclass(frozen=True)
class Connected:
    """A working connection. `woken` is how many jobs had waited for it."""

    connection_id: UUID
    woken: int


@dataclass(frozen=True)
class Choice:
    """Xero gave access to several practices: `choose` takes one of their tenant ids. Names are often missing."""

    consent_id: UUID
    tenants: tuple[tuple[str, str | None], ...]


def begin(database: Database, settings: Settings, person: ConnectingStaff) -> str:
    """Begin a consent.

    Returns:
        Where to send the person.

    Raises:
        RequestRefused: firm-wide MFA is off, or the person may not connect.
        SettingsError: no app is registered.
    """
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
    with database.write() as tx:
        _require_allowed(tx, person)
        with oauth.Http(seconds=LIST_SECONDS) as http:  # it only writes an address; nothing is sent
            url = identity(settings, http).authorization_url(state=state, code_verifier=verifier)
        row = {
            "id": tx.new_id(),
            "practice_id": person.practice_id,
            "staff_id": person.staff_id,
            "state_hash": hashed(state),
            "verifier": settings.vault.encrypt(verifier.encode()),
        }
        consents.begin(tx, row, valid_seconds=CONSENT_SECONDS)
    return url


def complete(
    database: Database,
    settings: Settings,
    person: ConnectingStaff,
    *,
    state: str,
    code: str | None,
    error: str | None = None,
) -> Connected | Choice:
    """Process the parameters of the redirect from Xero: a code, or an error.

    Raises:
        RequestRefused: the response is not theirs or has expired, Xero refused, or there is no XPM practice to connect.
    """
    with database.write() as tx:
        _require_allowed(tx, person)
        consent = consents.answer(tx, hashed(state), person.staff_id)
    if consent is None:
        raise refusals.CONSENT_EXPIRED()
    if code is None:
        raise _refused_at_xero(error or "")
    grant, tenants = _ask_xero(settings, code, settings.vault.decrypt(consent.verifier).decode())
    with database.write() as tx:
        _require_allowed(tx, person)
        login_id = _keep_tokens(tx, settings, grant)
        chosen = _obvious(connections.live_connection_of(tx, person.staff_id), tenants)
        if chosen is not None:
            consents.end(tx, consent.id)
            return _connect(tx, person, login_id, chosen.tenant_id, chosen.name)
        choices = [{"tenant_id": tenant.tenant_id, "tenant_name": tenant.name} for tenant in tenants]
        consents.offer(tx, consent.id, login_id, choices, seconds=CONSENT_SECONDS)
    return Choice(consent.id, tuple((tenant.tenant_id, tenant.name) for tenant in tenants))


def choose(database: Database, person: ConnectingStaff, consent_id: UUID, tenant_id: str) -> Connected:
    """Connect one of the practices that a consent gave.

    Raises:
        RequestRefused: the choice has expired, or the practice is not among them.
    """
    with database.write() as tx:
        _require_allowed(tx, person)
        consent = consents.offered(tx, consent_id, person.staff_id)
        if consent is None or consent.xero_login_id is None:
            raise refusals.CHOICE_EXPIRED()
        names = _names(consent)
        if tenant_id not in names:
            raise refusals.UNKNOWN_TENANT()
        consents.end(tx, consent.id)
        return _connect(tx, person, consent.xero_login_id, tenant_id, names[tenant_id])


def _ask_xero(settings: Settings, code: str, verifier: str) -> tuple[oauth.Grant, list[oauth.Tenant]]:
    """Exchange the code for tokens, and list the practices they give access to."""
    try:
        with oauth.Http(seconds=LIST_SECONDS) as http:
            grant = identity(settings, http).exchange(code, code_verifier=verifier)
            _require_scopes(grant)
            tenants = connections_at_xero(settings, http).tenants(grant.access_token)
    except oauth.GrantRefused:
        raise refusals.CONSENT_EXPIRED() from None
    except oauth.IdentityUnavailable:
        raise refusals.XERO_UNAVAILABLE() from None
    except oauth.AppRefused as refusal:
        raise _app_refused(refusal.code) from None
    except oauth.XeroAuthError:
        raise refusals.XERO_CONTRACT() from None
    if not tenants:
        raise refusals.NO_XPM_PRACTICE()
    return grant, tenants


def _require_scopes(grant: oauth.Grant) -> None:
    wanted = frozenset(oauth.SCOPES)
    if (grant.scopes and not wanted <= grant.scopes) or grant.refresh_token is None:
        raise refusals.CONSENT_LACKS_SCOPE()


def _refused_at_xero(error: str) -> RequestRefused:
    if error == "access_denied":
        return refusals.ACCESS_DENIED()
    if error in ("temporarily_unavailable", "server_error"):
        return refusals.XERO_UNAVAILABLE()
    return _app_refused(error)


def _app_refused(code: str) -> RequestRefused:
    known = code if code in ("invalid_client", "unauthorized_client", "invalid_scope", "invalid_request") else "unknown"
    return refusals.XERO_APP_REFUSED(error=known)


def _obvious(existing: XpmConnection | None, tenants: list[oauth.Tenant]) -> oauth.Tenant | None:
    """The practice to connect without a choice: the only one, or the one that is being reconnected."""
    if len(tenants) == 1:
        return tenants[0]
    return next((tenant for tenant in tenants if existing and tenant.tenant_id == existing.tenant_id), None)


def _connect(tx: Tx, person: ConnectingStaff, login_id: UUID, tenant_id: str, tenant_name: str | None) -> Connected:
    """Repair the person's connection, replace a broken one to another practice, or create their first."""
    existing = connections.live_connection_of(tx, person.staff_id)
    if existing is not None and existing.tenant_id == tenant_id:
        connections.reconnect(tx, existing.id, xero_login_id=login_id, tenant_name=tenant_name)
        _audit_connected(tx, person, existing.id, before=existing.state)
        if existing.xero_login_id != login_id:
            _forget_unused(tx, existing.xero_login_id)
        _sync(tx, existing.id)
        return Connected(existing.id, connections.resume_waiting_jobs(tx, person.staff_id))
    if existing is not None and existing.state is ConnectionState.BROKEN:
        cut(tx, existing, Actor.of(person.staff_id))
    row = {
        "id": tx.new_id(),
        "practice_id": person.practice_id,
        "staff_id": person.staff_id,
        "xero_login_id": login_id,
        "tenant_id": tenant_id,
        "tenant_name": tenant_name,
    }
    if not connections.add_connection(tx, row):
        raise refusals.CONNECTED_TO_ANOTHER_PRACTICE()
    connection_id = UUID(str(row["id"]))
    _audit_connected(tx, person, connection_id, before=None)
    _sync(tx, connection_id)
    return Connected(connection_id, connections.resume_waiting_jobs(tx, person.staff_id))


def _sync(tx: Tx, connection_id: UUID) -> None:
    sync_on_connecting(tx, connections.get_one(tx, connection_id))


def _keep_tokens(tx: Tx, settings: Settings, grant: oauth.Grant) -> UUID:
    refresh = grant.refresh_token
    return logins.store_consented(
        tx,
        {
            "id": tx.new_id(),
            "xero_user_id": grant.xero_user_id,
            "access_token": settings.vault.encrypt(grant.access_token.encode()),
            "refresh_token": settings.vault.encrypt(refresh.encode()) if refresh else None,
            "access_expires_at": database_time(tx.session) + timedelta(seconds=grant.expires_in),
        },
    )


def _forget_unused(tx: Tx, login_id: UUID) -> None:
    """Forget the tokens of the previous Xero user, if no other connection uses them."""
    logins.delete_tokens(tx, login_id, version=logins.load(tx, login_id).row.version)


def _names(consent: XeroConsent) -> dict[str, Any]:
    return {choice["tenant_id"]: choice["tenant_name"] for choice in consent.choices or []}


def _require_allowed(tx: Tx, person: ConnectingStaff) -> None:
    """Check firm-wide MFA first: Xero requires it whoever connects (b.14)."""
    practice = people.get_practice(tx, person.practice_id)
    staff = people.at_work(tx, person.staff_id, practice_id=person.practice_id)
    if practice is None or staff is None:
        raise refusals.UNKNOWN_STAFF()
    if not practice.mfa_mandatory:
        raise refusals.MFA_REQUIRED_TO_CONNECT()
    if not staff.role.may_import:
        raise refusals.CONNECT_NOT_ALLOWED()


def _audit_connected(tx: Tx, person: ConnectingStaff, connection_id: UUID, *, before: str | None) -> None:
    actor, after = Actor.of(person.staff_id, "consent at Xero"), ConnectionState.CONNECTED
    actor.audit(tx, "connection.state", "connection", connection_id, person.practice_id, before=before, after=after)
