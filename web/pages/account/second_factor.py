"""A signed-in member's own second factor: set up, new recovery codes, turned off where the firm does not mandate it."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter
from fastapi.responses import Response

from handlers import refusals
from handlers.access import mfa, own_passkeys
from handlers.access.passkeys import Site
from handlers.access.second_factor import LONGEST_CODE
from handlers.errors import RequestRefused
from web.http.identity import origin_of
from web.pages.frame.forms import NO_ERRORS, ConfirmedOwnPosted, FormErrors
from web.pages.frame.view import page, redirect
from web.pages.frame.visitor import AnyVisitor, ConfirmedVisitor

router = APIRouter()

PATH = "/account/second-factor"


@router.get(PATH)
def show(visitor: ConfirmedVisitor) -> Response:
    """How it stands, and a new QR code for an app, or for another one."""
    return own_page(visitor)


@router.post(f"{PATH}/set-up")
def set_up(posted: ConfirmedOwnPosted) -> Response:
    """Set the app up by its first code, and show the recovery codes."""
    visitor, sealed = posted.visitor, posted.text("sealed")
    try:
        code = posted.text("code")[:LONGEST_CODE]
        codes = mfa.set_up_own(
            visitor.database, visitor.portal.settings, visitor.caller, sealed, code, origin_of(visitor.request)
        )
    except RequestRefused as refused:
        shown = sealed if refused.code == refusals.BAD_CODE.code else None
        return own_page(visitor, FormErrors.of(refused, ("code",)), sealed=shown)
    return own_page(visitor, codes=codes)


@router.post(f"{PATH}/recovery-codes")
def renew_recovery_codes(posted: ConfirmedOwnPosted) -> Response:
    visitor = posted.visitor
    origin = origin_of(visitor.request)
    return own_page(visitor, codes=mfa.renew_recovery_codes(visitor.database, visitor.caller, origin))


@router.post(f"{PATH}/off")
def turn_off(posted: ConfirmedOwnPosted) -> Response:
    visitor = posted.visitor
    try:
        mfa.turn_off(visitor.database, visitor.caller, origin_of(visitor.request))
    except RequestRefused as refused:
        return own_page(visitor, FormErrors.of(refused))
    return redirect(PATH, message="mfa-off")


@router.post(f"{PATH}/browsers")
def forget_browsers(posted: ConfirmedOwnPosted) -> Response:
    mfa.forget_browsers(posted.visitor.database, posted.visitor.caller)
    return redirect(PATH, message="browsers-forgotten")


def own_page(
    visitor: AnyVisitor, errors: FormErrors = NO_ERRORS, *, codes: Sequence[str] = (), sealed: str | None = None
) -> Response:
    """The page of a member's own second factor; `codes` are recovery codes that were just made."""
    own = mfa.own(visitor.database, visitor.caller)
    settings = visitor.portal.settings
    app = mfa.own_app(visitor.database, settings, visitor.caller, sealed=sealed)
    return page(
        visitor,
        "account/second_factor.html",
        errors,
        own=own,
        app=app,
        codes=codes,
        longest=LONGEST_CODE,
        passkeys=own_passkeys.listing(visitor.database, visitor.caller),
        may_add_passkeys=Site.of(settings) is not None,
    )
