"""The client's requests, tries and permits, against an upstream of scripted answers."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from tests.xpm.client.encoding import FORMATS, Format, encode_error, encode_list, encode_one
from tests.xpm.client.upstream import (
    ACCESS,
    ACME,
    BASE_URL,
    BLOGGS,
    START,
    BookLimiter,
    Upstream,
    acme,
    answer,
    failure,
    get,
    read_list,
    refused,
    search,
)
from xpm.client import ATTEMPTS, Fetched, XpmApi
from xpm.errors import (
    QuotaDeferred,
    XpmError,
    XpmForbidden,
    XpmForeign,
    XpmMalformed,
    XpmNotFound,
    XpmRateLimited,
    XpmRefused,
    XpmServerError,
    XpmTimeout,
    XpmUnauthorized,
    XpmUnreachable,
)
from xpm.records import XpmClient

both_formats = pytest.mark.parametrize("kind", FORMATS)


# Requests


@both_formats
def test_get_asks_for_one_client_and_reads_whichever_format_comes(kind: Format) -> None:
    upstream = Upstream(acme(kind))
    assert get(upstream.api()) == Fetched(ACME, START)
    request = upstream.requests[0]
    assert str(request.url) == f"{BASE_URL}/client.api/get/{ACME.uuid}"
    assert request.headers["authorization"] == "Bearer secret-token"
    assert request.headers["xero-tenant-id"] == "tenant-1"
    assert request.headers["accept"] == "application/json"
    assert request.headers["xero-features"] == "practice-strict-content-type"


def test_xml_can_be_preferred() -> None:
    upstream = Upstream(acme("xml"))
    get(upstream.api(prefer="xml"))
    assert upstream.requests[0].headers["accept"] == "text/xml"


@both_formats
def test_search_sends_the_text_and_gives_what_was_found(kind: Format) -> None:
    upstream = Upstream(answer(encode_list([ACME, BLOGGS], kind), kind))
    assert search(upstream.api(), "Smith & Sons, café").value == [ACME, BLOGGS]
    assert upstream.requests[0].url.path.endswith("/client.api/search")
    assert dict(upstream.requests[0].url.params) == {"query": "Smith & Sons, café"}


def test_search_never_requests_details() -> None:
    upstream = Upstream(answer(encode_list([], "json")))
    search(upstream.api())
    assert dict(upstream.requests[0].url.params) == {"query": "acme"}


def test_a_search_for_nothing_is_not_sent() -> None:
    upstream = Upstream()
    with pytest.raises(ValueError, match="needs a text"):
        search(upstream.api(), "  ")
    assert upstream.requests == []


def test_list_asks_for_details_and_for_changes_in_utc() -> None:
    upstream = Upstream(answer(encode_list([ACME], "json")), answer(encode_list([], "json")))
    since = datetime(2026, 2, 3, 14, 5, 6, 999, tzinfo=timezone(timedelta(hours=10)))
    assert read_list(upstream.api(), modified_since=since) == ([ACME], START)
    read_list(upstream.api())
    changes, everything = upstream.requests
    assert dict(changes.url.params) == {"detailed": "true", "modifiedsince": "2026-02-03T04:05:06"}
    assert str(everything.url) == f"{BASE_URL}/client.api/list?detailed=true"


@pytest.mark.parametrize(
    ("local", "fold", "utc"),
    [
        ("2026-04-05T02:30:00", 0, "2026-04-04T15:30:00"),  # the hour that comes twice, first as summer time
        ("2026-04-05T02:30:00", 1, "2026-04-04T16:30:00"),
        ("2026-10-04T01:59:59", 0, "2026-10-03T15:59:59"),  # the second before the hour that is left out
        ("2026-10-04T03:00:00", 0, "2026-10-03T16:00:00"),
    ],
)
def test_a_change_of_summer_time_moves_no_moment(local: str, fold: int, utc: str) -> None:
    upstream = Upstream(answer(encode_list([], "json")))
    since = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo("Australia/Sydney"), fold=fold)
    read_list(upstream.api(), modified_since=since)
    assert upstream.requests[0].url.params["modifiedsince"] == utc


def test_list_refuses_a_time_without_a_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        read_list(Upstream().api(), modified_since=datetime(2026, 2, 3))  # noqa: DTZ001  # the zone is what is missing


def test_as_of_is_the_start_of_the_request_that_was_answered() -> None:
    upstream = Upstream(failure(503, Retry_After="4"), answer(encode_list([ACME], "json")))
    _, as_of = read_list(upstream.api())
    assert as_of == START + timedelta(seconds=4)


def test_a_compressed_body_is_read() -> None:
    body = gzip.compress(encode_one(ACME, "json"))
    upstream = Upstream(answer(body, content_encoding="gzip"))
    assert get(upstream.api()).value == ACME


def test_a_broken_compression_is_malformed() -> None:
    def broken(_: httpx.Request) -> httpx.Response:
        return answer(iter([b"no gzip at all"]), content_encoding="gzip")

    with pytest.raises(XpmMalformed):
        get(Upstream(*[broken] * ATTEMPTS).api())


def test_another_client_than_the_one_asked_for_is_refused() -> None:
    with pytest.raises(XpmMalformed):
        get(Upstream(answer(encode_one(BLOGGS, "json"))).api())


def test_a_redirect_is_not_followed() -> None:
    upstream = Upstream(*[failure(302, Location=f"{BASE_URL}/client.api/list")] * 3)
    with pytest.raises(XpmForeign):
        get(upstream.api())
    assert {request.url.path for request in upstream.requests} == {f"/practicemanager/3.1/client.api/get/{ACME.uuid}"}


def test_no_cookie_goes_from_one_tenant_to_the_next() -> None:
    upstream = Upstream(answer(encode_one(ACME, "json"), set_cookie="session=tenant-1; Path=/"), acme())
    api = upstream.api()
    get(api)
    get(api)
    assert "cookie" not in upstream.requests[1].headers


def test_a_search_text_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    search(Upstream(answer(encode_list([ACME], "json"))).api(), "Coyote")
    assert "Coyote" not in caplog.text


def test_a_token_is_not_in_a_representation() -> None:
    assert "secret-token" not in repr(ACCESS)


# Errors and tries


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (refused(401), XpmUnauthorized),
        (refused(403), XpmForbidden),
        (failure(429), XpmRateLimited),
        (answer(encode_error("Invalid client identifier", "xml"), "xml"), XpmNotFound),
        (answer(encode_error("Invalid client identifier", "json"), status=500), XpmNotFound),
        (answer(encode_error("Something", "json"), status=400), XpmRefused),
        (answer(encode_error("Something", "json")), XpmRefused),
        (answer(b'{"status": "OK", "clients": [', "json"), XpmMalformed),
        (httpx.ReadTimeout(""), XpmTimeout),
        (failure(503, Retry_After="11"), XpmServerError),
    ],
)
@pytest.mark.parametrize("method", [get, search, read_list])
def test_what_would_fail_again_is_not_tried_again(
    reply: httpx.Response | Exception, error: type[XpmError], method: Callable[[XpmApi], Any]
) -> None:
    script = reply if isinstance(reply, Exception) else lambda _: copy_of(reply)
    upstream = Upstream(script, acme())
    with pytest.raises(error):
        method(upstream.api())
    assert len(upstream.requests) == 1


def copy_of(reply: httpx.Response) -> httpx.Response:
    """A response that nobody has closed yet."""
    return httpx.Response(reply.status_code, headers=reply.headers, content=reply.content)


@pytest.mark.parametrize(
    "reply",
    [
        httpx.ConnectError(""),
        httpx.ConnectTimeout(""),
        httpx.ReadError(""),
        httpx.RemoteProtocolError(""),
        httpx.Response(200, text="<html>Blocked</html>", headers={"content-type": "text/html"}),
        302,
        204,
        403,
        500,
        502,
        503,
    ],
)
def test_what_may_pass_is_tried_again(reply: httpx.Response | Exception | int) -> None:
    upstream = Upstream(failure(reply) if isinstance(reply, int) else reply, acme())
    assert get(upstream.api()).value == ACME
    assert len(upstream.requests) == 2
    assert 0 <= upstream.clock.slept[0] <= 4


def test_a_short_retry_after_is_waited_for() -> None:
    upstream = Upstream(failure(503, Retry_After="9"), acme())
    get(upstream.api())
    assert upstream.clock.slept == [9.0]


def test_tries_end_and_the_last_error_is_told() -> None:
    upstream = Upstream(*[failure(500)] * (ATTEMPTS - 1), httpx.ConnectError("refused"))
    with pytest.raises(XpmUnreachable) as caught:
        get(upstream.api())
    assert caught.value.cause == "ConnectError"
    assert len(upstream.requests) == ATTEMPTS


def test_a_wait_that_would_pass_the_deadline_is_not_begun() -> None:
    upstream = Upstream(failure(503, Retry_After="9"), acme())
    with pytest.raises(XpmServerError) as caught:
        get(upstream.api(), deadline_seconds=9.0)
    assert caught.value.retry_after == 9.0
    assert (len(upstream.requests), upstream.clock.slept) == (1, [])


def test_a_network_error_does_not_quote_the_token() -> None:
    upstream = Upstream(*[httpx.LocalProtocolError("Illegal header value b'Bearer secret-token'")] * ATTEMPTS)
    with pytest.raises(XpmUnreachable) as caught:
        get(upstream.api())
    assert "secret-token" not in str(caught.value)
    assert caught.value.__suppress_context__


# Permits


def test_each_try_has_a_permit_of_its_own_which_hears_the_quota_headers() -> None:
    quota = {"X_DayLimit_Remaining": "4321", "X_MinLimit_Remaining": "59", "X_AppMinLimit_Remaining": "9999"}
    upstream = Upstream(failure(503, Retry_After="2"), answer(b'{"status": "OK"', "json", 200, **quota))
    with pytest.raises(XpmMalformed):
        get(upstream.api(), holder="job-7", deadline_seconds=30.0)
    assert upstream.limiter.book == [
        ("acquire", ("tenant-1", "import", "job-7", 30.0)),
        ("calibrate", {"retry-after": "2"}),
        ("release", None),
        ("left by", "XpmServerError"),
        ("acquire", ("tenant-1", "import", "job-7", 28.0)),
        ("calibrate", {name.lower().replace("_", "-"): value for name, value in quota.items()}),
        ("release", None),
        ("left by", "XpmMalformed"),
    ]


def test_a_429_leaves_through_the_permit() -> None:
    upstream = Upstream(failure(429, X_Rate_Limit_Problem="day", Retry_After="66975"))
    with pytest.raises(XpmRateLimited) as caught:
        get(upstream.api())
    assert (caught.value.problem, caught.value.retry_after) == ("day", 66975.0)
    assert upstream.limiter.written("calibrate") == [{"x-rate-limit-problem": "day", "retry-after": "66975"}]
    assert upstream.limiter.written("left by") == ["XpmRateLimited"]


def test_without_a_permit_nothing_is_sent() -> None:
    upstream = Upstream(failure(500), acme())
    upstream.limiter = BookLimiter(permits=1, limit="day")
    with pytest.raises(QuotaDeferred) as caught:
        get(upstream.api())
    assert (caught.value.limit, caught.value.wait_seconds) == ("day", 7.0)
    assert len(upstream.requests) == 1


def test_work_without_a_name_gets_one_of_its_own() -> None:
    upstream = Upstream(acme(), acme())
    api = upstream.api()
    get(api)
    get(api)
    first, second = (holder for _, _, holder, _ in upstream.limiter.written("acquire"))
    assert first
    assert first != second


def test_a_list_holds_its_permit_until_it_is_left() -> None:
    upstream = Upstream(answer(encode_list([ACME, BLOGGS], "json")))
    with upstream.api().list(ACCESS, lane="resync", deadline_seconds=60.0) as listing:
        assert next(iter(listing)) == ACME
        assert upstream.limiter.written("release") == []
    assert upstream.limiter.written("release") == [None]


# Streaming lists


def test_a_list_is_tried_again_until_its_first_client_has_come() -> None:
    def broken(_: httpx.Request) -> httpx.Response:
        return answer(failing(encode_list([], "json")[:-5], httpx.ReadError("reset")))

    upstream = Upstream(failure(500), broken, answer(encode_list([ACME], "json")))
    assert read_list(upstream.api())[0] == [ACME]
    assert len(upstream.requests) == 3


@both_formats
@pytest.mark.parametrize(
    ("network", "error"), [(httpx.ReadError(""), XpmUnreachable), (httpx.RemoteProtocolError(""), XpmMalformed)]
)
def test_a_list_that_breaks_later_is_an_error_and_not_begun_again(
    kind: Format, network: Exception, error: type[XpmError]
) -> None:
    def broken(_: httpx.Request) -> httpx.Response:
        return answer(failing(encode_list([ACME, BLOGGS], kind)[:-300], network), kind)

    upstream = Upstream(broken, answer(encode_list([ACME], kind), kind))
    read: list[XpmClient] = []
    with (
        pytest.raises(error) as caught,
        upstream.api().list(ACCESS, lane="resync", deadline_seconds=60.0) as listing,
    ):
        read.extend(listing)
    assert getattr(caught.value, "truncated", True)
    assert len(upstream.requests) == 1
    assert upstream.limiter.written("release") == [None]


def failing(body: bytes, error: Exception) -> Iterator[bytes]:
    """A body that breaks off."""
    yield body
    raise error


def test_a_list_streams_while_its_body_still_comes() -> None:
    pulled: list[int] = []
    body = encode_list([ACME, BLOGGS], "json")

    def slow() -> Iterator[bytes]:
        for at, piece in enumerate((body[:1000], body[1000:])):
            pulled.append(at)
            yield piece

    upstream = Upstream(answer(slow()))
    with upstream.api().list(ACCESS, lane="resync", deadline_seconds=60.0) as listing:
        clients = iter(listing)
        assert next(clients) == ACME
        assert pulled == [0]
        assert next(clients) == BLOGGS


def test_times_are_utc() -> None:
    assert get(XpmApi(BASE_URL, BookLimiter(), transport=httpx.MockTransport(lambda _: acme()))).as_of.tzinfo is UTC
