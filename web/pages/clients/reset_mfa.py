"""Resetting the multi-factor authentication of a client or co-owner who has lost their phone and their recovery codes."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response

from handlers.clients import client_mfa
from web.http.identity import origin_of
from web.pages.frame.forms import ConfirmedPosted
from web.pages.frame.view import redirect

router = APIRouter()


@router.post("/clients/{client_id}/second-factor/reset")
def reset(posted: ConfirmedPosted, client_id: UUID) -> Response:
    visitor = posted.visitor
    client_mfa.reset(visitor.database, visitor.caller, client_id, origin_of(visitor.request))
    return redirect(f"/clients/{client_id}", message="mfa-reset")


@router.post("/clients/{client_id}/team/{member_id}/second-factor/reset")
def reset_co_owners(posted: ConfirmedPosted, client_id: UUID, member_id: UUID) -> Response:
    visitor, origin = posted.visitor, origin_of(posted.visitor.request)
    client_mfa.reset(visitor.database, visitor.caller, client_id, origin, member_id=member_id)
    return redirect(f"/clients/{client_id}", message="mfa-reset")
