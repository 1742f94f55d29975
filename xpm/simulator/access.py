"""Who may call: one bearer token that never expires and a fixed set of tenants.

The identity server's tokens (`oauth`) give access beside it, by the same two methods.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Denial:
    """A gateway's refusal: HTTP status, title and Xero's word for the reason."""

    status: int
    title: str
    detail: str


UNAUTHENTICATED = Denial(401, "Unauthorized", "AuthenticationUnsuccessful")
WRONG_TENANT = Denial(403, "Forbidden", "AuthenticationUnsuccessful")


class Access(Protocol):
    """Decides on a call by its headers, whose names are lower case."""

    def denial(self, headers: Mapping[str, str], *, needs_tenant: bool) -> Denial | None:
        """Why the call is not allowed, or `None` if it is."""
        ...

    def tenants(self, headers: Mapping[str, str]) -> Collection[str]:
        """The tenant ids that an allowed call's token is connected to."""
        ...


class StaticAccess:
    """One token, good for every tenant given."""

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

    def tenants(self, headers: Mapping[str, str]) -> Collection[str]:  # noqa: ARG002 - one token sees all tenants
        return self._tenants
