"""The page that asks somebody to prove again who they are, before an act that gives lasting power (step-up)."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from handlers.access import confirmation, mfa, password_rules
from handlers.access.passkeys import Site
from handlers.errors import RequestRefused
from web.hashing import hashes_passwords
from web.http.identity import origin_of, require_session
from web.pages.frame.forms import NO_ERRORS, FormErrors, PostedByAnybody, text
from web.pages.frame.view import page, redirect
from web.pages.frame.visitor import HOME, AnyVisitor, TheAnyVisitor, landing
from web.portal import ThePortal

router = APIRouter()

PATH = "/confirm"


@router.get(PATH)
def show(visitor: TheAnyVisitor, next: str = HOME) -> Response:
    return confirm_page(visitor, next)


@router.post(PATH)
@hashes_passwords
def confirm(request: Request, portal: ThePortal, posted: PostedByAnybody) -> Response:
    """Confirm, and go back to where the act is."""
    visitor, to = posted.visitor, posted.text("next")
    given = password_rules.as_typed(text(posted.form, "given"))
    try:
        confirmation.confirm(
            portal.database,
            portal.settings,
            portal.tries,
            visitor.caller,
            require_session(request, portal),
            given,
            origin=origin_of(request),
        )
    except RequestRefused as refused:
        return confirm_page(visitor, to, FormErrors.of(refused))
    return redirect(landing(visitor.caller, to))


def confirm_page(visitor: AnyVisitor, to: str, errors: FormErrors = NO_ERRORS) -> Response:
    """The page that asks, and from there back to `to`."""
    own = mfa.own(visitor.database, visitor.caller)
    has_passkeys = own.has_passkeys and Site.of(visitor.portal.settings) is not None
    shown = {"own": own, "has_passkeys": has_passkeys, "next": to, "longest": password_rules.LONGEST}
    return page(visitor, "account/confirm.html", errors, **shown)
