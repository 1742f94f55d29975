"""Sending or resending a client's welcome email. A page asks first, since an email cannot be recalled."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response

from handlers.clients import queries
from handlers.errors import RequestRefused
from handlers.imports import welcome_email
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
        visitor.portal.uses.take(Use.WELCOME_EMAIL, visitor.caller, client_id=client_id)
        welcome_email.invite(visitor.database, visitor.portal.bell, visitor.caller, client_id, key)
    except RequestRefused as refused:
        return _form(visitor, client_id, FormErrors.of(refused))
    return redirect(f"/clients/{client_id}", message="invited")


def _form(visitor: Visitor, client_id: UUID, errors: FormErrors = NO_ERRORS) -> Response:
    entry = queries.get_client(visitor.database, visitor.caller, client_id).entry
    letter = welcome_email.preview(visitor.database, visitor.portal.settings, visitor.caller, client_id)
    shown = {"entry": entry, "client": entry.client, "letter": letter, "most_a_day": EMAILS_TO_A_CLIENT.amount}
    return page(visitor, "clients/invite.html", errors, **shown)
