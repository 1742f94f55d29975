"""Errors: every failure of XPM has a class, words for people, and a trace without values."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import get_args

import pytest
from psycopg.errors import CardinalityViolation
from sqlalchemy.exc import OperationalError, ProgrammingError

from handlers.errors import (
    ConnectionLost,
    Deferred,
    JobError,
    OutcomeUnknown,
    Permanent,
    Rejected,
    Transient,
    from_xpm,
    places,
)
from portal_db.states import ErrorClass
from worker.runner.failures import as_job_error
from xpm import errors as xpm_errors
from xpm.errors import (
    DEFAULT_WAITS,
    QuotaDeferred,
    QuotaLimit,
    QuotaWait,
    XpmAway,
    XpmError,
    XpmForbidden,
    XpmForeign,
    XpmMalformed,
    XpmNotFound,
    XpmRateLimited,
    XpmRefused,
    XpmServerError,
    XpmTimeout,
    XpmTooLarge,
    XpmUnauthorized,
    XpmUnreachable,
)

EXPECTED: list[tuple[XpmError, type[JobError], str]] = [
    (QuotaDeferred("minute", 17.0), Deferred, "xpm_quota"),
    (XpmRateLimited("day", 66_975.0), Deferred, "xpm_quota"),
    (XpmRateLimited("concurrent"), Deferred, "xpm_quota"),
    (XpmNotFound(404), Rejected, "xpm_client_unknown"),
    (XpmUnauthorized("token_expired"), ConnectionLost, "reconnect_xpm"),
    (XpmUnauthorized("scope_missing"), ConnectionLost, "reconnect_xpm"),
    (XpmForbidden("disconnected"), ConnectionLost, "reconnect_xpm"),
    (XpmServerError(500), Transient, "xpm_unavailable"),
    (XpmServerError(503, 120.0), Transient, "xpm_unavailable"),
    (XpmAway("cannot be reached", 5.0), Deferred, "xpm_outage"),
    (XpmTimeout(), Transient, "xpm_unreachable"),
    (XpmUnreachable("ConnectError"), Transient, "xpm_unreachable"),
    (XpmForeign("it is empty"), Transient, "not_xpm"),
    (XpmMalformed("it ended", truncated=True), Transient, "xpm_truncated"),
    (XpmMalformed("a date cannot be read"), Permanent, "xpm_contract"),
    (XpmTooLarge(8), Permanent, "xpm_contract"),
    (XpmRefused(400, "no"), Permanent, "xpm_contract"),
]


def subclasses(of: type[XpmError]) -> Iterator[type[XpmError]]:
    for child in of.__subclasses__():
        yield child
        yield from subclasses(child)


@pytest.mark.parametrize(
    ("error", "expected", "code"), EXPECTED, ids=lambda value: getattr(value, "__name__", str(value))
)
def test_what_an_upstream_failure_means_for_the_job(error: XpmError, expected: type[JobError], code: str) -> None:
    found = from_xpm(error)
    assert (type(found), found.code) == (expected, code)
    assert found.message
    if expected is not Deferred:  # whose words are ended with the time it waits until
        assert found.message.endswith(".")
    if expected in (Rejected, ConnectionLost, Permanent):
        assert found.remedy


def test_every_upstream_failure_is_in_the_table_above() -> None:
    """A new one must be given a class on purpose, and not fall to the default unseen."""
    ours = {child for child in subclasses(XpmError) if inspect.getmodule(child) is xpm_errors}
    assert ours == {type(error) for error, _, _ in EXPECTED}


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (QuotaDeferred("minute", 17.0), 17.0),
        (XpmRateLimited("day", 66_975.0), 66_975.0),
        (XpmRateLimited("minute", 0.0), 0.0),
        (XpmRateLimited("concurrent"), DEFAULT_WAITS["concurrent"]),
        (XpmServerError(503, 120.0), 120.0),
        (XpmServerError(500), None),
    ],
    ids=str,
)
def test_a_wait_that_the_cause_asks_for_is_kept(error: XpmError, seconds: float | None) -> None:
    assert from_xpm(error).wait_seconds == seconds


@pytest.mark.parametrize("limit", get_args(QuotaLimit))
def test_a_deferral_says_which_limit_it_waits_for(limit: QuotaLimit) -> None:
    """Invariant 7, for our own limiter's refusal and for XPM's."""
    words = {"appminute": "app-wide minute", "unknown": "XPM limit"}.get(limit, f"XPM {limit} limit")
    assert words in from_xpm(QuotaDeferred(limit, 17.0)).message
    assert words in from_xpm(XpmRateLimited(limit, 17.0)).message


@pytest.mark.parametrize("wait", get_args(QuotaWait))
def test_whatever_a_permit_waits_for_has_words(wait: QuotaWait) -> None:
    assert from_xpm(QuotaDeferred(wait, 17.0)).message


def test_each_class_of_error_is_one_class_of_job_error() -> None:
    classes = (Rejected, Deferred, Transient, ConnectionLost, OutcomeUnknown, Permanent)
    assert {each.error_class for each in classes} == set(ErrorClass)


def failing(secret: str) -> None:
    try:
        int(secret)
    except ValueError as error:
        raise Permanent("bug", "Something went wrong.") from error


def test_a_trace_names_types_and_places_and_no_value() -> None:
    secret = "ada@secret.example"
    with pytest.raises(Permanent) as failed:
        failing(secret)
    trace = places(failed.value)
    assert "Permanent" in trace
    assert "ValueError" in trace, "the cause is what one looks for"
    assert "handlers/test_errors.py" in trace
    assert "failing" in trace
    assert "secret" not in trace
    assert failed.value.as_failure().traceback == trace


def test_a_database_s_error_shows_no_statement_and_no_row() -> None:
    error = as_job_error(OperationalError("INSERT secret", {"email": "ada@secret.example"}, Exception("secret")))
    failure = error.as_failure()
    assert (failure.error_class, failure.code) == (ErrorClass.TRANSIENT, "database_unavailable")
    assert "secret" not in str(failure)
    assert "OperationalError" in (failure.traceback or "")


def test_a_bug_shows_its_type_and_not_its_text() -> None:
    failure = as_job_error(KeyError("ada@secret.example")).as_failure()
    assert (failure.error_class, failure.code) == (ErrorClass.PERMANENT, "bug")
    assert "secret" not in str(failure)
    assert "KeyError" in (failure.traceback or "")


def test_a_bug_in_a_statement_shows_the_database_s_code() -> None:
    failure = as_job_error(ProgrammingError("SELECT secret", {}, CardinalityViolation("secret"))).as_failure()
    assert "(ProgrammingError 21000)" in failure.message
    assert "secret" not in str(failure)
