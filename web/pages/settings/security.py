"""Admin settings > Security: multi-factor authentication, mandatory for all staff and clients."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from handlers.access import practices
from web.pages.frame.forms import FormErrors, ThePosted
from web.pages.frame.view import page, redirect
from web.pages.frame.visitor import TheVisitor

router = APIRouter()

PATH = "/admin/security"


@router.get(PATH)
def show(visitor: TheVisitor) -> Response:
    return page(visitor, "settings/security.html")


@router.post(f"{PATH}/mfa")
def require_mfa(posted: ThePosted) -> Response:
    """Make MFA mandatory, once the consequence is confirmed."""
    if not posted.is_ticked("confirm"):
        errors = FormErrors.of_field("confirm", "Confirm that MFA will be required for everyone.", "Tick the box.")
        return page(posted.visitor, "settings/security.html", errors)
    practices.mandate_mfa(posted.visitor.database, posted.visitor.caller)
    return redirect("/configure/integrations", message="mfa-mandated")
