"""Typed fields of requests, and the refusal of a value that does not fit."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, AwareDatetime, Field, TypeAdapter, ValidationError

from handlers import refusals
from handlers.errors import RequestRefused
from portal_db.paging import EARLIEST, LATEST


def _one_line(text: str) -> str:
    """Any script and any emoji, but no control characters: a line break in an email or a name is an attack or a mistake."""
    stripped = text.strip()
    if not stripped:
        raise ValueError("must not be blank")
    if has_control_characters(stripped):
        raise ValueError("must be one line without control characters")
    return stripped


def _text(text: str) -> str:
    if has_control_characters(text):
        raise ValueError("must not contain control characters")
    return text


def has_control_characters(text: str, *, lines: bool = False) -> bool:
    """Whether a text holds what no text holds: NUL, which PostgreSQL does not store, other control characters, or half of a
    character. `lines`: it may have several lines, and tabs."""
    return any(unicodedata.category(mark) in ("Cc", "Cs") and not (lines and mark in "\t\n\r") for mark in text)


def plain_text(text: str) -> str:
    """A text of several lines, without spaces around it."""
    stripped = text.strip()
    if has_control_characters(stripped, lines=True):
        raise ValueError("must be text without control characters")
    return stripped


def _time(at: datetime) -> datetime:
    if not EARLIEST <= at <= LATEST:
        raise ValueError(f"must be a time from {EARLIEST.year} to {LATEST.year}")
    return at


one_line = AfterValidator(_one_line)
#: One line of text that says something, without spaces around it.
Line = Annotated[str, one_line]
#: Any text that somebody enters or sends; what else it must be, its field says.
Text = Annotated[str, AfterValidator(_text)]
#: A time that every calculation and both databases can hold.
Time = Annotated[AwareDatetime, AfterValidator(_time)]

#: The most characters of an unknown field's name that a refusal repeats.
MAX_FIELD = 64

T = TypeVar("T")

SHORT_LINE = TypeAdapter(Annotated[Line, Field(max_length=200)])
TENANT_ID = TypeAdapter(Annotated[Line, Field(max_length=64)])


def validated(shape: TypeAdapter[T], value: Any, field: str) -> T:
    try:
        return shape.validate_python(value)
    except ValidationError as error:
        raise misfit(error, field) from None


#: What is wrong with a value, by the type of pydantic's error, whose own words are for programmers. Words in braces come
#: from the error's context.
_REASONS = {
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "string_too_short": "is too short",
    "string_too_long": "must have at most {max_length} characters",
    "too_long": "must have at most {max_length} entries",
    "too_short": "must have at least {min_length}",
    "uuid_parsing": "is not a valid id",
    "uuid_type": "is not a valid id",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "date_parsing": "is not a date",
    "date_from_datetime_parsing": "is not a date",
    "date_type": "is not a date",
    "enum": "must be one of: {expected}",
    "literal_error": "must be one of: {expected}",
}


def reason_of(error: Mapping[str, Any]) -> str:
    """What is wrong with a value, as the end of a sentence that begins with its name.

    Args:
        error: one of `ValidationError.errors()`, with its context.
    """
    if error["type"] == "value_error":  # our own words
        return str(error["msg"]).removeprefix("Value error, ").rstrip(".")
    context = {name: str(value).replace("'", "") for name, value in error.get("ctx", {}).items()}
    # The length of a text that was checked by a function of ours is not called a string's.
    kind = "string_too_long" if context.get("field_type") == "Value" and error["type"] == "too_long" else error["type"]
    try:
        return _REASONS.get(kind, "is not valid").format(**context)
    except KeyError:
        return "is not valid"


def misfit(error: ValidationError, field: str | None = None) -> RequestRefused:
    """The refusal of the first value that does not fit; `field` names it where the error does not."""
    first = error.errors(include_url=False, include_input=False)[0]
    name = (field or ".".join(str(part) for part in first["loc"]))[:MAX_FIELD]
    reason = reason_of(first)
    if not name:  # a rule about two fields, whose words begin with the one to change
        return refusals.BAD_FIELDS(field=reason.partition(" ")[0], reason=reason)
    return refusals.BAD_FIELD(field=name, reason=reason)
