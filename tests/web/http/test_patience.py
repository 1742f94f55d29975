"""A connection that does not send a request in time is closed, so that half-sent requests use nothing up, and a process has
only so many."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from tests.servers.waiting import wait_until
from tests.web.desk import Desk, serving
from tests.world import World
from web import process
from web.http import patience

BEGUN = b"POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("limit", "sent"),
    [
        ("HEADER_SECONDS", b""),
        ("HEADER_SECONDS", b"GET /heal"),
        ("HEADER_SECONDS", BEGUN),
        ("HEADER_SECONDS", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /heal"),
        ("BODY_SECONDS", BEGUN + b'Content-Length: 100\r\n\r\n{"email'),
        ("BODY_SECONDS", BEGUN + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"),
    ],
    ids=["nothing", "half a line", "half of the headers", "half of a second request", "half of a body", "a chunk"],
)
def test_a_request_that_is_half_sent_is_not_waited_for(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, limit: str, sent: bytes
) -> None:
    monkeypatch.setattr(patience, limit, 0.2)
    address = urlsplit(desk.url)
    with socket.create_connection((address.hostname, address.port), timeout=8) as connection:
        connection.sendall(sent)
        while connection.recv(65536):
            pass  # to its end, or the socket's timeout fails the test


def test_a_request_that_arrives_slowly_but_in_time_is_answered(desk: Desk) -> None:
    address = urlsplit(desk.url)
    with socket.create_connection((address.hostname, address.port), timeout=8) as connection:
        for byte in b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n":
            connection.sendall(bytes([byte]))
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")


def test_when_there_are_as_many_connections_as_may_be_others_are_refused(
    sqlite_world: World, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "MOST_CONNECTIONS", 4)
    with serving(sqlite_world, redis_url) as desk:
        address = urlsplit(desk.url)

        def answer() -> int:
            return desk.browser(headers={"Connection": "close"}).get("/healthz").status_code

        wait_until(lambda: answer() == 200, "an answer while there are few")
        # When somebody holds as many connections as there may be, each with half of a request
        with ExitStack() as held:
            for _ in range(process.MOST_CONNECTIONS):
                half = held.enter_context(socket.create_connection((address.hostname, address.port), timeout=8))
                half.sendall(b"GET /heal")
            # Then others are told at once
            wait_until(lambda: answer() == 503, "no room", within=10)
        # And are served again once these have gone
        wait_until(lambda: answer() == 200, "an answer again")
