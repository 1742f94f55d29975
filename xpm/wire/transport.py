"""An httpx transport with a total deadline: no read, write or connect lasts longer than the time left.

httpx times out each operation separately, so a server that sends a byte now and then holds a caller for ever, even
within the headers (P16). Here the request's `time_left` extension, a callable giving seconds, limits every operation.
An answer that has begun may pause for `IDLE_SECONDS`, and the system asks after a silent peer meanwhile, because a
connection that a router has forgotten would otherwise take the whole deadline.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

import httpcore
import httpx

IDLE_SECONDS = 60.0
"""The longest pause within an answer. Before its first byte there is none but the deadline: XPM thinks for minutes."""
_SILENCE: dict[str, int] = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 60_000}
"""After 30 s of silence the peer is asked every 10 s, and given up after three questions; or when nothing that was sent
is confirmed for 60,000 ms. A system that lacks one of these keeps its own."""
_SOCKET_OPTIONS = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *((socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in _SILENCE.items() if hasattr(socket, name)),
]

TimeLeft = Callable[[], float]
#: From a host and a port to the addresses that may be connected to.
Addresses = Callable[[str, int], Sequence[str]]


class DeadlineTransport(httpx.BaseTransport):
    """Pooled HTTP/1.1 connections, for any number of threads. The machine's proxies and netrc files are not used.

    `addresses` looks hosts up (default: the system's look-up). Only the addresses it returns are connected to.
    """

    def __init__(self, max_connections: int = 100, addresses: Addresses | None = None) -> None:
        self._backend = _DeadlineBackend(addresses)
        self._pool = httpcore.ConnectionPool(
            ssl_context=_trusted(),
            max_connections=max_connections,
            max_keepalive_connections=max_connections // 4,
            keepalive_expiry=5.0,
            network_backend=self._backend,
            socket_options=_SOCKET_OPTIONS,
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request and read the answer's headers. Raises httpx's own exceptions."""
        if not isinstance(request.stream, httpx.SyncByteStream):
            raise TypeError("A request with an asynchronous body was given to a synchronous transport.")
        time_left: TimeLeft | None = request.extensions.get("time_left")
        outgoing = httpcore.Request(
            method=request.method,
            url=httpcore.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        with self._backend.until(time_left):
            answer = self._pool.handle_request(outgoing)
        return httpx.Response(
            answer.status,
            headers=answer.headers,
            stream=_DeadlineBody(answer.stream, self._backend, time_left),
            extensions=answer.extensions,
        )

    def close(self) -> None:
        """Close every pooled connection."""
        self._pool.close()


@cache
def _trusted() -> ssl.SSLContext:
    """The well-known certificate authorities, or those that `SSL_CERT_FILE` or `SSL_CERT_DIR` name, as everywhere else on
    the machine. Read once, because that takes longer than a call."""
    return httpx.create_ssl_context(trust_env=True)


class _DeadlineBody(httpx.SyncByteStream):
    """An answer's body, each piece of which is read under the deadline."""

    def __init__(self, stream: Any, backend: _DeadlineBackend, time_left: TimeLeft | None) -> None:
        self._stream = stream
        self._backend = backend
        self._time_left = time_left

    def __iter__(self) -> Iterator[bytes]:
        pieces = iter(self._stream)
        while True:
            with self._backend.until(self._until_idle):
                piece = next(pieces, None)
            if piece is None:
                return
            yield piece

    def _until_idle(self) -> float:
        return min(IDLE_SECONDS, self._time_left()) if self._time_left is not None else IDLE_SECONDS

    def close(self) -> None:
        self._stream.close()


class _DeadlineBackend(httpcore.SyncBackend):
    """Opens streams that keep the deadline set by the calling thread."""

    def __init__(self, addresses: Addresses | None) -> None:
        self._thread = threading.local()
        self._addresses = addresses

    @contextmanager
    def until(self, time_left: TimeLeft | None) -> Iterator[None]:
        """Set this thread's deadline, and turn httpcore's exceptions into httpx's of the same name."""
        self._thread.time_left = time_left
        try:
            yield
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, httpcore.ProxyError) as error:
            named: type[httpx.TransportError] = getattr(httpx, type(error).__name__, httpx.TransportError)
            raise named(str(error)) from error
        finally:
            self._thread.time_left = None

    def bound(self, timeout: float | None, error: type[httpcore.TimeoutException]) -> float | None:
        """The operation's timeout, limited to the time left. Raises `error` if there is none left."""
        time_left: TimeLeft | None = getattr(self._thread, "time_left", None)
        if time_left is None:
            return timeout
        left = time_left()
        if left <= 0:
            raise error("The call's deadline has passed.")
        return left if timeout is None else min(timeout, left)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect. The look-up of the host's name is not timed."""
        *others, last = (host,) if self._addresses is None else self._addresses(host, port)
        for address in others:
            with suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return self._connect(address, port, timeout, local_address, socket_options)
        return self._connect(last, port, timeout, local_address, socket_options)

    def _connect(self, address: str, port: int, timeout: float | None, *options: Any) -> httpcore.NetworkStream:
        timeout = self.bound(timeout, httpcore.ConnectTimeout)
        return _DeadlineStream(super().connect_tcp(address, port, timeout, *options), self)


class _DeadlineStream(httpcore.NetworkStream):
    """A connection whose every operation is limited to the time left."""

    def __init__(self, stream: httpcore.NetworkStream, backend: _DeadlineBackend) -> None:
        self._stream = stream
        self._backend = backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._backend.bound(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._backend.bound(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        timeout = self._backend.bound(timeout, httpcore.ConnectTimeout)
        return _DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, timeout), self._backend)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
