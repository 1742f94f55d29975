"""What may come back from the token endpoint instead of tokens: none of it ends a connection, except Xero's own word."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID

import httpx
import pytest

from portal_db.states import ConnectionState, ImportState
from tests.handlers.xero.office import Office

PAGE = b"<html><body>Blocked. Ask your administrator.</body></html>"
LONG = 1800.0

#: What happens to a refresh: the status and body that come back, or nothing at all.
Answer = tuple[int, bytes] | None
#: Called with what Xero itself would have answered, once it has.
Between = Callable[[Callable[[], httpx.Response]], Answer]


@contextmanager
def between(xero: str, happens: Between) -> Iterator[str]:
    """Something between the portal and Xero's identity server; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            kept = {name: self.headers[name] for name in ("authorization", "content-type")}
            found = happens(lambda: httpx.post(xero + self.path, content=body, headers=kept, trust_env=False))
            if found is None:
                self.close_connection = True
                return
            status, content = found
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def run_through(office: Office, import_id: UUID, identity_url: str) -> None:
    """Run an import's first job on a portal that reaches Xero's identity server at this address."""
    services = office.world.services
    settings = services.settings.model_copy(update={"xero_identity_url": identity_url})
    office.world.runner(services=replace(services, settings=settings)).run(office.job(import_id).id)


def lost(ask: Callable[[], httpx.Response]) -> Answer:
    """Xero gives new tokens, and the answer never arrives."""
    assert ask().status_code == 200
    return None


ODD: dict[str, Between] = {
    "a firewall's page": lambda _: (200, PAGE),
    "a firewall's page that forbids": lambda _: (403, PAGE),
    "a page that asks for a sign-in": lambda _: (401, PAGE),
    "a redirect": lambda _: (302, b""),
    "nothing": lambda _: (204, b""),
    "a server error": lambda _: (500, b'{"error": "invalid_grant"}'),
    "no answer": lambda _: None,
    "a lost answer": lost,
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_not_xeros_word_breaks_nothing_and_the_next_refresh_succeeds(office: Office, name: str) -> None:
    # Given an expired access token, and something odd in the way of its refresh
    office.expire()
    import_id = office.ask()
    with between(office.world.services.settings.xero_identity_url, ODD[name]) as url:
        run_through(office, import_id, url)
    # Then the import waits, and the connection works
    assert office.world.import_row(import_id).state is ImportState.WAITING
    assert (office.state(), office.letters()) == ((ConnectionState.CONNECTED, None), [])
    # And when Xero can be reached again, the same refresh token does, even where Xero had replaced it
    office.world.pass_time(LONG)
    office.world.run_due()
    assert office.world.import_row(import_id).state is ImportState.SUCCEEDED
    assert office.state() == (ConnectionState.CONNECTED, None)


def test_a_refusal_while_another_process_stored_newer_tokens_breaks_nothing(office: Office) -> None:
    office.expire()
    import_id = office.ask()

    def overtaken(_: Callable[[], httpx.Response]) -> Answer:
        office.reconnect()
        return 400, b'{"error": "invalid_grant"}'

    with between(office.world.services.settings.xero_identity_url, overtaken) as url:
        run_through(office, import_id, url)
    office.world.run_due()
    assert office.world.import_row(import_id).state is ImportState.SUCCEEDED
    assert (office.state(), office.letters()) == ((ConnectionState.CONNECTED, None), [])


def test_xeros_own_refusal_ends_it_at_once(office: Office) -> None:
    office.expire()
    import_id = office.ask()
    refused = b'{"error": "invalid_grant"}'
    with between(office.world.services.settings.xero_identity_url, lambda _: (400, refused)) as url:
        run_through(office, import_id, url)
    assert office.state() == (ConnectionState.BROKEN, "grant_refused")
