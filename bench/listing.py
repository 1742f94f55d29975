"""An XPM that only lists: it streams a practice of companies with relationships, and later a few changes.

`python -m bench.listing PORT CLIENTS RELATIONSHIPS CHANGES` serves it until stopped. `GET /calls` counts its calls.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

ROLES = ("Shareholder Of", "Trustee Of", "Beneficiary", "Owner", "Associate")


def uuid_of(number: int) -> UUID:
    """The record of one client."""
    return UUID(int=(0xBE7C << 112) + number)


class Practice:
    """The listed clients. A list of changes has the first `changes` of them, each with one relationship ended."""

    def __init__(self, clients: int, relationships: int, changes: int) -> None:
        self.clients, self.relationships, self.changes = clients, relationships, changes
        self.calls = 0

    def body(self, *, changed: bool) -> Iterator[bytes]:
        """The answer in pieces."""
        yield b'{"status":"OK","clients":['
        for number in range(self.changes if changed else self.clients):
            text = json.dumps(self._client(number, changed=changed))
            yield (("," if number else "") + text).encode()
        yield b"]}"

    def _client(self, number: int, *, changed: bool) -> dict[str, Any]:
        count = self.relationships // self.clients + (number < self.relationships % self.clients)
        rows = [self._relationship(number, place) for place in range(count)]
        if changed:
            rows[0]["endDate"] = "2026-06-30"
        person = {"email": f"office{number}@example.com", "phone": "02 5550 0000", "address": "1 Long Street"}
        return {
            "uuid": str(uuid_of(number)),
            "name": f"Company {number} Pty Ltd",
            "businessStructure": "Company",
            "isArchived": "No",
            "isDeleted": "No",
            "relationships": rows,
            **person,
        }

    def _relationship(self, number: int, place: int) -> dict[str, Any]:
        other = (number * 7 + place * 31 + 1) % self.clients
        return {
            "uuid": str(uuid_of(number * 100 + place)),
            "type": ROLES[place % len(ROLES)],
            "relatedClient": {"uuid": str(uuid_of(other)), "name": f"Company {other} Pty Ltd"},
            "numberOfShares": number % 100,
            "percentage": 0,
            "startDate": "2011-01-01",
        }


def serve(port: int, practice: Practice) -> None:
    """Answer until the process ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/calls":
                self._answer(iter([json.dumps(practice.calls).encode()]))
                return
            practice.calls += 1
            if "/client.api/list" in self.path:
                self._answer(practice.body(changed="modifiedsince" in self.path.lower()))
            else:
                self._answer(iter([b'{"status":"OK","clients":[]}']))

        def _answer(self, pieces: Iterator[bytes]) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            for piece in pieces:
                self.wfile.write(piece)

        def log_message(self, *_: Any) -> None:
            """Log nothing: the calls are counted."""

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]), Practice(*map(int, sys.argv[2:5])))
