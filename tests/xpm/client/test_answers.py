"""Error answers become the right exception, in each of their shapes, and carry nothing personal."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.xpm.client.encoding import FORMATS, Format, encode_error
from xpm.errors import (
    XpmError,
    XpmForbidden,
    XpmForeign,
    XpmNotFound,
    XpmRateLimited,
    XpmRefused,
    XpmServerError,
    XpmUnauthorized,
)
from xpm.wire import raise_for_answer
from xpm.wire.answers import MAX_DESCRIPTION, scrub


def caught(status: int, body: bytes | str = b"", **headers: str) -> XpmError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with pytest.raises(XpmError) as info:
        raise_for_answer(status, named, body.encode() if isinstance(body, str) else body)
    return info.value


def problem(detail: str, *, lower: bool = False) -> str:
    tree: dict[str, Any] = {"Type": None, "Title": "Unauthorized", "Status": 401, "Detail": detail, "Extensions": {}}
    return json.dumps({name.lower(): value for name, value in tree.items()} if lower else tree)


@pytest.mark.parametrize("status", [200, 201, 204])
def test_a_good_answer_raises_nothing(status: int) -> None:
    raise_for_answer(status, {}, b"")


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize(
    ("detail", "reason"),
    [
        ("TokenExpired: token expired at 03/01/2026", "token_expired"),
        ("AuthorizationUnsuccessful", "scope_missing"),
        ("Something new", "other"),
    ],
)
def test_401_tells_an_expired_token_from_a_missing_scope(detail: str, reason: str, lower: bool) -> None:
    error = caught(401, problem(detail, lower=lower))
    assert isinstance(error, XpmUnauthorized)
    assert error.reason == reason


def test_401_reads_the_challenge_when_there_is_no_body() -> None:
    error = caught(401, WWW_Authenticate='Bearer error="insufficient_scope"')
    assert isinstance(error, XpmUnauthorized)
    assert error.reason == "scope_missing"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (problem("AuthenticationUnsuccessful"), "disconnected"),
        (problem("Something new"), "other"),
    ],
)
def test_403_tells_a_disconnected_practice(body: str, reason: str) -> None:
    error = caught(403, body)
    assert isinstance(error, XpmForbidden)
    assert error.reason == reason


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("minute", "minute"),
        ("Minute limit", "minute"),
        ("MinLimit", "minute"),
        ("day", "day"),
        ("DayLimit", "day"),
        ("Daily", "unknown"),
        ("concurrent", "concurrent"),
        ("Concurrency", "concurrent"),
        ("appminute", "appminute"),
        ("App-Minute", "appminute"),
        ("AppMinLimit", "appminute"),
        ("quota of the moon", "unknown"),
        ("", "unknown"),
    ],
)
def test_429_knows_its_limit_in_every_spelling(sent: str, read: str) -> None:
    error = caught(429, X_Rate_Limit_Problem=sent, Retry_After="27")
    assert isinstance(error, XpmRateLimited)
    assert (error.problem, error.retry_after) == (read, 27.0)


@pytest.mark.parametrize("sent", ["", "soon", "-1", "nan", "inf", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_a_retry_after_that_is_no_number_of_seconds_is_none(sent: str) -> None:
    error = caught(429, Retry_After=sent)
    assert isinstance(error, XpmRateLimited)
    assert error.retry_after is None


def test_429_needs_no_headers() -> None:
    error = caught(429)
    assert isinstance(error, XpmRateLimited)
    assert (error.problem, error.retry_after) == ("unknown", None)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("status", [400, 404, 500])
def test_an_unknown_client_is_known_by_the_text_and_not_by_the_status(status: int, kind: Format) -> None:
    assert isinstance(caught(status, encode_error("Invalid client identifier", kind)), XpmNotFound)
    assert not isinstance(caught(status, encode_error("Something else", kind)), XpmNotFound)


@pytest.mark.parametrize("status", [500, 502, 503, 599])
@pytest.mark.parametrize("body", ["", "Organisation is offline", "<html>", '{"status": "ERR', "[" * 70_000])
def test_5xx_is_a_server_error_whatever_its_body(status: int, body: str) -> None:
    error = caught(status, body, Retry_After="3")
    assert isinstance(error, XpmServerError)
    assert (error.status, error.retry_after) == (status, 3.0)


@pytest.mark.parametrize("kind", FORMATS)
def test_4xx_is_refused_with_its_scrubbed_text(kind: Format) -> None:
    error = caught(400, encode_error("Invalid date range for Jo Bloggs <jo@bloggs.example>", kind))
    assert isinstance(error, XpmRefused)
    assert (error.status, error.description) == (400, "Invalid date range for …")
    assert "Bloggs" not in str(error)
    assert "jo@" not in repr(error)


def test_the_beginning_of_a_long_error_is_enough() -> None:
    body = b'{"errorDescription": "Invalid page size", "more": "' + b"x" * 1000
    error = caught(400, body)
    assert isinstance(error, XpmRefused)
    assert error.description == "Invalid page size"


@pytest.mark.parametrize("status", [100, 301, 302, 307, 400, 401, 403, 404, 407, 451])
@pytest.mark.parametrize(
    "body", ["", "<html><body>Access Denied</body></html>", '{"message": "blocked"}', "[]", '{"detail": "blocked"}']
)
def test_what_neither_xpm_nor_xero_wrote_is_foreign(status: int, body: str) -> None:
    assert isinstance(caught(status, body, Location="https://elsewhere.test"), XpmForeign)


def test_scrubbing_keeps_technical_words_only_and_little_of_them() -> None:
    assert (
        scrub("Client (Jo Bloggs) already has an email: jo@b.example, 0400 000 000")
        == "Client (…) … has an email: …, …"
    )
    assert len(scrub("the client " * 10_000)) <= MAX_DESCRIPTION
