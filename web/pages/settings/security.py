"""Admin settings > Security: multi-factor authentication, mandatory for all staff and clients, and remembered browsers."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from handlers.access import members_mfa, practices
from handlers.access.remembered import DAYS
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
    return redirect(PATH, message="saved")


def _page(visitor: Visitor, errors: FormErrors = NO_ERRORS) -> Response:
    return page(visitor, "settings/security.html", errors, days=DAYS)
