"""How long a connection may take to send a request: uvicorn itself waits for ever for one that was half sent.

Whoever opens connections and sends a byte now and then would otherwise use up all that the process may have.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: From a request's first byte, or from the connection, to the end of its headers.
HEADER_SECONDS = 10.0
#: From there to the end of its body: enough for the largest, 16 MB, at 1 Mbit/s.
BODY_SECONDS = 150.0


class PatientProtocol(HttpToolsProtocol):
    """A connection that is closed when a request does not arrive in time. An answer may take as long as it takes."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn declares it
        super().connection_made(transport)
        self._expect_within(HEADER_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_nothing()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._expect_within(HEADER_SECONDS)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._expect_within(BODY_SECONDS)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._expect_nothing()
        super().on_message_complete()

    def _expect_within(self, seconds: float) -> None:
        self._expect_nothing()
        self._timer = self.loop.call_later(seconds, self.transport.close)

    def _expect_nothing(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
