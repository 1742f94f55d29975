"""Unlinking one team member from its XPM record, which undoes a wrong link while the client stays connected."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response

from handlers import refusals
from handlers.clients import queries
from handlers.errors import RequestRefused
from handlers.relationships import undo
from web.pages.clients.review_queue import to_queue
from web.pages.frame.forms import PostedByImporter
from web.pages.frame.view import page, redirect
from web.pages.frame.visitor import TheImporter

router = APIRouter()


@router.get("/clients/{client_id}/team/{member_id}/unlink")
def show(visitor: TheImporter, client_id: UUID, member_id: UUID) -> Response:
    """Ask first, and say what unlinking does."""
    details = queries.get_client(visitor.database, visitor.caller, client_id)
    member = next((member for member in details.team if member.id == member_id), None)
    if member is None:
        raise refusals.UNKNOWN_MEMBER()
    if member.xpm_uuid is None:
        return redirect(f"/clients/{client_id}")
    return page(visitor, "clients/unlink_member.html", client=details.entry.client, member=member)


@router.post("/clients/{client_id}/team/{member_id}/unlink")
def unlink(posted: PostedByImporter, client_id: UUID, member_id: UUID) -> Response:
    """Unlink. Sent twice, the second finds it done."""
    try:
        undo.unlink_member(posted.visitor.database, posted.visitor.caller, client_id, member_id)
    except RequestRefused as refused:
        if refused.code != "not_linked":
            raise
    return to_queue(client_id, "member-unlinked")
