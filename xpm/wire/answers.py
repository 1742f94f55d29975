"""Error answers to exceptions: XPM's own (`Status=ERROR`), the Xero gateway's problem JSON, and bare statuses.

Descriptions are reduced to technical words, because XPM may quote a client's name in them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from xpm.errors import (
    ForbiddenReason,
    QuotaLimit,
    UnauthorizedReason,
    XpmError,
    XpmForbidden,
    XpmForeign,
    XpmMalformed,
    XpmNotFound,
    XpmRateLimited,
    XpmRefused,
    XpmServerError,
    XpmUnauthorized,
)
from xpm.wire.envelope import Envelope
from xpm.wire.json_events import JSON_ERRORS, JsonEvents
from xpm.wire.xml_events import XML_ERRORS, XmlEvents

MAX_DESCRIPTION = 200
"""The longest scrubbed description, in characters."""

_UNKNOWN_IDENTIFIER = re.compile(r"\binvalid\b.{0,40}\bidentifier\b", re.IGNORECASE | re.DOTALL)
_TECHNICAL_WORDS = """
    a an and archived are at be been bad between cannot client clients conflict contact contacts could current date
    dates deleted detailed does email error exist exists failed field fields for format found from group groups has have
    identifier in internal invalid is it less length limit long maximum minimum missing modifiedsince more must name
    no not of occurred on one only or page pagesize pagetoken parameter parameters permission query range request
    required resource search server size state supplied than that the this to token too type unexpected unknown
    uuid valid value was with year
"""
_TECHNICAL = frozenset(_TECHNICAL_WORDS.split())
_LIMITS: tuple[tuple[str, QuotaLimit], ...] = (
    ("appmin", "appminute"),
    ("min", "minute"),
    ("day", "day"),
    ("conc", "concurrent"),
)


def raise_for_answer(status: int, headers: Mapping[str, str], body_prefix: bytes) -> None:
    """Return for a 2xx, whose body the decoder checks; otherwise raise the answer's error.

    `body_prefix` is the body, or its beginning; from a truncated or foreign body there is just no description.
    Raises any of `XpmUnauthorized`, `XpmForbidden`, `XpmRateLimited`, `XpmNotFound`, `XpmRefused`, `XpmServerError`,
    and `XpmForeign` for a refusal, a redirect or an informational answer that XPM and Xero did not write.
    """
    if 200 <= status < 300:
        return
    found = {name.lower(): value for name, value in headers.items()}
    envelope = _envelope(body_prefix)
    description = envelope.value("errordescription") or envelope.value("detail") or envelope.value("title")
    if status not in (429, *range(500, 600)) and not _is_own(envelope, found):
        raise XpmForeign(f"status {status} came without Xero's own words")
    if status == 401:
        raise XpmUnauthorized(_unauthorized(found, description))
    if status == 403:
        raise XpmForbidden(_forbidden(found, description))
    if status == 429:
        raise XpmRateLimited(_limit(found.get("x-rate-limit-problem", "")), retry_after(found))
    error = refusal(status, description)
    if status >= 500 and not isinstance(error, XpmNotFound):
        raise XpmServerError(status, retry_after(found))
    raise error


def refusal(status: int, description: str | None) -> XpmError:
    """The error that XPM's description means. A client is unknown only if the text says so."""
    if _UNKNOWN_IDENTIFIER.search(description or ""):
        return XpmNotFound(status)
    return XpmRefused(status, scrub(description or ""))


def scrub(description: str) -> str:
    """The description with every word that is not a known technical one replaced by an ellipsis."""
    kept = " ".join(_scrub_word(word) for word in description[: 4 * MAX_DESCRIPTION].split())
    return re.sub(r"…(?: …)+", "…", kept)[:MAX_DESCRIPTION]


def _scrub_word(word: str) -> str:
    bare = word.strip(".,;:!?()")
    return word if not bare or bare.lower() in _TECHNICAL else word.replace(bare, "…")


def is_own_refusal(headers: Mapping[str, str], body: bytes) -> bool:
    """Whether XPM or Xero wrote this refusal. A proxy's or a firewall's page says nothing about the caller's access."""
    return _is_own(_envelope(body), {name.lower(): value for name, value in headers.items()})


def _is_own(envelope: Envelope, headers: Mapping[str, str]) -> bool:
    """XPM's error with a description, Xero's problem document, or a challenge to a bearer of tokens."""
    if envelope.value("errordescription") is not None:
        return True
    is_problem = (envelope.value("status") or "").isdecimal()
    if is_problem and (envelope.value("detail") or envelope.value("title")) is not None:
        return True
    return headers.get("www-authenticate", "").lower().startswith("bearer")


def _envelope(body: bytes) -> Envelope:
    """What can be read of an error's body. The format is sniffed: the gateway sends JSON whatever was asked."""
    body = body.removeprefix(b"\xef\xbb\xbf").lstrip()
    envelope = Envelope()
    events = JsonEvents(envelope) if body.startswith(b"{") else XmlEvents(envelope)
    try:
        events.feed(body)
    except (*XML_ERRORS, *JSON_ERRORS, XpmMalformed):
        pass  # A foreign body: use what was read so far, if anything.
    return envelope


def _unauthorized(headers: Mapping[str, str], description: str | None) -> UnauthorizedReason:
    said = f"{description or ''} {headers.get('www-authenticate', '')}".lower()
    if "insufficient_scope" in said or "authorizationunsuccessful" in said:
        return "scope_missing"
    return "token_expired" if "tokenexpired" in said or "token expired" in said else "other"


def _forbidden(headers: Mapping[str, str], description: str | None) -> ForbiddenReason:
    if "insufficient_scope" in headers.get("www-authenticate", "").lower():
        return "scope_missing"
    return "disconnected" if "authenticationunsuccessful" in (description or "").lower() else "other"


def _limit(problem: str) -> QuotaLimit:
    """The limit that `X-Rate-Limit-Problem` names: "minute", "DayLimit", "App-Minute", … by its beginning."""
    letters = re.sub(r"[^a-z]", "", problem.lower())
    return next((limit for prefix, limit in _LIMITS if letters.startswith(prefix)), "unknown")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Retry-After in seconds; Xero and XPM send no dates. Names are in lower case."""
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
