"""The state of Xero's identity server: who connected the app to which practices, and the codes and tokens it issued.

Times are scaled seconds of the simulator's clock. Where Xero documents nothing, this is the strictest reading: a refresh
token reused within its grace period kills its earlier replacement, and one used later kills its whole family.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections import Counter
from dataclasses import dataclass, field
from uuid import NAMESPACE_URL, uuid4, uuid5

from xpm.simulator.clock import Clock

CODE_SECONDS = 300.0
GRACE_SECONDS = 1800.0

#: The Xero user of the authorisation page, unless a `login_hint` names another.
SOMEBODY = "5d1b8f5e-3f0a-4a52-9d3c-0c7b6a1e2f10"


@dataclass(slots=True)
class Family:
    """All tokens of one consent. The tokens of a dead family are refused."""

    user: str
    scope: str
    event: str
    alive: bool = True


@dataclass(slots=True)
class Code:
    """An authorisation code, valid once, for the caller that knows the challenge's verifier."""

    family: Family
    challenge: str
    redirect_uri: str
    until: float


@dataclass(slots=True)
class AccessToken:
    family: Family
    until: float


@dataclass(slots=True)
class RefreshToken:
    """`replaced_at` is when it was first used; `successor` is its latest replacement."""

    family: Family
    replaced_at: float | None = None
    successor: str | None = None


@dataclass(frozen=True, slots=True)
class Issued:
    """The content of a token answer."""

    access_token: str
    refresh_token: str
    expires_in: int
    scope: str


class InvalidGrantError(Exception):
    """The code or refresh token is not valid."""


@dataclass(slots=True)
class Grants:
    """The server's state. `life` is how long access tokens last, in scaled seconds.

    counts: `refreshes` that were answered, `reuses` of a replaced refresh token (within its grace), `invalid_grants`,
    `revocations`, and `deletions` of connections.
    """

    clock: Clock
    counts: Counter[str] = field(default_factory=Counter)
    codes: dict[str, Code] = field(default_factory=dict)
    access: dict[str, AccessToken] = field(default_factory=dict)
    refresh: dict[str, RefreshToken] = field(default_factory=dict)
    #: By user, the tenants that they connected.
    connected: dict[str, list[str]] = field(default_factory=dict)

    def consent(self, user: str, scope: str, tenants: list[str], challenge: str, redirect_uri: str) -> str:
        """Record a user's consent to these practices. Returns the code for the redirect."""
        known = self.connected.setdefault(user, [])
        known += [tenant for tenant in tenants if tenant not in known]
        code = secrets.token_urlsafe(24)
        family = Family(user, scope, str(uuid4()))
        self.codes[code] = Code(family, challenge, redirect_uri, self.clock.now() + CODE_SECONDS)
        return code

    def exchange(self, code: str, verifier: str, redirect_uri: str, *, life: float) -> Issued:
        """Tokens for a code. A code ends with its first use, whether or not that use was valid."""
        found = self.codes.pop(code, None)
        hashed = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        if (
            found is None
            or not secrets.compare_digest(found.challenge, hashed)
            or found.redirect_uri != redirect_uri
            or self.clock.now() >= found.until
        ):
            raise self._invalid()
        return self._issue(found.family, life)

    def renew(self, token: str, *, life: float) -> Issued:
        """New tokens for a refresh token, which they replace."""
        found = self.refresh.get(token)
        if found is None or not found.family.alive:
            raise self._invalid()
        now = self.clock.now()
        if found.replaced_at is not None:
            if now - found.replaced_at > GRACE_SECONDS:
                found.family.alive = False
                raise self._invalid()
            self.counts["reuses"] += 1
            self._kill(found.successor)
        issued = self._issue(found.family, life)
        found.replaced_at = found.replaced_at if found.replaced_at is not None else now
        found.successor = issued.refresh_token
        self.counts["refreshes"] += 1
        return issued

    def revoke(self, token: str) -> None:
        """End the consent behind a refresh token. An unknown one is no error."""
        found = self.refresh.get(token)
        if found is not None:
            found.family.alive = False
            self.counts["revocations"] += 1

    def revoke_all(self) -> None:
        """Revoke every consent. The connections stay listed."""
        for token in self.refresh.values():
            token.family.alive = False

    def expire_all(self) -> None:
        """Expire every access token issued so far."""
        for token in self.access.values():
            token.until = self.clock.now()

    def end_grace(self) -> None:
        """End the grace period of every replaced refresh token."""
        for token in self.refresh.values():
            if token.replaced_at is not None:
                token.replaced_at -= GRACE_SECONDS + 1

    def _kill(self, token: str | None) -> None:
        while token is not None:
            gone = self.refresh.pop(token, None)
            token = gone.successor if gone is not None else None

    def _issue(self, family: Family, life: float) -> Issued:
        refresh_token = secrets.token_urlsafe(32)
        self.refresh[refresh_token] = RefreshToken(family)
        until = self.clock.now() + life
        access_token = _web_token(family, until)
        self.access[access_token] = AccessToken(family, until)
        expires_in = max(1, int(self.clock.real(life)))
        return Issued(access_token, refresh_token, expires_in, family.scope)

    def _invalid(self) -> InvalidGrantError:
        self.counts["invalid_grants"] += 1
        return InvalidGrantError()


def connection_id(tenant_id: str) -> str:
    """A connection's id, which is not its tenant's."""
    return str(uuid5(NAMESPACE_URL, tenant_id))


def auth_event_id(tenant_id: str) -> str:
    return str(uuid5(NAMESPACE_URL, "auth/" + tenant_id))


def _web_token(family: Family, until: float) -> str:
    """A JSON web token with a random signature: only this server checks it."""
    claims = {
        "xero_userid": family.user,
        "authentication_event_id": family.event,
        "scope": family.scope.split(),
        "exp": int(until),
        "jti": secrets.token_hex(8),
    }
    parts = (json.dumps(part).encode() for part in ({"alg": "RS256", "typ": "JWT"}, claims))
    return ".".join([*(_base64(part) for part in parts), _base64(secrets.token_bytes(32))])


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
