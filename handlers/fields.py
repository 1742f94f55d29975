"""Typed fields of requests, and the refusal of a value that does not fit."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from handlers import refusals
from handlers.errors import RequestRefused


def _one_line(text: str) -> str:
    """Any script and any emoji, but no control characters: a line break in an email or a name is an attack or a mistake."""
    stripped = text.strip()
    if not stripped:
        raise ValueError("must not be blank")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in stripped):
        raise ValueError("must be one line without control characters")
    return stripped


one_line = AfterValidator(_one_line)
Line = Annotated[str, one_line]

#: The most characters of an unknown field's name that a refusal repeats.
MAX_FIELD = 64

T = TypeVar("T")

PERSON_NAME = TypeAdapter(Annotated[Line, Field(max_length=200)])
TENANT_ID = TypeAdapter(Annotated[Line, Field(max_length=64)])


def validated(shape: TypeAdapter[T], value: Any, field: str) -> T:
    try:
        return shape.validate_python(value)
    except ValidationError as error:
        raise misfit(error, field) from None


def misfit(error: ValidationError, field: str | None = None) -> RequestRefused:
    """The refusal of the first value that does not fit; `field` names it where the error does not."""
    first = error.errors(include_url=False, include_input=False)[0]
    name = (field or ".".join(str(part) for part in first["loc"]))[:MAX_FIELD]
    reason = first["msg"].removeprefix("Value error, ")
    if not name:  # a rule about two fields, whose words begin with the one to change
        return refusals.BAD_FIELDS(field=reason.partition(" ")[0], reason=reason)
    if first["type"] == "too_long":
        reason = f"must be at most {first['ctx']['max_length']} characters"
    return refusals.BAD_FIELD(field=name, reason=reason)
