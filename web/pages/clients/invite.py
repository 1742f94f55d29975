"""Sending or resending the invitation of a client, or of a co-owner of their account. A page asks first, since an email
cannot be recalled."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response

from handlers.clients import co_owners, queries
from handlers.errors import RequestRefused
from handlers.imports import welcome_email
from portal_db.states import EmailState
from web.pages.frame.forms import NO_ERRORS, FormErrors, PostedByImporter
from web.pages.frame.view import page, redirect
from web.pages.frame.visitor import TheImporter, Visitor
from web.usage import EMAILS_TO_A_CLIENT, Use

router = APIRouter()


@router.get("/clients/{client_id}/invite")
def show_invite(visitor: TheImporter, client_id: UUID) -> Response:
    """Ask first, and say who will get the email."""
    return _form(visitor, client_id)


@router.post("/clients/{client_id}/invite")
def invite(posted: PostedByImporter, client_id: UUID) -> Response:
    """Send the invitation, once per idempotency key."""
    visitor, key = posted.visitor, posted.text("idempotency_key")
    try:
        if not welcome_email.is_repeated(visitor.database, visitor.caller, client_id, key):
            visitor.portal.uses.take(Use.WELCOME_EMAIL, visitor.caller, to=client_id)
        welcome_email.invite(visitor.database, visitor.portal.bell, visitor.caller, client_id, key)
    except RequestRefused as refused:
        return _form(visitor, client_id, FormErrors.of(refused))
    return redirect(f"/clients/{client_id}", message="invited")


@router.get("/clients/{client_id}/team/{member_id}/invite")
def show_co_owner(visitor: TheImporter, client_id: UUID, member_id: UUID) -> Response:
    """`show_invite`, for a co-owner."""
    return _co_owners_form(visitor, client_id, member_id)


@router.post("/clients/{client_id}/team/{member_id}/invite")
def invite_co_owner(posted: PostedByImporter, client_id: UUID, member_id: UUID) -> Response:
    """Send the co-owner's invitation, once per idempotency key."""
    visitor, key = posted.visitor, posted.text("idempotency_key")
    try:
        if not co_owners.is_repeated(visitor.database, visitor.caller, client_id, member_id, key):
            visitor.portal.uses.take(Use.WELCOME_EMAIL, visitor.caller, to=member_id)
        co_owners.invite(visitor.database, visitor.portal.bell, visitor.caller, client_id, member_id, key)
    except RequestRefused as refused:
        return _co_owners_form(visitor, client_id, member_id, FormErrors.of(refused))
    return redirect(f"/clients/{client_id}", message="invited")


def _form(visitor: Visitor, client_id: UUID, errors: FormErrors = NO_ERRORS) -> Response:
    client = queries.get_client(visitor.database, visitor.caller, client_id).entry.client
    letter = welcome_email.preview(visitor.database, visitor.portal.settings, visitor.caller, client_id)
    shown = {"client": client, "name": client.name, "path": f"/clients/{client_id}/invite", "letter": letter}
    return _window(visitor, errors, **shown, is_unknown=False)


def _co_owners_form(visitor: Visitor, client_id: UUID, member_id: UUID, errors: FormErrors = NO_ERRORS) -> Response:
    asked = co_owners.ask(visitor.database, visitor.portal.settings, visitor.caller, client_id, member_id)
    path, email = f"/clients/{client_id}/team/{member_id}/invite", asked.found.email
    shown = {"client": asked.client, "name": asked.found.member.name, "path": path, "letter": asked.letter}
    return _window(visitor, errors, **shown, is_unknown=email is not None and email.state is EmailState.UNKNOWN)


def _window(visitor: Visitor, errors: FormErrors, **shown: Any) -> Response:
    return page(visitor, "clients/invite.html", errors, **shown, most_a_day=EMAILS_TO_A_CLIENT.amount)
