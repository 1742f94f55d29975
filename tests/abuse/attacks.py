"""The attacks. Each is under way within its `with` block, in which the neighbour's email is timed, and has ended then."""

from __future__ import annotations

import gzip
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import redis

from handlers.webhooks.endpoints import MOST
from tests.abuse.site import API, Site
from worker.local.processes import LOOPBACK

CROWD, PRESSES, STREAMS = 60, 40, 40
#: How long a dripping receiver takes for its answer, of the 15 seconds that it has; and how long streams are held open.
DRIP_SECONDS, HELD_SECONDS = 14.0, 5.0


@contextmanager
def sign_ins(site: Site) -> Iterator[None]:
    """Sixty people who sign in at once, each with another email."""

    def sign_in(number: int) -> None:
        given = {"email": f"somebody-{number}@storm.example", "password": "seven small boats at sea"}
        with site.client() as browser:
            browser.post(f"{API}/session", json=given)

    with _crowd([lambda number=number: sign_in(number) for number in range(CROWD)]):  # type: ignore[misc]  # bound early
        yield


@contextmanager
def dripping_webhook(site: Site) -> Iterator[None]:
    """As many webhooks as a firm may have at a receiver that sends a byte now and then, and forty presses of the test button
    of each."""
    stopping = threading.Event()

    class Dripping(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            with suppress(OSError):
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                for _ in range(int(DRIP_SECONDS * 2)):
                    if stopping.wait(0.5):
                        return
                    self.wfile.write(b"x")
                self.wfile.write(b"\r\nContent-Length: 0\r\n\r\n")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with _serving(Dripping) as url, site.client(site.attacker.owner) as program:
        made = [program.post(f"{API}/webhooks", json={"url": f"{url}/portal"}) for _ in range(MOST)]
        paths = [f"{API}/webhooks/{each.raise_for_status().json()['id']}/test" for each in made]
        with _crowd([lambda: [program.post(path) for path in paths]] * PRESSES):
            pass
        yield
        stopping.set()


@contextmanager
def bodies(site: Site) -> Iterator[None]:
    """4.8 MB of bad CSV lines, JSON that is nested a million deep, and a message of 8 MB at the queue door."""
    lines = b"xpm_uuid,kind,email\n" + b"x,robot,\n" * 530_000
    nested = b'{"rows": ' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}"

    def send(path: str, body: bytes, kind: str) -> None:
        with site.client(site.attacker.partner) as program:
            headers = {"Content-Type": kind, "Idempotency-Key": uuid4().hex}
            program.post(f"{API}{path}", content=body, headers=headers)

    def knock() -> None:
        with redis.Redis.from_url(site.redis_url) as client:
            message_id = uuid4().hex
            client.hset("portal:import_requests.msgs", message_id, b"[" * 8_000_000)
            client.rpush("portal:import_requests", message_id)

    acts: list[Callable[[], object]] = [knock]
    acts += [lambda: send("/batches/preflight", lines, "text/csv")] * 4
    acts += [lambda: send("/batches/preflight", nested, "application/json")] * 4
    with _crowd(acts):
        yield


@contextmanager
def gzip_bombs(site: Site) -> Iterator[None]:
    """Twenty searches in an XPM whose answers unpack to 256 MB, or to ever more when unpacked twice."""

    def search(number: int) -> None:
        with site.client(site.attacker.partner) as program:
            program.get(f"{API}/xpm/clients", params={"q": f"bomb {number}"})

    with _crowd([lambda number=number: search(number) for number in range(20)]):  # type: ignore[misc]  # bound early
        yield


@contextmanager
def streams(site: Site) -> Iterator[None]:
    """Forty streams of progress of one person at once, and forty requests that are half sent."""
    address = urlsplit(site.url)
    accepted: list[int] = []
    with site.client(site.attacker.partner) as program, ExitStack() as held:
        row = {"xpm_uuid": str(uuid4()), "kind": "entity"}
        key = {"Idempotency-Key": uuid4().hex}
        batch = program.post(f"{API}/batches", json={"rows": [row]}, headers=key).raise_for_status().json()["id"]
        for _ in range(STREAMS):
            half = held.enter_context(socket.create_connection((LOOPBACK, address.port or 80)))
            half.sendall(b"POST /api/v1/session HTTP/1.1\r\nHost: portal\r\nContent-Le")

        def follow() -> None:
            with (
                suppress(httpx.TransportError),
                site.client(site.attacker.partner, seconds=HELD_SECONDS) as reader,
                reader.stream("GET", f"{API}/batches/{batch}/events") as stream,
            ):
                accepted.append(stream.status_code)
                for _ in stream.iter_lines():
                    continue

        with _crowd([follow] * STREAMS):
            yield
    site.streams_opened = accepted.count(200)


ATTACKS: dict[str, Callable[[Site], AbstractContextManager[None]]] = {
    each.__name__.replace("_", "-"): each for each in (sign_ins, dripping_webhook, bodies, gzip_bombs, streams)
}


@contextmanager
def bombs() -> Iterator[str]:
    """An XPM every answer of which is a bomb; its address."""
    once = _deflated()
    twice = gzip.compress(once)

    class Bomb(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_double = self.path.endswith(("1", "3", "5", "7", "9"))
            body = twice if is_double else once
            self.send_response(200)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Encoding", "gzip, gzip" if is_double else "gzip")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with _serving(Bomb) as url:
        yield url


def _deflated(megabytes: int = 256) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    pieces = [packer.compress(b"<Response>"), *(packer.compress(b" " * 1_048_576) for _ in range(megabytes))]
    return b"".join([*pieces, packer.flush()])


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer((LOOPBACK, 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


@contextmanager
def _crowd(acts: list[Callable[[], object]]) -> Iterator[None]:
    """All of these at once, until the last has ended. What the portal refuses is no failure of the attack."""
    with ThreadPoolExecutor(len(acts)) as pool:
        begun = [pool.submit(act) for act in acts]
        yield
        for each in begun:
            with suppress(httpx.TransportError):
                each.result()
