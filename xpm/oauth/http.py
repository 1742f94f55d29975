"""Short requests to Xero's servers with a total deadline, and the session that Authlib sends its requests through."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import urlencode

import httpx

from xpm.oauth.errors import IdentityMalformed, IdentityUnavailable
from xpm.wire.answers import retry_after
from xpm.wire.inflate import BadCompression, unpacked
from xpm.wire.transport import DeadlineTransport

MAX_BYTES = 1024 * 1024
"""The longest answer read. The tokens or connections of one login take a few kilobytes."""
CONNECT_TIMEOUT = 5.0


class ClientAuth(Protocol):
    """What Authlib signs a request with."""

    def prepare(
        self, method: str, uri: str, headers: dict[str, str], body: str
    ) -> tuple[str, Mapping[str, str], str]: ...


class Http:
    """Sends single requests that each end within `seconds`; follows no redirects. A context manager.

    `transport` carries the requests (default: a `DeadlineTransport`). It is closed at the end.
    """

    def __init__(self, *, seconds: float, transport: httpx.BaseTransport | None = None) -> None:
        self._seconds = seconds
        self._transport = transport or DeadlineTransport(max_connections=4)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transport.close()

    def post(
        self, url: str, data: Mapping[str, str], headers: Mapping[str, str], auth: ClientAuth, **_: Any
    ) -> httpx.Response:
        """Send a form, signed by `auth`. This is the only method that Authlib calls on its session."""
        url, signed, body = auth.prepare("POST", url, dict(headers), urlencode(data))
        return self.send("POST", url, signed, body.encode())

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> httpx.Response:
        """Send a request and read its whole answer, whatever the status.

        Raises:
            IdentityUnavailable: no connection, or no answer in time.
            IdentityMalformed: an answer that is too long, or compressed in a way that we do not accept.
        """
        until = time.monotonic() + self._seconds
        timeout = httpx.Timeout(self._seconds, connect=min(CONNECT_TIMEOUT, self._seconds))
        extensions = {"timeout": timeout.as_dict(), "time_left": lambda: until - time.monotonic()}
        request = httpx.Request(
            method, url, headers={"User-Agent": "portal-sync", **headers}, content=body, extensions=extensions
        )
        try:
            response = self._transport.handle_request(request)
            try:
                content = _read(response)
            finally:
                response.close()
        except BadCompression:
            raise IdentityMalformed("its compression is broken or unknown") from None
        except httpx.TransportError as error:
            raise IdentityUnavailable(type(error).__name__) from None  # its text may quote a header with a secret
        kept = [(name, value) for name, value in response.headers.multi_items() if name not in _ABOUT_TRANSFER]
        return httpx.Response(response.status_code, headers=kept, content=content, request=request)


_ABOUT_TRANSFER = ("content-encoding", "content-length", "transfer-encoding")


def _read(response: httpx.Response) -> bytes:
    held = bytearray()
    for chunk in unpacked(response):
        held += chunk
        if len(held) > MAX_BYTES:
            raise IdentityMalformed("it is too long")
    return bytes(held)


def require_usable(response: httpx.Response) -> httpx.Response:
    """The answer, unless the server is unavailable.

    Raises:
        IdentityUnavailable: 5xx or 429.
    """
    if response.status_code >= 500 or response.status_code == 429:
        raise IdentityUnavailable(f"status {response.status_code}", retry_after(response.headers))
    return response


def read_json(response: httpx.Response) -> Any:
    """The answer's JSON, or `None` if it holds none."""
    try:
        return response.json()
    except ValueError:
        return None
