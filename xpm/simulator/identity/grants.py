"""What Xero's identity server remembers: who let the app into which practices, and the codes and tokens it gave for that.

Times are scaled seconds of the simulator's clock. Where Xero is silent this is the strictest reading: a refresh token
retried within its grace kills what was given for it before, and one used after its grace kills its whole family.
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

#: Whom the authorisation page takes everybody for, unless it is told otherwise.
SOMEBODY = "5d1b8f5e-3f0a-4a52-9d3c-0c7b6a1e2f10"


@dataclass(slots=True)
class Family:
    """All tokens that go back to one consent. A dead family's tokens are good for nothing."""

    user: str
    scope: str
    event: str
    alive: bool = True


@dataclass(slots=True)
class Code:
    """An authorisation code, good once, for whoever knows the verifier behind the challenge."""

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
    """`replaced_at` is when it was first used; `successor` is what was given for it last."""

    family: Family
    replaced_at: float | None = None
    successor: str | None = None


@dataclass(frozen=True, slots=True)
class Issued:
    """What a token answer carries."""

    access_token: str
    refresh_token: str
    expires_in: int
    scope: str


class InvalidGrantError(Exception):
    """The code or refresh token is not good, or not good any more."""


@dataclass(slots=True)
class Grants:
    """The server's books. `life` is how long access tokens last, in scaled seconds, as the test wants it.

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
        """Somebody allowed access to these practices.

        Returns:
            The code to send them back with.
        """
        known = self.connected.setdefault(user, [])
        known += [tenant for tenant in tenants if tenant not in known]
        code = secrets.token_urlsafe(24)
        family = Family(user, scope, str(uuid4()))
        self.codes[code] = Code(family, challenge, redirect_uri, self.clock.now() + CODE_SECONDS)
        return code

    def exchange(self, code: str, verifier: str, redirect_uri: str, *, life: float) -> Issued:
        """Tokens for a code; a code is gone after its first use, whether or not that was a good one."""
        found = self.codes.pop(code, None)
        hashed = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        good = (
            found is not None
            and secrets.compare_digest(found.challenge, hashed)
            and found.redirect_uri == redirect_uri
            and self.clock.now() < found.until
        )
        if found is None or not good:
            raise self._invalid()
        return self._issue(found.family, life)

    def renew(self, token: str, *, life: float) -> Issued:
        """New tokens for a refresh token, which is replaced by that."""
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
        """End the consent behind a refresh token; one that is not known is no error."""
        found = self.refresh.get(token)
        if found is not None:
            found.family.alive = False
            self.counts["revocations"] += 1

    def revoke_all(self) -> None:
        """Everybody takes their consent back; what they had connected stays listed."""
        for token in self.refresh.values():
            token.family.alive = False

    def expire_all(self) -> None:
        """Every access token given so far runs out now."""
        for token in self.access.values():
            token.until = self.clock.now()

    def end_grace(self) -> None:
        """As if the grace of every replaced refresh token had passed."""
        for token in self.refresh.values():
            if token.replaced_at is not None:
                token.replaced_at -= GRACE_SECONDS + 1

    def leave(self, user: str, tenant: str) -> bool:
        """Take a practice from a user's connections. False when it was not there."""
        if tenant not in self.connected.get(user, []):
            return False
        self.connected[user].remove(tenant)
        return True

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
    """A JSON web token whose signature is chance: nobody but this server is to judge it."""
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
