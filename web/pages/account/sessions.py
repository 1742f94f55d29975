"""Account > Sessions: where the visitor is signed in, and ending that."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from handlers.access import sessions
from web.http.identity import origin_of, require_session
from web.pages.frame.forms import ConfirmedOwnPosted
from web.pages.frame.view import page, redirect
from web.pages.frame.visitor import TheAnyVisitor

router = APIRouter()

PATH = "/account/sessions"


@router.get(PATH)
def show(visitor: TheAnyVisitor, request: Request) -> Response:
    found = sessions.listing(visitor.database, visitor.caller, require_session(request, visitor.portal))
    return page(visitor, "account/sessions.html", sessions=found)


@router.post(f"{PATH}/others/end")
def end_others(posted: ConfirmedOwnPosted, request: Request) -> Response:
    """Sign the visitor out everywhere else."""
    visitor = posted.visitor
    sessions.end_others(visitor.database, visitor.caller, require_session(request, visitor.portal), origin_of(request))
    return redirect(PATH, message="sessions-ended")


@router.post(f"{PATH}/{{session_id}}/end")
def end_one(posted: ConfirmedOwnPosted, request: Request, session_id: UUID) -> Response:
    """End one session; of the visitor's own, the next page is the one to sign in."""
    sessions.end_one(posted.visitor.database, posted.visitor.caller, session_id, origin_of(request))
    return redirect(PATH, message="session-ended")
