"""What a form sent, once it is sure that a page of ours sent it; and what is wrong with it, by field."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request
from pydantic import ValidationError
from starlette.datastructures import FormData

from handlers import refusals
from handlers.access.caller import Scope
from handlers.errors import JobError, RequestRefused
from web.http.identity import require_csrf_token, require_own_page, session_of
from web.http.problems import Fault, fault_of, status_of
from web.pages.frame.visitor import TheVisitor, Visitor
from web.portal import ThePortal

#: The hidden field with the session's token.
CSRF_FIELD = "csrf_token"
#: A form of ours has far fewer fields; a name or a value that a person types is far shorter.
MOST_FIELDS = 1_000


@dataclass(frozen=True)
class Faults:
    """What is wrong with a form: at a field, or (`whole`) with none in particular."""

    by_field: Mapping[str, Fault] = field(default_factory=dict)
    whole: Fault | None = None

    @classmethod
    def of(cls, fault: Fault, fields: Mapping[str, object] | None = None) -> Faults:
        """One fault, at its field if the form has it."""
        if fault.field is not None and (fields is None or fault.field in fields):
            return cls({fault.field: fault})
        return cls(whole=fault)

    @classmethod
    def refused(cls, refusal: RequestRefused | JobError, fields: Mapping[str, object]) -> Faults:
        """What a use case refused, at the field that it is about if the form has it.

        Raises:
            RequestRefused: the very same, where what the form is about is not there: that is no fault of a form.
        """
        if status_of(refusal) == 404:
            raise refusal
        return cls.of(fault_of(refusal), fields)

    def __bool__(self) -> bool:
        return bool(self.by_field) or self.whole is not None

    def at(self, name: str) -> Fault | None:
        return self.by_field.get(name)


NONE = Faults()


async def given_form(request: Request) -> AsyncIterator[FormData]:
    """The body of a form, of either media type that browsers send; its files are closed with the request."""
    async with request.form(max_fields=MOST_FIELDS, max_files=1) as form:
        yield form


GivenForm = Annotated[FormData, Depends(given_form)]


def text(form: FormData, name: str) -> str:
    """A field's text; empty where it is missing, or is a file."""
    value = form.get(name)
    return value if isinstance(value, str) else ""


@dataclass(frozen=True)
class Posted:
    """A form that a visitor sent from a page of ours."""

    visitor: Visitor
    form: FormData

    def text(self, name: str) -> str:
        return text(self.form, name).strip()

    def is_ticked(self, name: str) -> bool:
        return text(self.form, name) == "yes"


def own_form(request: Request, portal: ThePortal, form: GivenForm) -> FormData:
    """A form from a page of ours that anybody may send, such as signing in.

    Raises:
        RequestRefused: it comes from a page elsewhere.
    """
    require_own_page(request, portal)
    return form


def posted(request: Request, portal: ThePortal, visitor: TheVisitor, form: GivenForm) -> Posted:
    """A form from a page of ours, sent by the staff member whom the page was made for.

    Raises:
        RequestRefused: `csrf`.
    """
    require_own_page(request, portal)
    session = session_of(request, portal)
    if session is None:
        raise refusals.NOT_SIGNED_IN()
    require_csrf_token(session, text(form, CSRF_FIELD))
    return Posted(visitor, form)


def posted_by_importer(found: Annotated[Posted, Depends(posted)]) -> Posted:
    """A form from somebody who may import.

    Raises:
        RequestRefused: `not_allowed`, for the role Basic.
    """
    found.visitor.caller.require(Scope.IMPORT)
    return found


OwnForm = Annotated[FormData, Depends(own_form)]
ThePosted = Annotated[Posted, Depends(posted)]
PostedByImporter = Annotated[Posted, Depends(posted_by_importer)]


def faults_of(error: ValidationError) -> Faults:
    """Every field that does not fit."""
    found = {}
    for item in error.errors(include_url=False, include_input=False, include_context=False):
        is_missing = item["type"] == "missing"
        words = "is missing" if is_missing else item["msg"].removeprefix("Value error, ")
        # A rule about two fields has words that begin with the one to change.
        name = str(item["loc"][0]) if item["loc"] else words.partition(" ")[0]
        for prefix in (f"{name} ", "Input ", "String "):
            words = words.removeprefix(prefix)
        message = f"The {name.replace('_', ' ')} {words}."
        remedy = "Fill it in." if is_missing else "Correct it."
        found[name] = Fault(code="bad_request", field=name, message=message, remedy=remedy)
    return Faults(found)
