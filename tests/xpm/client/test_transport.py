"""The transport over real sockets: total deadlines, resets, cut bodies, connections reused and lost."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.xpm.client.encoding import encode_list, encode_one
from tests.xpm.client.upstream import ACCESS, ACME, BLOGGS
from xpm.client import ClientList, XpmApi
from xpm.errors import XpmMalformed, XpmTimeout, XpmUnreachable
from xpm.limiter import UnlimitedLimiter
from xpm.records import XpmClient
from xpm.wire import transport
from xpm.wire.transport import DeadlineTransport

Behaviour = Callable[["Server", socket.socket], None]


class Server:
    """A loopback server that gives each connection to the next behaviour of its script."""

    def __init__(self, *script: Behaviour) -> None:
        self._script = list(script)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self.stopped = threading.Event()
        self.connections = 0
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/practicemanager/3.1"

    def __enter__(self) -> Server:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self.stopped.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._start(self._serve, self._script.pop(0), connection)

    def _serve(self, behaviour: Behaviour, connection: socket.socket) -> None:
        with connection:
            try:
                behaviour(self, connection)
            except OSError:
                return


def read_request(connection: socket.socket) -> bytes:
    received = b""
    while not received.endswith(b"\r\n\r\n"):
        piece = connection.recv(65_536)
        if not piece:
            raise OSError("the client went away")
        received += piece
    return received


def head(length: int) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n".encode()


BODY = encode_one(ACME, "json")


def answers(server: Server, connection: socket.socket) -> None:
    """Answer every request of the connection."""
    while not server.stopped.is_set():
        read_request(connection)
        connection.sendall(head(len(BODY)) + BODY)


def answers_once_and_leaves(_: Server, connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(head(len(BODY)) + BODY)


def hangs(server: Server, connection: socket.socket) -> None:
    read_request(connection)
    server.stopped.wait(30)


def hangs_after_headers(server: Server, connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(head(len(BODY)))
    server.stopped.wait(30)


def drips(server: Server, connection: socket.socket, whole: bytes) -> None:
    read_request(connection)
    for byte in whole:
        connection.sendall(bytes([byte]))
        if server.stopped.wait(0.05):
            return


def drips_headers(server: Server, connection: socket.socket) -> None:
    drips(server, connection, b"HTTP/1.1 200 OK\r\n" + b"X-Slow: yes\r\n" * 1000)


def drips_body(server: Server, connection: socket.socket) -> None:
    drips(server, connection, head(len(BODY)) + BODY)


def sends_late_and_hangs(server: Server, connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(head(len(BODY)))
    server.stopped.wait(1.5)
    connection.sendall(BODY[:10])
    server.stopped.wait(30)


def reset(connection: socket.socket) -> None:
    """Close with a TCP reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def resets(_: Server, connection: socket.socket) -> None:
    read_request(connection)
    reset(connection)


def closes_within_the_body(_: Server, connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(head(len(BODY)) + BODY[:-20])


@contextmanager
def api_for(server: Server, **options: Any) -> Iterator[XpmApi]:
    api = XpmApi(server.url, UnlimitedLimiter(), sleep=lambda _: None, **options)
    try:
        yield api
    finally:
        api.close()


def get(api: XpmApi, deadline_seconds: float = 10.0) -> Any:
    return api.get(ACCESS, ACME.uuid, lane="import", deadline_seconds=deadline_seconds).value


def test_one_connection_serves_many_calls() -> None:
    with Server(answers) as server, api_for(server) as api:
        assert [get(api), get(api), get(api)] == [ACME] * 3
        assert server.connections == 1


def test_threads_share_a_client() -> None:
    with Server(*[answers] * 4) as server, api_for(server) as api:
        found: list[Any] = []
        threads = [threading.Thread(target=lambda: found.append(get(api))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [ACME] * 4


@pytest.mark.parametrize("behaviour", [hangs, hangs_after_headers, drips_headers, drips_body])
def test_a_call_ends_at_its_deadline_whatever_the_server_does(behaviour: Behaviour) -> None:
    with Server(behaviour) as server, api_for(server) as api:
        started = time.monotonic()
        with pytest.raises(XpmTimeout):
            get(api, deadline_seconds=0.5)
        assert 0.4 < time.monotonic() - started < 10  # The drips would last a minute.
        assert server.connections == 1


def test_a_byte_just_before_the_deadline_does_not_move_it() -> None:
    with Server(sends_late_and_hangs) as server, api_for(server) as api:
        started = time.monotonic()
        with pytest.raises(XpmTimeout):
            get(api, deadline_seconds=2.0)
        assert time.monotonic() - started < 3.3  # A read timeout alone would begin again at the byte: 3.5 s.


def test_a_reset_is_tried_again() -> None:
    with Server(resets, answers) as server, api_for(server) as api:
        assert get(api) == ACME
        assert server.connections == 2


def test_a_server_that_always_resets_is_unreachable() -> None:
    with Server(*[resets] * 3) as server, api_for(server) as api:
        with pytest.raises(XpmUnreachable):
            get(api)
        assert server.connections == 3


def test_nobody_listening_is_unreachable() -> None:
    with Server() as server:
        pass
    with api_for(server) as api, pytest.raises(XpmUnreachable) as caught:
        get(api)
    assert caught.value.cause == "ConnectError"


def test_a_connection_that_the_server_left_is_replaced() -> None:
    with Server(answers_once_and_leaves, answers) as server, api_for(server) as api:
        assert [get(api), get(api)] == [ACME] * 2


def test_a_connection_closed_within_the_body_truncates_it() -> None:
    with Server(closes_within_the_body) as server, api_for(server) as api:
        with pytest.raises(XpmMalformed) as caught:
            get(api)
        assert caught.value.truncated


def test_a_list_streams_over_a_socket_and_ends_with_a_reset() -> None:
    first_was_read = threading.Event()
    body = encode_list([ACME, BLOGGS], "json")

    def streams(_: Server, connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(head(len(body)) + body[:1000])
        assert first_was_read.wait(10)
        reset(connection)

    read: list[XpmClient] = []

    def read_on(listing: ClientList) -> None:
        for client in listing:
            read.append(client)
            first_was_read.set()

    with (
        Server(streams) as server,
        api_for(server) as api,
        api.list(ACCESS, lane="resync", deadline_seconds=10.0) as listing,
    ):
        with pytest.raises(XpmUnreachable):
            read_on(listing)
        assert server.connections == 1
    assert read == [ACME]


def test_an_answer_that_falls_silent_is_given_up_long_before_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "IDLE_SECONDS", 0.3)
    began = time.monotonic()
    with Server(hangs_after_headers) as server, api_for(server) as api:
        with pytest.raises(XpmTimeout):
            get(api, deadline_seconds=20.0)
        assert time.monotonic() - began < 10


def test_an_answer_that_goes_on_may_take_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many pauses, each of them short."""

    def pauses(server: Server, connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(head(len(BODY)))
        size = len(BODY) // 8 + 1
        for start in range(0, len(BODY), size):
            server.stopped.wait(0.25)
            connection.sendall(BODY[start : start + size])

    monkeypatch.setattr(transport, "IDLE_SECONDS", 1.0)
    with Server(pauses) as server, api_for(server) as api:
        assert get(api, deadline_seconds=120.0) == ACME


def test_what_has_not_begun_may_be_silent_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    def thinks(server: Server, connection: socket.socket) -> None:
        read_request(connection)
        server.stopped.wait(0.6)
        connection.sendall(head(len(BODY)) + BODY)

    monkeypatch.setattr(transport, "IDLE_SECONDS", 0.2)
    with Server(thinks) as server, api_for(server) as api:
        assert get(api) == ACME


def test_the_system_asks_after_a_silent_peer() -> None:
    with Server(answers) as server:
        carrier = DeadlineTransport()
        response = carrier.handle_request(httpx.Request("GET", server.url, extensions={"time_left": lambda: 10.0}))
        plug = response.extensions["network_stream"].get_extra_info("socket")
        assert plug.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert plug.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30
        assert plug.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000
        response.close()
        carrier.close()


def test_the_machines_proxy_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with Server(answers) as server, api_for(server, transport=DeadlineTransport()) as api:
        assert get(api) == ACME
