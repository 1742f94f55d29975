"""Stand-ins around the client: an upstream of scripted answers, a clock that only moves when told, a limiter's books.

The upstream checks every request that reaches it against the contract.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import httpx

from tests.xpm.client.encoding import CONTENT_TYPES, Format, encode_one
from xpm import contract
from xpm.client import Access, Fetched, XpmApi
from xpm.errors import QuotaDeferred, QuotaLimit
from xpm.limiter import Permit
from xpm.records import XpmClient

BASE_URL = "https://xpm.test/practicemanager/3.1"
ACCESS = Access("tenant-1", "secret-token")
ACME = XpmClient(uuid=UUID(int=1), name="Acme Pty Ltd")
BLOGGS = XpmClient(uuid=UUID(int=2), name="Jo Bloggs")
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


def answer(body: bytes | Iterator[bytes], kind: Format = "json", status: int = 200, **headers: str) -> httpx.Response:
    """An answer in that format."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, content=body, headers={"content-type": CONTENT_TYPES[kind], **named})


class Clock:
    """Seconds and UTC times that move together, by `sleep` or by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds - 1000.0)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


class BookPermit:
    """Writes what it is told into its limiter's book."""

    def __init__(self, book: list[tuple[str, Any]]) -> None:
        self._book = book
        self.released = False

    def calibrate(self, headers: Mapping[str, str]) -> None:
        self._book.append(("calibrate", dict(headers)))

    def release(self) -> None:
        if not self.released:
            self._book.append(("release", None))
        self.released = True


class BookLimiter:
    """Keeps a book of what happened; gives `permits` permits, then defers."""

    def __init__(self, permits: int = 100, limit: QuotaLimit = "minute") -> None:
        self.book: list[tuple[str, Any]] = []
        self._permits = permits
        self._limit = limit

    @contextmanager
    def acquire(self, tenant_id: str, *, lane: str, holder: str, deadline: float) -> Iterator[Permit]:
        self._permits -= 1
        if self._permits < 0:
            raise QuotaDeferred(self._limit, 7.0)
        self.book.append(("acquire", (tenant_id, lane, holder, deadline)))
        permit = BookPermit(self.book)
        try:
            yield permit
        except Exception as error:
            self.book.append(("left by", type(error).__name__))
            raise
        finally:
            permit.release()

    def written(self, kind: str) -> list[Any]:
        """The book's entries of one kind."""
        return [entry for name, entry in self.book if name == kind]


class Upstream:
    """Answers in the order of the script, and keeps the requests."""

    def __init__(self, *script: Answer) -> None:
        self._script = list(script)
        self.requests: list[httpx.Request] = []
        self.clock = Clock()
        self.limiter = BookLimiter()

    def api(self, prefer: Literal["json", "xml"] = "json", **options: Any) -> XpmApi:
        """A client of this upstream."""
        settings: dict[str, Any] = {
            "transport": httpx.MockTransport(self._handle),
            "prefer": prefer,
            "monotonic": self.clock.monotonic,
            "now": self.clock.now,
            "sleep": self.clock.sleep,
            **options,
        }
        return XpmApi(BASE_URL, self.limiter, **settings)

    def _handle(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/practicemanager/3.1")
        contract.find(request.method, path, request.url.params)
        self.requests.append(request)
        reply = self._script.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply if isinstance(reply, httpx.Response) else reply(request)


def get(api: XpmApi, **options: Any) -> Fetched[XpmClient]:
    return api.get(ACCESS, ACME.uuid, **{"lane": "import", "deadline_seconds": 30.0, **options})


def read_list(api: XpmApi, **options: Any) -> tuple[list[XpmClient], datetime]:
    with api.list(ACCESS, **{"lane": "resync", "deadline_seconds": 300.0, **options}) as listing:
        return list(listing), listing.as_of


def search(api: XpmApi, query: str = "acme", **options: Any) -> Fetched[list[XpmClient]]:
    return api.search(ACCESS, query, **{"lane": "interactive", "deadline_seconds": 10.0, **options})


def acme(kind: Format = "json") -> httpx.Response:
    return answer(encode_one(ACME, kind), kind)


def refused(status: int, detail: str = "Something new") -> httpx.Response:
    """Xero's own refusal, in its problem document."""
    return httpx.Response(status, json={"Title": "No", "Status": status, "Detail": detail})


def failure(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(status, headers={name.replace("_", "-"): value for name, value in headers.items()})
