"""Keeps a Xero login's access token fresh, for any number of threads, processes and connections that share it.

Only the holder of a lease on the login's row calls Xero, and new tokens are stored before they are used. No lock is held
during the call: a refresher that dies leaves a lease that expires, and the next one uses the same refresh token again,
which Xero allows for 30 minutes after it was replaced.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID, uuid4

from config import metrics
from xpm.oauth.errors import (
    AppRefused,
    CoolingDown,
    GrantRefused,
    IdentityMalformed,
    IdentityUnavailable,
    ReconnectNeeded,
    RefreshUnderWay,
)
from xpm.oauth.identity import Grant

REFRESH_SECONDS = 15.0
"""The timeout of a refresh."""
LEASE_SECONDS = 30.0
"""How long a refresh lease lasts: longer than a refresh can take, far shorter than Xero's grace period."""
MARGIN_SECONDS = 60.0
"""How long before its expiry a token is refreshed; a tenth of its lifetime if that is less."""
WAIT_SECONDS = 5.0
"""How long to wait for another process's refresh before deferring the work."""
POLL_SECONDS = 0.05
COOLING_SECONDS = 5.0
"""How long no refresh is tried after a failure; twice as long after each further one."""
MAX_COOLING_SECONDS = 300.0


@dataclass(frozen=True)
class StoredTokens:
    """A login's stored tokens. All times are seconds from now by the store's clock."""

    access_token: str | None = field(repr=False)
    refresh_token: str | None = field(repr=False)
    version: int
    life: float
    left: float
    leased_for: float = 0.0
    cooling_for: float = 0.0
    failures: int = 0
    refused: bool = False

    def is_fresh(self) -> bool:
        """Whether it is valid for a while yet. A token that cannot be refreshed is used until Xero refuses it."""
        return self.refresh_token is None or self.left > min(MARGIN_SECONDS, self.life / 10)


@dataclass(frozen=True)
class Token:
    """An access token, and the version of the login's tokens that it belongs to."""

    value: str = field(repr=False)
    version: int


class TokenStore(Protocol):
    """Where logins' tokens are kept. Every method is its own short transaction."""

    def load(self, login_id: UUID) -> StoredTokens: ...

    def take_lease(self, login_id: UUID, lease: UUID, *, version: int, seconds: float) -> bool:
        """Lease the refresh of this version. False if it is leased, cooling down or refused."""

    def store(self, login_id: UUID, lease: UUID, grant: Grant, *, version: int, age: float) -> bool:
        """Keep new tokens, requested `age` seconds ago, as the next version. False when the lease is lost."""

    def cool_down(self, login_id: UUID, lease: UUID, *, seconds: float) -> None:
        """Release the lease, and let no process take it for so long."""

    def refuse(self, login_id: UUID, lease: UUID, *, version: int) -> bool:
        """Record that Xero refuses this version for good. False when it is no longer the newest."""


class Tokens:
    """Access tokens that are valid now.

    `refresh` calls Xero; `monotonic` and `sleep` are the clock, in seconds.
    """

    def __init__(
        self,
        store: TokenStore,
        refresh: Callable[[str], Grant],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._refresh = refresh
        self._monotonic = monotonic
        self._sleep = sleep

    def access_token(
        self,
        login_id: UUID,
        *,
        not_version: int | None = None,
        wait_seconds: float = WAIT_SECONDS,
        known: StoredTokens | None = None,
    ) -> Token:
        """A login's access token.

        Args:
            not_version: Xero refused the access token of this version, so a newer one is needed.
            wait_seconds: the longest wait for a refresh that another process began.
            known: the tokens as just loaded from the store, to save a query.

        Raises:
            ReconnectNeeded: only a new consent can give a token.
            IdentityUnavailable, IdentityMalformed, AppRefused: the refresh failed, and the old token has expired.
            CoolingDown, RefreshUnderWay: nothing was sent; wait as long as they say.
        """
        until = self._monotonic() + min(wait_seconds, WAIT_SECONDS)
        stored = known or self._store.load(login_id)
        while True:
            token = _usable(stored, not_version)
            if token is not None and stored.is_fresh():
                return token
            if stored.refused or stored.refresh_token is None:
                raise ReconnectNeeded(stored.version)
            if stored.cooling_for <= 0 and stored.leased_for <= 0:
                found = self._try_to_refresh(login_id, stored, token)
                if found is not None:
                    return found
            elif token is not None and stored.left > 0:
                return token  # another process refreshes it; this one is still valid
            else:
                self._wait(stored, until)
            stored = self._store.load(login_id)

    def _wait(self, stored: StoredTokens, until: float) -> None:
        """Wait briefly for another process's refresh. The caller has to wait for anything longer."""
        if stored.cooling_for > 0:
            raise CoolingDown(stored.cooling_for)
        if self._monotonic() >= until:
            raise RefreshUnderWay(stored.leased_for)
        self._sleep(POLL_SECONDS)

    def _try_to_refresh(self, login_id: UUID, stored: StoredTokens, token: Token | None) -> Token | None:
        """Refresh if we get the lease. `None` means: load the store's tokens again."""
        lease = uuid4()
        if not self._store.take_lease(login_id, lease, version=stored.version, seconds=LEASE_SECONDS):
            return None
        started = self._monotonic()
        try:
            grant = self._refresh(stored.refresh_token or "")
        except GrantRefused:
            # Newer tokens may have been stored meanwhile, so that ours were the old ones: then nothing is broken.
            metrics.TOKEN_REFRESHES.labels("refused").inc()
            if self._store.refuse(login_id, lease, version=stored.version):
                raise ReconnectNeeded(stored.version) from None
            return None
        except (IdentityUnavailable, IdentityMalformed, AppRefused) as error:
            metrics.TOKEN_REFRESHES.labels("failed").inc()
            self._store.cool_down(login_id, lease, seconds=_cooling(stored.failures, error))
            if token is not None and stored.left > 0:
                return token
            raise
        age = self._monotonic() - started
        if not self._store.store(login_id, lease, grant, version=stored.version, age=age):
            metrics.TOKEN_REFRESHES.labels("lost").inc()
            return None
        metrics.TOKEN_REFRESHES.labels("succeeded").inc()
        return Token(grant.access_token, stored.version + 1)


def _usable(stored: StoredTokens, not_version: int | None) -> Token | None:
    """The stored token, unless it is gone or Xero has refused it."""
    if stored.access_token is None or stored.refused:
        return None
    if not_version is not None and stored.version <= not_version:
        return None
    return Token(stored.access_token, stored.version)


def _cooling(failures: int, error: Exception) -> float:
    asked = getattr(error, "retry_after", None) or 0.0
    return min(MAX_COOLING_SECONDS, max(asked, COOLING_SECONDS * 2.0 ** min(failures, 10)))
