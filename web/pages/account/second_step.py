"""The step of a sign-in after the password: a code of the second factor, or setting one up where the firm mandates it.

These pages know the visitor by the cookie of a waiting sign-in only (`handlers.access.halfway`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from handlers import refusals
from handlers.access import sign_in_steps
from handlers.access.mfa import NextStep
from handlers.access.passkeys import Site
from handlers.access.remembered import DAYS
from handlers.access.second_factor import LONGEST_CODE
from handlers.access.sessions import Halfway, SignedIn
from handlers.errors import RequestRefused
from web.http import known_browsers
from web.http.identity import (
    clear_halfway_cookie,
    halfway_of,
    origin_of,
    remembered_name,
    session_before,
    set_cookie,
    set_halfway_cookie,
    set_remembered_cookie,
)
from web.pages.frame.forms import NO_ERRORS, FormErrors, OwnForm, text
from web.pages.frame.view import public_page, redirect
from web.pages.frame.visitor import HOME, landing
from web.portal import Portal, ThePortal

router = APIRouter()

CODE, SET_UP = "/sign-in/code", "/sign-in/set-up"
_PAGES = {NextStep.CODE: CODE, NextStep.SET_UP: SET_UP}


def lead_on(request: Request, portal: Portal, begun: SignedIn | Halfway, to: str) -> Response:
    """From the password to the next step, if there is one and the browser is not remembered, and then to the page that was
    opened."""
    if isinstance(begun, SignedIn):
        return signed_in(portal, begun, to)
    cookie = request.cookies.get(remembered_name(portal))
    if cookie is not None and begun.step is NextStep.CODE:
        known = sign_in_steps.at_remembered_browser(
            portal.database,
            portal.settings,
            begun.token,
            cookie,
            origin_of(request),
            instead_of=session_before(request, portal),
        )
        if known is not None:
            return signed_in(portal, known, to)
    answer = redirect(_PAGES[begun.step], next=to)
    set_halfway_cookie(answer, portal, begun.token)
    return answer


def signed_in(portal: Portal, begun: SignedIn, to: str, remembered: str | None = None) -> Response:
    """The end of every sign-in: its cookies, that of a browser to remember too, and the page that was opened at first."""
    answer = redirect(landing(begun.caller, to))
    _set_cookies(answer, portal, begun)
    if remembered is not None:
        set_remembered_cookie(answer, portal, remembered)
    return answer


def refused(request: Request, portal: Portal, token: str, to: str, error: RequestRefused) -> Response:
    """The form for a code again, or the way to the beginning where the sign-in waits no more."""
    if error.code == refusals.SIGN_IN_ENDED.code:
        return _to_sign_in(portal)
    return _code_page(request, portal, token, to, FormErrors.of(error, ("code",)))


@router.get(CODE)
def show_code(request: Request, portal: ThePortal, next: str = HOME) -> Response:
    """The form for a code."""
    token = halfway_of(request, portal) or ""
    return _elsewhere(request, portal, NextStep.CODE) or _code_page(request, portal, token, next)


@router.post(CODE)
def give_code(request: Request, portal: ThePortal, form: OwnForm) -> Response:
    """Sign in with a code of the app, or a recovery code, and go to the page that was opened at first."""
    to, token = text(form, "next"), halfway_of(request, portal)
    if token is None:
        return _to_sign_in(portal)
    try:
        begun, remembered = sign_in_steps.give_code(
            portal.database,
            portal.settings,
            token,
            text(form, "code")[:LONGEST_CODE],
            origin_of(request),
            remember=text(form, "remember") == "yes",
            instead_of=session_before(request, portal),
        )
    except RequestRefused as error:
        return refused(request, portal, token, to, error)
    return signed_in(portal, begun, to, remembered)


@router.get(SET_UP)
def show_set_up(request: Request, portal: ThePortal, next: str = HOME) -> Response:
    """A new QR code. It is not stored, so that nobody else who knows the password can have seen it."""
    elsewhere = _elsewhere(request, portal, NextStep.SET_UP)
    return elsewhere or _set_up_page(request, portal, next)


@router.post(SET_UP)
def set_up(request: Request, portal: ThePortal, form: OwnForm) -> Response:
    """Set the app up by its first code, sign in, and show the recovery codes."""
    to, token, sealed = text(form, "next"), halfway_of(request, portal), text(form, "sealed")
    if token is None:
        return _to_sign_in(portal)
    try:
        begun, codes = sign_in_steps.set_up(
            portal.database,
            portal.settings,
            token,
            sealed,
            text(form, "code")[:LONGEST_CODE],
            origin_of(request),
            instead_of=session_before(request, portal),
        )
    except RequestRefused as error:
        return not_set_up(request, portal, to, error, sealed=sealed if error.code == refusals.BAD_CODE.code else None)
    return is_set_up(request, portal, begun, codes, to)


def is_set_up(request: Request, portal: Portal, begun: SignedIn, codes: Sequence[str], to: str) -> Response:
    """The recovery codes of a second factor that was just set up, and the session's cookies."""
    answer = public_page(request, "account/recovery_codes.html", codes=codes, next=landing(begun.caller, to))
    _set_cookies(answer, portal, begun)
    return answer


def not_set_up(
    request: Request, portal: Portal, to: str, error: RequestRefused, *, sealed: str | None = None
) -> Response:
    """The page for setting up again, or the way to the beginning where the sign-in does not wait for that any more."""
    if error.code in (refusals.SIGN_IN_ENDED.code, refusals.SET_UP_ALREADY.code):
        return _to_sign_in(portal)
    return _set_up_page(request, portal, to, FormErrors.of(error, ("code", "name")), sealed=sealed)


def _set_cookies(answer: Response, portal: Portal, begun: SignedIn) -> None:
    set_cookie(answer, portal, begun.session)
    known_browsers.remember(answer, portal, begun.email_key)
    clear_halfway_cookie(answer, portal)


def _elsewhere(request: Request, portal: Portal, expected: NextStep) -> Response | None:
    """Where a visitor belongs who opens the page of a step that their sign-in does not wait for."""
    token = halfway_of(request, portal)
    try:
        step = sign_in_steps.waiting(portal.database, token).step if token else None
    except RequestRefused:
        step = None
    if step is expected:
        return None
    return redirect(_PAGES[step]) if step else _to_sign_in(portal)


def _to_sign_in(portal: Portal) -> Response:
    answer = redirect("/sign-in", message="sign-in")
    clear_halfway_cookie(answer, portal)
    return answer


def _code_page(request: Request, portal: Portal, token: str, to: str, errors: FormErrors = NO_ERRORS) -> Response:
    waiting = sign_in_steps.waiting(portal.database, token)
    shown: dict[str, Any] = {"next": to, "longest": LONGEST_CODE, "days": DAYS if waiting.may_remember else None}
    shown["has_app"] = waiting.has_app
    shown["has_passkeys"] = waiting.has_passkeys and Site.of(portal.settings) is not None
    return public_page(request, "account/second_step.html", errors, **shown)


def _set_up_page(
    request: Request, portal: Portal, to: str, errors: FormErrors = NO_ERRORS, *, sealed: str | None = None
) -> Response:
    token = halfway_of(request, portal)
    app = sign_in_steps.app_to_set_up(portal.database, portal.settings, token or "", sealed=sealed)
    shown: dict[str, Any] = {"app": app, "next": to, "longest": LONGEST_CODE}
    shown["may_add_passkeys"] = Site.of(portal.settings) is not None
    return public_page(request, "account/set_up_second_factor.html", errors, **shown)
