"""The inbox: everything that needs a person, each with its act."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from handlers.access.act import Act
from handlers.access.operator_roles import OpsAct
from handlers.directory.accept_missing import accept_as_gone
from handlers.errors import RequestRefused
from handlers.imports import welcome_email
from handlers.operations import malformed
from web.console.operator import AtConsole, OpsPosted, TheOperator, posted
from web.console.view import page, redirect
from web.console.words import errors_of
from web.pages.frame.forms import NO_ERRORS, FormErrors

router = APIRouter()

DecideEmail = Annotated[OpsPosted, Depends(posted(OpsAct.DECIDE_EMAIL))]


@router.get("/inbox")
def show_inbox(operator: TheOperator) -> Response:
    return _inbox_page(operator)


@router.post("/emails/{email_id}/delivered")
def mark_delivered(form: DecideEmail, email_id: UUID) -> Response:
    """Count an email of unknown outcome as sent."""
    database = form.operator.database
    return _done(form, lambda act: welcome_email.mark_delivered(database, act, email_id), "email-delivered")


@router.post("/emails/{email_id}/resend")
def resend(form: DecideEmail, email_id: UUID) -> Response:
    """Send one more email."""
    return _done(form, lambda act: welcome_email.resend(form.operator.database, act, email_id), "email-resent")


@router.post("/directories/{directory_id}/accept")
def accept(form: Annotated[OpsPosted, Depends(posted(OpsAct.ACCEPT_MISSING))], directory_id: UUID) -> Response:
    """Accept that records are gone: as many as were shown."""
    database, count = form.operator.database, form.count("count")
    return _done(form, lambda act: accept_as_gone(database, act, directory_id, count=count), "accepted-missing")


@router.post("/messages/{message_id}/reveal")
def reveal(form: Annotated[OpsPosted, Depends(posted(OpsAct.REVEAL))], message_id: UUID) -> Response:
    """What a message that could not be read holds, once."""
    operator = form.operator
    try:
        text = malformed.reveal(operator.database, operator.services.settings, form.act(), message_id)
    except RequestRefused as refused:
        return _inbox_page(operator, errors_of(refused))
    return _inbox_page(operator, revealed=(message_id, text))


@router.post("/messages/{message_id}/forget")
def forget(form: Annotated[OpsPosted, Depends(posted(OpsAct.FORGET_MESSAGE))], message_id: UUID) -> Response:
    """Delete a message that somebody has dealt with."""
    return _done(form, lambda act: malformed.forget(form.operator.database, act, message_id), "forgotten")


def _done(form: OpsPosted, do: Callable[[Act], object], message: str) -> Response:
    try:
        do(form.act())
    except RequestRefused as refused:
        return _inbox_page(form.operator, errors_of(refused))
    return redirect("/inbox", message=message)


def _inbox_page(
    operator: AtConsole, errors: FormErrors = NO_ERRORS, *, revealed: tuple[UUID, str] | None = None
) -> Response:
    return page(operator, "console/inbox.html", errors, found=operator.seen(operator.console.inbox), revealed=revealed)
