"""Xero's list of connections: the practices that a person allowed our app to read, and how to leave one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import httpx

from xpm.oauth.errors import IdentityMalformed, TokenRefused
from xpm.oauth.http import Http, read_json, require_usable
from xpm.wire.answers import is_own_refusal

PRACTICE_MANAGER = "PRACTICEMANAGER"


@dataclass(frozen=True)
class Tenant:
    """A practice in XPM. `connection_id` is what to delete to leave it; `name` is often missing."""

    tenant_id: str
    connection_id: str
    name: str | None


class XeroConnections:
    """The list at `url`. Methods raise `TokenRefused`, `IdentityUnavailable` and `IdentityMalformed`."""

    def __init__(self, url: str, http: Http) -> None:
        self._url = url.rstrip("/")
        self._http = http

    def tenants(self, access_token: str, *, auth_event_id: str | None = None) -> list[Tenant]:
        """The XPM practices behind a token, without other tenant types; with an event, those of that one consent."""
        query = f"?{urlencode({'authEventId': auth_event_id})}" if auth_event_id else ""
        response = require_usable(self._http.send("GET", self._url + query, _headers(access_token)))
        _require_allowed(response)
        body = read_json(response)
        if not response.is_success or not isinstance(body, list):
            raise IdentityMalformed("it is no list of connections")
        found = [_tenant(item) for item in body if isinstance(item, dict)]
        return [tenant for tenant in found if tenant is not None]

    def delete(self, access_token: str, connection_id: str) -> None:
        """Leave a practice. One that was already left is no error."""
        url = f"{self._url}/{quote(connection_id, safe='')}"
        response = require_usable(self._http.send("DELETE", url, _headers(access_token)))
        _require_allowed(response)
        if not response.is_success and response.status_code != 404:
            raise IdentityMalformed(f"status {response.status_code} was not expected")


def _require_allowed(response: httpx.Response) -> None:
    if response.status_code not in (401, 403):
        return
    if not is_own_refusal(response.headers, response.content):
        raise IdentityMalformed(f"status {response.status_code} came without Xero's own words")
    raise TokenRefused


def _headers(access_token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {access_token}", "Accept": "application/json"}


def _tenant(item: dict[str, Any]) -> Tenant | None:
    if str(item.get("tenantType", "")).upper() != PRACTICE_MANAGER:
        return None
    tenant_id, connection_id, name = (item.get(key) for key in ("tenantId", "id", "tenantName"))
    if not isinstance(tenant_id, str) or not isinstance(connection_id, str) or not 0 < len(tenant_id) <= 64:
        raise IdentityMalformed("a connection lacks its tenant")
    return Tenant(tenant_id, connection_id, name[:200] if isinstance(name, str) and name.strip() else None)
