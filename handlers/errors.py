"""What can go wrong, as one tree. A job's failure has a class, and the class decides what happens next (design §3).

    PortalError
    ├── RequestRefused        a request cannot be accepted: nothing of it was done; the sender acts
    │   └── RefusedForNow     too many of its kind were made, or Xero is away: try again later
    └── JobError
        ├── Rejected          a business rule said no: the requester acts
        ├── Deferred          nothing failed (quota, pause): waits, uses no attempt
        ├── Transient         may succeed later: retried with back-off, then dead
        ├── ConnectionLost    the practice must reconnect: waits at most 72 hours
        ├── OutcomeUnknown    may have happened: never repeated, operations decide
        └── Permanent         a broken contract or a bug: dead at once

Each carries a code for programs, and a message and a remedy for the person who reads them; they contain no personal
data. The words of every `RequestRefused` and `Rejected` are in `handlers.refusals`.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import ClassVar, Generic, Self, TypeVar

from portal_db.states import ErrorClass
from portal_db.work.candidates import QUOTA_CODE
from portal_db.work.jobs import Failure
from xpm import errors as xpm_errors


class PortalError(Exception):
    """A failure in words for a person.

    Args:
        code: stable, for scripts and grouping: `email_taken`.
        message: what happened, in a sentence.
        remedy: what the reader can do about it, in a sentence.
        field: the input it is about, where it is about one.
    """

    def __init__(self, code: str, message: str, remedy: str | None = None, *, field: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.remedy = remedy
        self.field = field


class RequestRefused(PortalError):
    remedy: str

    def __init__(self, code: str, message: str, remedy: str = "", *, field: str | None = None) -> None:
        super().__init__(code, message, remedy, field=field)


class RefusedForNow(RequestRefused):
    """`wait_seconds` is how long to wait before another attempt."""

    wait_seconds: float = 60.0

    def after(self, seconds: float) -> Self:
        self.wait_seconds = seconds
        return self


class JobError(PortalError):
    """`wait_seconds` is how long to wait at least before the next attempt, where the cause says so."""

    error_class: ClassVar[ErrorClass]

    def __init__(
        self,
        code: str,
        message: str,
        remedy: str | None = None,
        *,
        field: str | None = None,
        wait_seconds: float | None = None,
    ) -> None:
        super().__init__(code, message, remedy, field=field)
        self.wait_seconds = wait_seconds

    def as_failure(self) -> Failure:
        return Failure(
            error_class=self.error_class,
            code=self.code,
            message=self.message,
            action=self.remedy,
            field=self.field,
            traceback=places(self),
        )


class Rejected(JobError):
    """`email_key` is the address that it is for, where a login has it; it stays in memory."""

    error_class = ErrorClass.REJECTED
    email_key: str | None = None

    def of_login(self, email_key: str) -> Self:
        self.email_key = email_key
        return self

    def as_failure(self) -> Failure:
        return replace(super().as_failure(), email_key=self.email_key)


E = TypeVar("E", Rejected, RequestRefused, RefusedForNow)


@dataclass(frozen=True)
class Refusal(Generic[E]):
    """A refusal's words. Calling it makes the error to raise: `values` fill the braces, `field` replaces the table's."""

    error: type[E]
    code: str
    message: str
    remedy: str
    field: str | None = None

    def __call__(self, *, field: str | None = None, **values: object) -> E:
        field = field or self.field
        message, remedy = (words.format(field=field, **values) for words in (self.message, self.remedy))
        return self.error(self.code, message, remedy, field=field)


class Deferred(JobError):
    """Its message names what the job waits for; the time is added where the wait is recorded."""

    error_class = ErrorClass.DEFERRED


class Transient(JobError):
    error_class = ErrorClass.TRANSIENT


class ConnectionLost(JobError):
    error_class = ErrorClass.CONNECTION


class OutcomeUnknown(JobError):
    error_class = ErrorClass.UNKNOWN


class Permanent(JobError):
    error_class = ErrorClass.PERMANENT


def places(error: BaseException) -> str:
    """An exception chain as types and places: enough to find the code, without any value that could be personal (P19)."""
    lines = []
    current: BaseException | None = error
    while current is not None:
        lines.append(type(current).__name__)
        lines += [
            f"  {frame.filename.rsplit('/', 2)[-2]}/{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}"
            if "/" in frame.filename
            else f"  {frame.filename}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(current.__traceback__)
        ]
        current = current.__cause__ or current.__context__
    return "\n".join(lines)


_WAITS_FOR: Mapping[xpm_errors.QuotaWait, str] = MappingProxyType(
    {
        "minute": "XPM minute limit",
        "day": "XPM day limit",
        "concurrent": "XPM concurrent limit",
        "appminute": "XPM app-wide minute limit",
        "unknown": "XPM limit",
        "recovering": "XPM limits being counted again",
        "unavailable": "XPM limiter unavailable",
    }
)


def from_xpm(error: xpm_errors.XpmError) -> JobError:
    """An upstream failure as a job's: facts §1.4, §5 and §6 decide the class."""
    match error:
        case xpm_errors.QuotaDeferred():
            return Deferred(QUOTA_CODE, _WAITS_FOR[error.limit], wait_seconds=error.wait_seconds)
        case xpm_errors.XpmRateLimited():
            return Deferred(QUOTA_CODE, _WAITS_FOR[error.problem], wait_seconds=error.wait_seconds)
        case xpm_errors.XpmAway():
            return Deferred("xpm_outage", f"Waiting for XPM, which {error.reason}", wait_seconds=error.wait_seconds)
        case xpm_errors.XpmNotFound():
            return Rejected(
                "xpm_client_unknown",
                "This client no longer exists in XPM.",
                "Search for the client again, then import the record you find.",
                field="xpm_uuid",
            )
        case xpm_errors.XpmUnauthorized() | xpm_errors.XpmForbidden():
            return ConnectionLost(
                "reconnect_xpm",
                "Xero no longer accepts this connection.",
                "Reconnect XPM under Configure > Integrations. Waiting imports then resume automatically.",
            )
        case xpm_errors.XpmServerError():
            return Transient("xpm_unavailable", "XPM had a server error.", wait_seconds=error.retry_after)
        case xpm_errors.XpmTimeout() | xpm_errors.XpmUnreachable():
            return Transient("xpm_unreachable", "XPM could not be reached or did not answer in time.")
        case xpm_errors.XpmForeign():
            return Transient(
                "not_xpm",
                "Something between the portal and XPM answered instead of XPM.",
                "If this goes on, check the firewall, the proxy and XPM_API_URL.",
            )
        case xpm_errors.XpmMalformed(truncated=True):
            return Transient("xpm_truncated", "The response from XPM was cut off.")
        case xpm_errors.XpmMalformed():
            words = f"XPM sent a response that we don't understand: {error.problem}."
            return Permanent("xpm_contract", words, "Contact the developers.")
        case _:
            return Permanent("xpm_contract", "XPM sent a response that we don't understand.", "Contact the developers.")
