"""The read-only client of XPM's API: get, search and list of clients, each under a total deadline.

Each request needs a permit from the limiter. Connection errors, 5xx and answers that are not XPM's are retried within the
deadline; a 429 never is.
Tokens, quotas and jobs live elsewhere: the caller supplies its access token and its lane.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Generic, Literal, TypeVar
from uuid import UUID

import httpx
import structlog
import tenacity

from config import metrics, spans
from xpm import contract
from xpm.errors import XpmError, XpmForeign, XpmMalformed, XpmServerError, XpmTimeout, XpmTooLarge, XpmUnreachable
from xpm.limiter import Limiter
from xpm.records import Unreadable, XpmClient
from xpm.wire import Reading, decode_client, decode_clients, raise_for_answer
from xpm.wire.inflate import BadCompression, EndsEarly, unpacked
from xpm.wire.transport import DeadlineTransport

log = structlog.stdlib.get_logger(__name__)

T = TypeVar("T")
Clients = list[XpmClient]

ATTEMPTS = 3
"""The most requests that one call sends."""
SHORT_WAIT = 10.0
"""The longest Retry-After of a 5xx, in seconds, that is waited for here; with a longer one the job is deferred."""
CONNECT_TIMEOUT = 10.0
"""Seconds in which to connect, if the deadline leaves that many."""
ERROR_PREFIX_BYTES = 65_536
"""How much of an error's body is read."""

_ACCEPT = {"json": "application/json", "xml": "text/xml"}
_QUOTA_HEADERS = (
    "x-daylimit-remaining",
    "x-minlimit-remaining",
    "x-appminlimit-remaining",
    "x-rate-limit-problem",
    "retry-after",
)
_back_off = tenacity.wait_random_exponential(multiplier=0.25, max=4)


@dataclass(frozen=True)
class Access:
    """Whose data to read, the token that allows it, and whether they write the day before the month (3/4/1970)."""

    tenant_id: str
    access_token: str = field(repr=False)
    day_first: bool = False


@dataclass(frozen=True)
class Fetched(Generic[T]):
    """An answer, and the UTC time at which its request started. Later changes may be missing from it."""

    value: T
    as_of: datetime


@dataclass(frozen=True)
class ClientList:
    """A list being streamed. It is complete only if the iteration ends without an exception."""

    clients: Iterator[XpmClient]
    as_of: datetime

    def __iter__(self) -> Iterator[XpmClient]:
        return self.clients


@dataclass(frozen=True)
class _Answer:
    content_type: str
    chunks: Iterator[bytes]
    as_of: datetime
    reading: Reading


@dataclass(frozen=True)
class _Call:
    """What stays the same over all attempts of a call."""

    access: Access
    operation: contract.Operation
    url: httpx.URL
    lane: str
    holder: str
    max_bytes: int
    deadline: float
    monotonic: Callable[[], float]

    def time_left(self) -> float:
        """Seconds to the deadline; negative after it."""
        return self.deadline - self.monotonic()

    def check(self) -> None:
        """Raise `XpmTimeout` once the deadline has passed."""
        if self.time_left() <= 0:
            raise XpmTimeout


class XpmApi:
    """XPM's API at `base_url` (`https://api.xero.com/practicemanager/3.1`). Threads may share one.

    `transport` carries the requests (default: a `DeadlineTransport`). It is used directly and not through
    `httpx.Client`, which would log search texts with their URLs and keep cookies from one tenant to the next.
    `prefer` is the format requested; whichever format arrives is read. `monotonic` (seconds), `now` (an aware UTC time)
    and `sleep` are the clock.

    All methods raise `XpmError`s. Common parameters: `lane` is the limiter's priority class; `holder` names the work in
    the limiter's ledger (default: a random name); `deadline_seconds` bounds the whole call, its attempts and its body.
    """

    def __init__(
        self,
        base_url: str,
        limiter: Limiter,
        *,
        transport: httpx.BaseTransport | None = None,
        prefer: Literal["json", "xml"] = "json",
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
        max_list_bytes: int = 512 * 1024 * 1024,
        max_bytes: int = 8 * 1024 * 1024,
    ) -> None:
        self._base_url = httpx.URL(base_url.rstrip("/"))
        self._limiter = limiter
        self._transport = transport or DeadlineTransport()
        self._accept = _ACCEPT[prefer]
        self._monotonic = monotonic
        self._now = now
        self._sleep = sleep
        self._max_list_bytes = max_list_bytes
        self._max_bytes = max_bytes

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def get(
        self, access: Access, uuid: UUID, *, lane: str, holder: str | None = None, deadline_seconds: float
    ) -> Fetched[XpmClient]:
        """One client, with groups and relationships. Raises `XpmNotFound` if XPM knows no such client."""
        operation = contract.GET_CLIENT
        url = self._url(operation, {}, identifier=str(uuid))
        call = self._call(access, operation, url, lane, holder, deadline_seconds, self._max_bytes)

        def attempt() -> Fetched[XpmClient]:
            with self._answer(call) as answer:
                return Fetched(decode_client(answer.content_type, answer.chunks, answer.reading), answer.as_of)

        fetched = self._retrying(call)(attempt)
        if fetched.value.uuid != uuid:
            raise XpmMalformed("it holds another client than the requested one")
        return fetched

    def search(
        self, access: Access, query: str, *, lane: str, holder: str | None = None, deadline_seconds: float
    ) -> Fetched[Clients]:
        """The clients that XPM finds for `query`, unpaged, without groups or relationships. Unreadable ones are left out.

        Raises `XpmTooLarge` if the query matches too much.
        """
        if not query.strip():
            raise ValueError("A search needs a text to search for; to read every client, use `list`.")
        operation = contract.SEARCH_CLIENTS
        url = self._url(operation, {"query": query})
        call = self._call(access, operation, url, lane, holder, deadline_seconds, self._max_bytes)

        def attempt() -> Fetched[Clients]:
            with self._answer(call) as answer:
                clients = decode_clients(answer.content_type, answer.chunks, _note_unreadable, answer.reading)
                return Fetched([*clients], answer.as_of)

        return self._retrying(call)(attempt)

    @contextmanager
    def list(
        self,
        access: Access,
        *,
        modified_since: datetime | None = None,
        lane: str,
        holder: str | None = None,
        deadline_seconds: float,
        unreadable: Callable[[Unreadable], None] | None = None,
    ) -> Iterator[ClientList]:
        """Every client of the tenant, archived and deleted ones too, as a stream; `modified_since` is an aware time.

        Retries only until the first client has arrived. The permit is held until the context manager is left.
        `unreadable` is called for a client without a uuid or a name; without it, such a client ends the list.
        """
        query = {"detailed": "true"}
        if modified_since is not None:
            if modified_since.tzinfo is None:
                raise ValueError("`modified_since` needs a time zone, because XPM reads it as UTC.")
            query["modifiedsince"] = modified_since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
        operation = contract.LIST_CLIENTS
        url = self._url(operation, query)
        call = self._call(access, operation, url, lane, holder, deadline_seconds, self._max_list_bytes)

        def attempt() -> tuple[ExitStack, ClientList]:
            with ExitStack() as stack:
                answer = stack.enter_context(self._answer(call))
                clients = decode_clients(answer.content_type, answer.chunks, unreadable, answer.reading)
                first = tuple(islice(clients, 1))
                return stack.pop_all(), ClientList(chain(first, clients), answer.as_of)

        stack, listing = self._retrying(call)(attempt)
        with stack:
            yield listing

    def _url(self, operation: contract.Operation, query: Mapping[str, str], **path: str) -> httpx.URL:
        base = self._base_url
        url = base.copy_with(path=base.path.rstrip("/") + operation.path.format(**path))
        return url.copy_merge_params(query) if query else url

    def _call(
        self,
        access: Access,
        operation: contract.Operation,
        url: httpx.URL,
        lane: str,
        holder: str | None,
        seconds: float,
        max_bytes: int,
    ) -> _Call:
        deadline = self._monotonic() + seconds
        return _Call(access, operation, url, lane, holder or secrets.token_hex(8), max_bytes, deadline, self._monotonic)

    def _retrying(self, call: _Call) -> tenacity.Retrying:
        def is_last(state: tenacity.RetryCallState) -> bool:
            return state.attempt_number >= ATTEMPTS or state.upcoming_sleep >= call.time_left()

        return tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_passing), wait=_wait, stop=is_last, sleep=self._sleep, reraise=True
        )

    @contextmanager
    def _answer(self, call: _Call) -> Iterator[_Answer]:
        """One attempt: a permit, a request, and its answer if that is a 2xx."""
        with (
            spans.part(f"GET {call.operation.path}") as attributes,
            self._limiter.acquire(
                call.access.tenant_id, lane=call.lane, holder=call.holder, deadline=call.time_left()
            ) as permit,
        ):
            attributes |= {"http.request.method": "GET", "url.template": call.operation.path}
            as_of = self._now()
            began, answered = self._monotonic(), "none"
            try:
                response = self._send(call)
                answered = metrics.status_class(response.status_code)
                attributes["http.response.status_code"] = response.status_code
            finally:
                metrics.XPM_REQUESTS.labels(call.operation.operation_id, answered).inc()
            try:
                headers = response.headers
                permit.calibrate({name: headers[name] for name in _QUOTA_HEADERS if name in headers})
                if not response.is_success:
                    raise_for_answer(response.status_code, headers, _prefix(response, call))
                reading = Reading.at(as_of, day_first=call.access.day_first)
                yield _Answer(headers.get("content-type", ""), _body(response, call), as_of, reading)
            finally:
                response.close()
                permit.release()
                metrics.XPM_REQUEST_DURATION.observe(self._monotonic() - began)

    def _send(self, call: _Call) -> httpx.Response:
        call.check()
        left = call.time_left()
        timeout = httpx.Timeout(left, connect=min(CONNECT_TIMEOUT, left))
        request = httpx.Request(
            "GET",
            call.url,
            headers={
                "Authorization": f"Bearer {call.access.access_token}",
                "xero-tenant-id": call.access.tenant_id,
                "Accept": self._accept,
                "Accept-Encoding": "gzip",
                "Xero-Features": contract.FEATURES,
                "User-Agent": "portal-sync",
            },
            extensions={"timeout": timeout.as_dict(), "time_left": call.time_left},
        )
        with _network_errors(call):
            response = self._transport.handle_request(request)
        response.request = request
        return response


def _note_unreadable(found: Unreadable) -> None:
    log.warning("xpm.unreadable", problem=found.problem)


def _is_passing(error: BaseException) -> bool:
    if isinstance(error, XpmServerError):
        return error.retry_after is None or error.retry_after <= SHORT_WAIT
    return isinstance(error, XpmUnreachable | XpmForeign)


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, XpmServerError) and error.retry_after is not None:
        return error.retry_after
    return _back_off(state)


def _body(response: httpx.Response, call: _Call) -> Iterator[bytes]:
    """The decoded body, within the call's deadline and size limit; a connection or a gzip that ends early truncates it."""
    size = 0
    chunks = unpacked(response)
    while True:
        with _network_errors(call):
            try:
                chunk = next(chunks, None)
            except (httpx.RemoteProtocolError, EndsEarly):
                raise XpmMalformed("the connection ended before it did", truncated=True) from None
        call.check()
        if chunk is None:
            return
        size += len(chunk)
        if size > call.max_bytes:
            raise XpmTooLarge(call.max_bytes)
        yield chunk


def _prefix(response: httpx.Response, call: _Call) -> bytes:
    """The beginning of an error's body, or as much of it as can be read; the status matters more."""
    held = bytearray()
    try:
        for chunk in _body(response, call):
            held += chunk
            if len(held) >= ERROR_PREFIX_BYTES:
                break
    except XpmError:
        pass
    return bytes(held[:ERROR_PREFIX_BYTES])


@contextmanager
def _network_errors(call: _Call) -> Iterator[None]:
    """Turns httpx's exceptions into ours. Their texts are dropped, because some quote a header, and so the token."""
    try:
        yield
    except httpx.TransportError as error:
        if isinstance(error, httpx.TimeoutException) and (
            call.time_left() <= 0 or not isinstance(error, httpx.ConnectTimeout)
        ):
            raise XpmTimeout from None
        raise XpmUnreachable(type(error).__name__) from None
    except BadCompression:
        raise XpmMalformed("its compression is broken or unknown") from None
