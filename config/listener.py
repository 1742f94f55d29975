"""A small HTTP server beside a process's work, for those who watch it: a thread that answers a few fixed paths.

It listens on METRICS_HOST, on the first free port from METRICS_PORT on, so that the processes of one machine share their
settings. A process without a free port works on without it: nobody's import waits for a measurement.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import structlog

from config.liveness import Liveness
from config.settings import Settings

log = structlog.stdlib.get_logger(__name__)

#: The ports that are tried, from METRICS_PORT on.
PORTS = 20
#: A caller that sends or reads nothing for this long is hung up on.
IDLE_SECONDS = 5.0


@dataclass(frozen=True)
class Answer:
    """What a path answers."""

    status: int
    body: bytes
    content_type: str = "application/json"

    @classmethod
    def of_json(cls, status: int, value: Mapping[str, Any]) -> Answer:
        return cls(status, json.dumps(value).encode())


Answers = Mapping[str, Callable[[], Answer]]


def liveness_answer(liveness: Liveness) -> Answer:
    """`/livez`: 200 while every loop goes round, otherwise 503 with those that do not."""
    stalled = liveness.stalled()
    return Answer.of_json(503 if stalled else 200, {"status": "stalled" if stalled else "ok", "stalled": stalled})


@contextmanager
def listening(settings: Settings, answers: Answers) -> Iterator[int | None]:
    """Answer these paths while the block runs.

    Returns:
        The port; `None` if METRICS_PORT is 0, or none is free.
    """
    server = _open(settings, answers)
    if server is None:
        yield None
        return
    threading.Thread(target=server.serve_forever, name="listener", daemon=True).start()
    port = int(server.server_address[1])
    log.info("metrics.listening", port=port)
    try:
        yield port
    finally:
        server.shutdown()
        server.server_close()


def _open(settings: Settings, answers: Answers) -> _Server | None:
    first = settings.metrics_port
    if not first:
        return None
    for port in range(first, min(first + PORTS, 65_536)):
        try:
            return _Server((settings.metrics_host, port), answers)
        except OSError as error:
            failure = error
    log.error("metrics.no_free_port", port=first, count=PORTS, exc_info=failure)
    return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], answers: Answers) -> None:
        self.answers = answers
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hung up is nobody's error."""


class _Handler(BaseHTTPRequestHandler):
    timeout = IDLE_SECONDS
    server: _Server

    def do_GET(self) -> None:
        answer = self._answer()
        self.send_response(answer.status)
        for name, value in (("Content-Type", answer.content_type), ("Content-Length", str(len(answer.body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    def _answer(self) -> Answer:
        found = self.server.answers.get(self.path.partition("?")[0])
        if found is None:
            return Answer.of_json(404, {"status": "unknown", "paths": sorted(self.server.answers)})
        try:
            return found()
        except Exception as error:
            log.error("metrics.failed", exc_info=error)
            return Answer.of_json(500, {"status": "failed"})

    def version_string(self) -> str:
        return "portal-sync"

    def log_message(self, *_: Any) -> None:
        """No line for each scrape, and nobody's address (P19)."""
