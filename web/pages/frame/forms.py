"""Submitted forms, once it is certain that one of our own pages sent them, and what is wrong with them, by field."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Container, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Generic, TypeVar
from uuid import UUID

from fastapi import Depends, Request
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.formparsers import MultiPartParser

from handlers import refusals
from handlers.access import kept_form
from handlers.access.caller import Scope
from handlers.access.sessions import Session
from handlers.errors import JobError, RequestRefused
from handlers.fields import has_control_characters, reason_of
from web.http.identity import require_csrf_token, require_own_page, require_session, session_of
from web.http.problems import Fault, fault_of, status_of
from web.pages.frame import messages
from web.pages.frame.visitor import (
    AnyVisitor,
    ClientVisitor,
    TheAnyVisitor,
    TheClient,
    Visitor,
    confirming,
    staff_visitor,
)
from web.pages.frame.way_back import page_of_form
from web.portal import Portal, ThePortal

#: The hidden field with the session's token.
CSRF_FIELD = "csrf_token"
#: Fields that are made anew, and pages of which nothing is kept.
UNKEPT = frozenset({CSRF_FIELD, "idempotency_key"})
UNKEPT_PAGES = ("/account/", "/confirm", "/admin/security")
#: Our own forms have far fewer fields.
MOST_FIELDS = 1_000
#: Bytes of a form that takes longer to read than a thread to find.
LARGE_BYTES = 64 * 1024
#: An uploaded file names clients, so it stays in memory, up to the limit of the body: no copy of it is left on a disk, which
#: may be read-only besides.
MultiPartParser.spool_max_size = sys.maxsize


@dataclass(frozen=True)
class FormErrors:
    """What is wrong with a form: at a field, or with the whole of it. `status` is the status of the page that says so."""

    by_field: Mapping[str, Fault] = field(default_factory=dict)
    whole: Fault | None = None
    status: int = 422

    @classmethod
    def of(cls, error: RequestRefused | JobError | ValidationError, fields: Container[str] = ()) -> FormErrors:
        """An error that a use case raised, at the field it is about if the form has that field.

        Raises:
            RequestRefused, JobError: the same error, where what the form is about does not exist.
        """
        if isinstance(error, ValidationError):
            return cls(_invalid_fields(error))
        status = status_of(error)
        if status == 404:
            raise error
        return cls.of_fault(fault_of(error), fields, status)

    @classmethod
    def of_fault(cls, fault: Fault, fields: Container[str] = (), status: int = 422) -> FormErrors:
        if fault.field is not None and fault.field in fields:
            return cls({fault.field: fault}, status=status)
        return cls(whole=fault, status=status)

    @classmethod
    def of_field(cls, name: str, message: str, remedy: str) -> FormErrors:
        """An error that the page itself found."""
        return cls({name: Fault(code="bad_request", field=name, message=message, remedy=remedy)})

    def __bool__(self) -> bool:
        return bool(self.by_field) or self.whole is not None

    def at(self, name: str) -> Fault | None:
        return self.by_field.get(name)


NO_ERRORS = FormErrors(status=200)


async def given_form(request: Request) -> AsyncIterator[FormData]:
    """A form's body, in either media type that browsers send; its files are closed with the request.

    A large one is read in a thread: undoing the escapes of megabytes takes a while.
    """
    is_large = len(await request.body()) > LARGE_BYTES
    form = await (run_in_threadpool(asyncio.run, _read(request)) if is_large else _read(request))
    try:
        yield form
    finally:
        await form.close()


async def _read(request: Request) -> FormData:
    """The form in a body that has arrived, so that nothing here waits."""
    return await request.form(max_fields=MOST_FIELDS, max_files=1)


GivenForm = Annotated[FormData, Depends(given_form)]


def text(form: FormData, name: str) -> str:
    """A field's text; empty where the field is missing or is a file.

    Raises:
        RequestRefused: it holds control characters other than ends of lines and tabs, which no form of ours sends.
    """
    value = form.get(name)
    if not isinstance(value, str):
        return ""
    if has_control_characters(value, lines=True):
        raise refusals.BAD_FIELD(field=name, reason="must not contain control characters")
    return value


V = TypeVar("V", bound=AnyVisitor)


def uuid_of(text: str) -> UUID | None:
    """The id that a field or an address holds, if it holds one."""
    try:
        return UUID(text)
    except ValueError:
        return None


@dataclass(frozen=True)
class PostedBy(Generic[V]):
    """A form that a visitor sent from one of our own pages."""

    visitor: V
    form: FormData

    def text(self, name: str) -> str:
        return text(self.form, name).strip()

    def texts(self, *names: str) -> dict[str, str]:
        return {name: self.text(name) for name in names}

    def id(self, name: str) -> UUID | None:
        """The id of something that a select or a button offers; `None` if there is none."""
        return uuid_of(self.text(name))

    def is_ticked(self, name: str) -> bool:
        return text(self.form, name) == "yes"


#: A form of a staff member.
Posted = PostedBy[Visitor]


def own_form(request: Request, portal: ThePortal, form: GivenForm) -> FormData:
    """A form from one of our own pages that needs no session, such as signing in.

    Raises:
        RequestRefused: it comes from another site.
    """
    require_own_page(request, portal)
    return form


def sender(request: Request, portal: ThePortal) -> Visitor | None:
    """The signed-in staff member; `None` if their session has just ended, so that what they typed is to be kept.

    Raises:
        RequestRefused: `not_signed_in`, before anything of the form is read.
    """
    found = staff_visitor(request, portal)
    if found is None and not kept_form.may_keep(portal.database, require_session(request, portal)):
        raise refusals.NOT_SIGNED_IN()
    return found


def posted(
    request: Request, portal: ThePortal, visitor: Annotated[Visitor | None, Depends(sender)], form: GivenForm
) -> PostedBy[Visitor]:
    """A form from one of our own pages, sent by the staff member for whom the page was made.

    Raises:
        RequestRefused: `csrf`, or `not_signed_in`; what was typed is kept then.
    """
    return _sent_by(request, portal, visitor, form)


def posted_by_client(
    request: Request, portal: ThePortal, visitor: TheClient, form: GivenForm
) -> PostedBy[ClientVisitor]:
    """`posted`, sent by a client."""
    return _sent_by(request, portal, visitor, form)


def posted_by_anybody(
    request: Request, portal: ThePortal, visitor: TheAnyVisitor, form: GivenForm
) -> PostedBy[AnyVisitor]:
    """`posted`, sent by whoever is signed in, about their own account."""
    return _sent_by(request, portal, visitor, form)


def _sent_by(request: Request, portal: Portal, visitor: V | None, form: FormData) -> PostedBy[V]:
    require_own_page(request, portal)
    session = require_session(request, portal)
    require_csrf_token(session, text(form, CSRF_FIELD))
    if visitor is None:
        _keep(request, portal, session, form)
        raise refusals.NOT_SIGNED_IN()
    return PostedBy(visitor, form)


def _keep(request: Request, portal: Portal, session: Session, form: FormData) -> None:
    """Keep what was typed, for the page of the form."""
    here = page_of_form(request)
    fields = [(name, value) for name, value in form.multi_items() if isinstance(value, str) and name not in UNKEPT]
    if here is not None and fields and not here.path.startswith(UNKEPT_PAGES):
        request.state.is_kept = kept_form.keep(portal.database, portal.settings, session, here.path, fields)


def kept_of(visitor: AnyVisitor) -> FormData | None:
    """What the visitor had typed on this page when their session ended, if they come back to it."""
    request, portal = visitor.request, visitor.portal
    session = session_of(request, portal)
    if session is None or request.query_params.get("said") != messages.KEPT:
        return None
    fields = kept_form.read(portal.database, portal.settings, session, request.url.path)
    return FormData([*fields]) if fields is not None else None


def posted_by_importer(found: Annotated[Posted, Depends(posted)]) -> Posted:
    """A form from a visitor who may import.

    Raises:
        RequestRefused: `not_allowed`, for the role Basic.
    """
    found.visitor.caller.require(Scope.IMPORT)
    return found


def posted_by_manager(found: Annotated[Posted, Depends(posted)]) -> Posted:
    """A form from a visitor who manages the practice.

    Raises:
        RequestRefused: `not_allowed`, unless they are an owner or account admin.
    """
    found.visitor.caller.require(Scope.MANAGE)
    return found


confirmed = confirming(posted)
confirmed_by_importer = confirming(posted_by_importer)
confirmed_by_manager = confirming(posted_by_manager)
confirmed_own = confirming(posted_by_anybody)

OwnForm = Annotated[FormData, Depends(own_form)]
ThePosted = Annotated[Posted, Depends(posted)]
ConfirmedPosted = Annotated[Posted, Depends(confirmed)]
PostedByImporter = Annotated[Posted, Depends(posted_by_importer)]
ConfirmedByImporter = Annotated[Posted, Depends(confirmed_by_importer)]
PostedByManager = Annotated[Posted, Depends(posted_by_manager)]
ConfirmedByManager = Annotated[Posted, Depends(confirmed_by_manager)]
PostedByClient = Annotated[PostedBy[ClientVisitor], Depends(posted_by_client)]
PostedByAnybody = Annotated[PostedBy[AnyVisitor], Depends(posted_by_anybody)]
ConfirmedOwnPosted = Annotated[PostedBy[AnyVisitor], Depends(confirmed_own)]


def _invalid_fields(error: ValidationError) -> dict[str, Fault]:
    found = {}
    for item in error.errors(include_url=False, include_input=False):
        is_missing, words = item["type"] == "missing", reason_of(item)
        # The message of a rule about two fields begins with the name of the one to change.
        name = str(item["loc"][0]) if item["loc"] else words.partition(" ")[0]
        message = f"The {name.replace('_', ' ')} {words.removeprefix(f'{name} ')}."
        found[name] = Fault(
            code="bad_request", field=name, message=message, remedy="Fill it in." if is_missing else "Correct it."
        )
    return found
