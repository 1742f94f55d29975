"""Admin settings > Security: multi-factor authentication, mandatory for all staff and clients, and the members' own."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response

from handlers.access import members_mfa, practices
from handlers.access.remembered import DAYS
from handlers.errors import RequestRefused
from web.http.identity import origin_of
from web.pages.frame.forms import NO_ERRORS, ConfirmedPosted, FormErrors
from web.pages.frame.view import page, redirect
from web.pages.frame.visitor import TheVisitor, Visitor

router = APIRouter()

PATH = "/admin/security"


@router.get(PATH)
def show(visitor: TheVisitor) -> Response:
    return _page(visitor)


@router.post(f"{PATH}/mfa")
def require_mfa(posted: ConfirmedPosted) -> Response:
    """Make MFA mandatory, once the consequence is confirmed."""
    if not posted.is_ticked("confirm"):
        errors = FormErrors.of_field("confirm", "Confirm that MFA will be required for everyone.", "Tick the box.")
        return _page(posted.visitor, errors)
    practices.mandate_mfa(posted.visitor.database, posted.visitor.caller)
    return redirect("/configure/integrations", message="mfa-mandated")


@router.post(f"{PATH}/browsers")
def set_remembering(posted: ConfirmedPosted) -> Response:
    """Allow or forbid that members have a browser remembered."""
    members_mfa.set_remembering(posted.visitor.database, posted.visitor.caller, posted.is_ticked("remember"))
    return redirect(PATH, message="remembering-set")


@router.post(f"{PATH}/members/{{staff_id}}/reset")
def reset(posted: ConfirmedPosted, staff_id: UUID) -> Response:
    """Take away a colleague's second factor, because they lost it."""
    try:
        members_mfa.reset(posted.visitor.database, posted.visitor.caller, staff_id, origin_of(posted.visitor.request))
    except RequestRefused as refused:
        return _page(posted.visitor, FormErrors.of(refused))
    return redirect(PATH, message="mfa-reset")


def _page(visitor: Visitor, errors: FormErrors = NO_ERRORS) -> Response:
    may_manage = visitor.caller.role.may_manage
    members = members_mfa.members(visitor.database, visitor.caller) if may_manage else ()
    return page(visitor, "settings/security.html", errors, members=members, days=DAYS)
