"""Calls XPM with a valid token, and breaks the connection when Xero denies it one (facts §5).

Tokens belong to a Xero login and are shared by its connections. A 401 causes one refresh for all of them and one
retry. A connection breaks, and its owner gets one email, when Xero ends the consent (`invalid_grant`), or when it denies
access in its own words, and does so again a minute later. A page that something in between sent is no denial.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from cryptography.fernet import InvalidToken, MultiFernet

from config.settings import Settings, SettingsError
from handlers.errors import Deferred, JobError, Permanent, Transient
from handlers.practice_time import day_first
from handlers.services import Services
from handlers.xero import reconnect_notice
from handlers.xero.connection import XpmRequester, connection_lost, require_connection
from portal_db import audit
from portal_db.database import Database
from portal_db.states import ConnectionState
from portal_db.tables import XeroLogin, XpmConnection
from portal_db.xero import connections, logins
from xpm import oauth
from xpm.client import Access
from xpm.errors import XpmForbidden, XpmUnauthorized
from xpm.oauth.refreshing import REFRESH_SECONDS

T = TypeVar("T")

LIST_SECONDS = 10.0
"""A look at the list of connections is given up after this long."""
CALLBACK_PATH = "/integrations/xpm/callback"


def call_xpm(services: Services, requester: XpmRequester, call: Callable[[Access, float], T], *, seconds: float) -> T:
    """Call XPM through the requester's own connection.

    Args:
        call: makes the call with an access, given the seconds it may take; made a second time if Xero refused the token.
        seconds: for everything together.

    Raises:
        JobError: the requester may not import, or not through this connection; there is no valid token.
        xpm.errors.XpmError: the call failed.
    """
    connection, login = require_connection(requester), requester.xero_login
    if login is None:
        raise Permanent("no_token", "The connection has no Xero login.", "Connect XPM again.")
    monotonic = services.sources.monotonic
    until = monotonic() + seconds
    caller = _TokenSource(services, connection)
    known: oauth.StoredTokens | None = stored_tokens(login, requester.now, services.settings.vault)
    refused: int | None = None
    while True:
        token = caller.token(known=known, not_version=refused, seconds=until - monotonic())
        try:
            access = Access(connection.tenant_id, token.value, day_first(requester.practice.time_zone))
            answer = call(access, until - monotonic())
        except XpmUnauthorized as refusal:
            if refusal.reason == "scope_missing":
                raise caller.refused("scope_missing", token.version) from refusal
            if refused is not None:
                raise caller.refused("token_refused", token.version) from refusal
            known, refused = None, token.version
        except XpmForbidden as refusal:
            raise caller.denied(refusal, token) from refusal
        else:
            caller.works()
            return answer


@dataclass(frozen=True)
class _TokenSource:
    """Tokens for one connection; finds out whether and how it is broken."""

    services: Services
    connection: XpmConnection

    def token(self, *, known: oauth.StoredTokens | None, not_version: int | None, seconds: float) -> oauth.Token:
        tokens = tokens_of(self.services.database, self.services.settings)
        login_id = self.connection.xero_login_id
        try:
            return tokens.access_token(login_id, known=known, not_version=not_version, wait_seconds=seconds)
        except oauth.ReconnectNeeded as lost:
            raise self._login_lost(lost.version) from lost
        except (oauth.XeroAuthError, SettingsError) as error:
            raise from_oauth(error) from error

    def _login_lost(self, version: int) -> JobError:
        """Break all connections of the login; return the error for ours."""
        with self.services.database.read() as tx:
            others = connections.of_login(tx, self.connection.xero_login_id)
        for other in others:
            if other.id != self.connection.id:
                break_connection(self.services.database, other, version, "grant_refused")
        return self.broken("grant_refused", version)

    def denied(self, refusal: XpmForbidden, token: oauth.Token) -> JobError:
        """The error for a 403: Xero's list of connections shows whether the practice was disconnected."""
        if refusal.reason == "scope_missing":
            return self.refused("scope_missing", token.version)
        try:
            with oauth.Http(seconds=LIST_SECONDS) as http:
                tenants = connections_at_xero(self.services.settings, http).tenants(token.value)
        except oauth.TokenRefused:
            return self.refused("tenant_disconnected", token.version)
        except oauth.XeroAuthError as error:
            return from_oauth(error)
        if not tenants:
            return self.refused("all_tenants_removed", token.version)
        present = any(tenant.tenant_id == self.connection.tenant_id for tenant in tenants)
        return self.refused("privilege_lost" if present else "tenant_disconnected", token.version)

    def works(self) -> None:
        """Forget a denial that was not meant for long."""
        if self.connection.denied_at is not None:
            with self.services.database.write() as tx:
                connections.forget_denial(tx, self.connection.id)

    def refused(self, code: str, version: int) -> JobError:
        """Break the connection if Xero has denied it for a minute; the first denial may be of a moment."""
        with self.services.database.write() as tx:
            wait = connections.note_denial(tx, self.connection.id)
        if wait > 0:
            return Transient(
                "xero_denied",
                "Xero denied access to this practice. It is asked again before the connection counts as broken.",
                wait_seconds=wait,
            )
        return self.broken(code, version)

    def broken(self, code: str, version: int) -> JobError:
        """Break the connection, unless it has newer tokens by now: then the job is retried with those."""
        row = break_connection(self.services.database, self.connection, version, code)
        if row is not None and row.state is ConnectionState.BROKEN:
            return connection_lost(row.broken_code)
        return Transient(
            "connection_replaced", "XPM was reconnected during this import. The record will be read again."
        )


def break_connection(database: Database, connection: XpmConnection, version: int, code: str) -> XpmConnection | None:
    """Mark a connection broken because its tokens of this version failed, and notify its owner, once per break.

    Returns:
        The connection as it then is.
    """
    with database.write() as tx:
        number = connections.mark_broken(
            tx, connection.id, xero_login_id=connection.xero_login_id, version=version, code=code
        )
        if number is not None:
            audit.record(
                tx,
                action="connection.state",
                subject="connection",
                subject_id=connection.id,
                practice_id=connection.practice_id,
                before=ConnectionState.CONNECTED,
                after=ConnectionState.BROKEN,
                why=code,
            )
            reconnect_notice.request(tx, connection, number)
        return connections.get(tx, connection.id)


def tokens_of(database: Database, settings: Settings) -> oauth.Tokens:
    """The tokens of all logins in this database, refreshed at the identity server of these settings."""

    def refresh(refresh_token: str) -> oauth.Grant:
        with oauth.Http(seconds=REFRESH_SECONDS) as http:
            return identity(settings, http).refresh(refresh_token)

    return oauth.Tokens(LoginStore(database, settings.vault), refresh)


def identity(settings: Settings, http: oauth.Http) -> oauth.XeroIdentity:
    """Xero's identity server, for our app.

    Raises:
        SettingsError: the app's id or secret is not set.
    """
    client_id, secret = settings.xero_app
    app = oauth.App(client_id, secret, settings.public_url.rstrip("/") + CALLBACK_PATH)
    return oauth.XeroIdentity(
        app, http, identity_url=settings.xero_identity_url, authorize_url=settings.xero_authorize_url
    )


def connections_at_xero(settings: Settings, http: oauth.Http) -> oauth.XeroConnections:
    """Xero's list of connections."""
    return oauth.XeroConnections(settings.xero_connections_url, http)


def from_oauth(error: oauth.XeroAuthError | SettingsError) -> JobError:
    """A failure to get a token, as a job error. Failures that break a connection are handled in `_TokenSource`."""
    match error:
        case oauth.CoolingDown() | oauth.RefreshUnderWay():
            return Deferred("xero_token", "Waiting for a new Xero token.", wait_seconds=error.wait_seconds)
        case oauth.IdentityUnavailable():
            return Transient(
                "xero_unavailable", "Xero's sign-in service could not be reached.", wait_seconds=error.retry_after
            )
        case oauth.AppRefused() | SettingsError():
            return Transient(
                "xero_app_refused",
                "Xero does not accept this portal's app.",
                "Operations: check XERO_CLIENT_ID and XERO_CLIENT_SECRET.",
            )
        case _:
            return Transient("xero_contract", "Xero's sign-in service sent a response that we don't understand.")


@dataclass(frozen=True)
class LoginStore:
    """Keeps tokens in the record, encrypted: what `xpm.oauth` asks of a `TokenStore`."""

    database: Database
    vault: MultiFernet

    def load(self, login_id: UUID) -> oauth.StoredTokens:
        with self.database.read() as tx:
            found = logins.load(tx, login_id)
        return stored_tokens(found.row, found.now, self.vault)

    def take_lease(self, login_id: UUID, lease: UUID, *, version: int, seconds: float) -> bool:
        with self.database.write() as tx:
            longest = oauth.MAX_COOLING_SECONDS
            return logins.lease_refresh(tx, login_id, lease, version=version, seconds=seconds, longest_cooling=longest)

    def store(self, login_id: UUID, lease: UUID, grant: oauth.Grant, *, version: int, age: float) -> bool:
        with self.database.write() as tx:
            return logins.store_refreshed(
                tx,
                login_id,
                lease,
                version=version,
                access=self.vault.encrypt(grant.access_token.encode()),
                refresh=self.vault.encrypt(grant.refresh_token.encode()) if grant.refresh_token else None,
                seconds=max(0.0, grant.expires_in - age),
            )

    def cool_down(self, login_id: UUID, lease: UUID, *, seconds: float) -> None:
        with self.database.write() as tx:
            logins.cool_down(tx, login_id, lease, seconds=seconds)

    def refuse(self, login_id: UUID, lease: UUID, *, version: int) -> bool:
        with self.database.write() as tx:
            return logins.refuse(tx, login_id, lease, version=version)


def stored_tokens(row: XeroLogin, now: datetime, vault: MultiFernet) -> oauth.StoredTokens:
    """A login's row, readable.

    Raises:
        Permanent: it was encrypted with a key that this process does not have.
    """

    def left(moment: datetime | None) -> float:
        return (moment - now).total_seconds() if moment is not None else 0.0

    def wait(until: datetime | None, longest: float) -> float:
        return left(until) if left(until) <= longest else 0.0  # the database's clock went back

    return oauth.StoredTokens(
        access_token=_opened(row.access_token, vault),
        refresh_token=_opened(row.refresh_token, vault),
        version=row.version,
        life=(row.access_expires_at - row.updated_at).total_seconds(),
        left=left(row.access_expires_at),
        leased_for=wait(row.refresh_lease_until, oauth.LEASE_SECONDS),
        cooling_for=wait(row.cooling_until, oauth.MAX_COOLING_SECONDS),
        failures=row.refresh_failures,
        refused=row.refused_at is not None,
    )


def _opened(sealed: bytes | None, vault: MultiFernet) -> str | None:
    if sealed is None:
        return None
    try:
        return vault.decrypt(sealed).decode()
    except InvalidToken as error:
        raise Permanent(
            "token_unreadable",
            "The stored Xero token cannot be decrypted with this process's TOKEN_KEYS.",
            "Put the key that encrypted it back into TOKEN_KEYS.",
        ) from error
