"""Who may call: the identity server's tokens, and one static bearer token that never expires."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from xpm.simulator.identity.grants import AccessToken, Grants
from xpm.simulator.knobs import Knobs


@dataclass(frozen=True, slots=True)
class Denial:
    """A gateway's refusal: HTTP status, title and Xero's reason."""

    status: int
    title: str
    detail: str


UNAUTHENTICATED = Denial(401, "Unauthorized", "AuthenticationUnsuccessful")
WRONG_TENANT = Denial(403, "Forbidden", "AuthenticationUnsuccessful")


class StaticAccess:
    """One token, valid for all given tenants."""

    def __init__(self, token: str, tenants: Collection[str]) -> None:
        self._token = token
        self._tenants = tenants

    def denial(self, headers: Mapping[str, str], *, needs_tenant: bool) -> Denial | None:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(token.encode(), self._token.encode()):
            return UNAUTHENTICATED
        if needs_tenant and headers.get("xero-tenant-id") not in self._tenants:
            return WRONG_TENANT
        return None

    def tenants(self) -> Collection[str]:
        return self._tenants


READ_SCOPES = ("practicemanager.client.read", "practicemanager.client", "practicemanager.read", "practicemanager")

EXPIRED = Denial(401, "Unauthorized", "TokenExpired: token expired")
SCOPE_MISSING = Denial(401, "Unauthorized", "AuthorizationUnsuccessful")
PRIVILEGE_LOST = Denial(403, "Forbidden", "You do not have permission to access Practice Manager")


class IdentityAccess:
    """Access by the identity server's tokens, and by the one static token. Names of headers are in lower case."""

    def __init__(
        self, static: StaticAccess, grants: Grants, now: Callable[[], float], knobs: Callable[[], Knobs]
    ) -> None:
        self._static = static
        self._grants = grants
        self._now = now
        self._knobs = knobs

    def denial(self, headers: Mapping[str, str], *, needs_tenant: bool) -> Denial | None:
        """Why the call is not allowed, or `None` if it is."""
        token = self._token(headers)
        if token is None:
            return self._static.denial(headers, needs_tenant=needs_tenant)
        if not token.family.alive:
            return UNAUTHENTICATED
        if self._now() >= token.until:
            return EXPIRED
        if not needs_tenant:
            return None
        if self._knobs().scope_missing or not set(READ_SCOPES) & set(token.family.scope.split()):
            return SCOPE_MISSING
        if headers.get("xero-tenant-id") not in self.tenants(headers):
            return WRONG_TENANT
        return PRIVILEGE_LOST if self._knobs().privilege_lost else None

    def tenants(self, headers: Mapping[str, str]) -> Collection[str]:
        """The tenant ids that an allowed call's token is connected to."""
        token = self._token(headers)
        if token is None:
            return self._static.tenants()
        return self._grants.connected.get(token.family.user, [])

    def user(self, headers: Mapping[str, str]) -> str | None:
        """The token's user; `None` for the static one."""
        token = self._token(headers)
        return token.family.user if token is not None else None

    def _token(self, headers: Mapping[str, str]) -> AccessToken | None:
        return self._grants.access.get(headers.get("authorization", "").partition(" ")[2])
