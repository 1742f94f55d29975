"""Posts one message to an address that a practice gave: within 15 seconds, to public addresses only.

The practice chooses the address, so the request goes nowhere else: no redirects, no proxy; the host is looked up once and
connected to by the address that was checked. Only the status and headers of the answer are read.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx

from handlers.webhooks.public_addresses import Address, is_public, unmapped
from xpm.wire.transport import DeadlineTransport

SECONDS = 15.0
#: An answer that takes as long is slow, whatever it says.
SLOW_SECONDS = 5.0
CONNECT_SECONDS = 5.0


class NotPublic(Exception):
    """A host that has no address a webhook may go to."""


@dataclass(frozen=True)
class PostResult:
    """What was answered, and after how many seconds. `wait_seconds`: how long to wait, if it says so."""

    status: int
    wait_seconds: float | None
    seconds: float

    @property
    def is_slow(self) -> bool:
        """Whether it took longer than a receiver should, which answers first and does the work afterwards."""
        return self.seconds >= SLOW_SECONDS


@dataclass(frozen=True)
class Reach:
    """Which addresses a webhook may go to, in addition to public ones."""

    loopback: bool = False
    private: bool = False

    def allows(self, address: Address) -> bool:
        """Whether one may be connected to."""
        return self.private or (self.loopback and unmapped(address).is_loopback) or is_public(address)

    def addresses(self, host: str, port: int) -> list[str]:
        """Where a host may be connected to.

        Raises:
            NotPublic: at no allowed address.
            httpx.ConnectError: the host is unknown.
        """
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError("no such host") from error
        texts = dict.fromkeys(str(info[4][0]) for info in found)
        allowed = [text for text in texts if self.allows(ipaddress.ip_address(text.partition("%")[0]))]
        if not allowed:
            raise NotPublic
        return allowed


def post(
    url: str, headers: Mapping[str, str], body: bytes, reach: Reach, *, monotonic: Callable[[], float] = time.monotonic
) -> PostResult:
    """Send a message.

    Raises:
        NotPublic: the host is at no address that a webhook may go to.
        httpx.TransportError: no connection, or no answer in time.
    """
    began = monotonic()
    until = began + SECONDS
    timeout = httpx.Timeout(SECONDS, connect=CONNECT_SECONDS)
    extensions = {"timeout": timeout.as_dict(), "time_left": lambda: until - monotonic()}
    request = httpx.Request("POST", url, headers=dict(headers), content=body, extensions=extensions)
    transport = DeadlineTransport(1, addresses=reach.addresses)
    try:
        response = transport.handle_request(request)
        response.close()
    finally:
        transport.close()
    return PostResult(response.status_code, _seconds(response.headers.get("retry-after")), monotonic() - began)


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isascii() and text.isdigit() else None
