"""Admin Settings > Security: multi-factor authentication, mandatory for all staff and clients."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from handlers.access import practices
from web.http.problems import Fault
from web.pages.frame.forms import NONE, Faults, ThePosted
from web.pages.frame.view import go, page
from web.pages.frame.visitor import TheVisitor, Visitor
from web.portal import ThePortal

router = APIRouter()

PATH = "/admin/security"


@router.get(PATH)
def show(request: Request, visitor: TheVisitor) -> Response:
    return _page(request, visitor, NONE)


@router.post(f"{PATH}/mfa")
def mandate(request: Request, portal: ThePortal, posted: ThePosted) -> Response:
    """Mandate MFA, once its consequence is confirmed."""
    if not posted.is_ticked("confirm"):
        fault = Fault(
            code="not_confirmed",
            field="confirm",
            message="Confirm that MFA becomes mandatory for everybody.",
            remedy="Tick the box.",
        )
        return _page(request, posted.visitor, Faults.of(fault), status=422)
    practices.mandate_mfa(portal.database, posted.visitor.caller)
    return go("/configure/integrations", say="mfa-mandated")


def _page(request: Request, visitor: Visitor, faults: Faults, *, status: int = 200) -> Response:
    return page(request, visitor, "settings/security.html", status=status, faults=faults)
