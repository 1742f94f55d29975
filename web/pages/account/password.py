"""Passwords: forgotten, set by a link, and changed while signed in."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, BackgroundTasks, Request
from fastapi.responses import Response

from handlers.access import password_rules, passwords
from handlers.errors import RequestRefused
from web.hashing import hashes_passwords
from web.http import known_browsers
from web.http.forgotten import request_link
from web.http.identity import origin_of, require_session
from web.pages.frame.forms import NO_ERRORS, FormErrors, OwnForm, PostedByAnybody, text
from web.pages.frame.view import page, public_page, redirect
from web.pages.frame.visitor import AnyVisitor, TheAnyVisitor
from web.portal import ThePortal

router = APIRouter()

LENGTHS = {"shortest": password_rules.SHORTEST, "longest": password_rules.LONGEST}
PATH = "/account/password"


@router.get("/forgotten-password")
def show_forgotten(request: Request) -> Response:
    return public_page(request, "account/forgotten_password.html", email="")


@router.post("/forgotten-password")
def forgotten(request: Request, portal: ThePortal, form: OwnForm, after: BackgroundTasks) -> Response:
    """Say that an email is on its way if somebody signs in with this address, and only then look whether anybody does."""
    email = text(form, "email")
    try:
        request_link(request, portal, email[:320], after)
    except RequestRefused as refused:
        return public_page(request, "account/forgotten_password.html", FormErrors.of(refused), email=email)
    return redirect("/sign-in", message="reset-requested")


@router.get("/set-password")
def show_set_password(request: Request) -> Response:
    """The page behind a link to set a password. The link's secret follows its #, so browsers do not send it here."""
    return _set_password_page(request)


@router.post("/set-password")
@hashes_passwords
def set_password(request: Request, portal: ThePortal, form: OwnForm) -> Response:
    """Set the password; every session of that login ends."""
    token, password = text(form, "token").strip(), text(form, "password")
    if password != text(form, "password_again"):
        return _set_password_page(request, token, _differs())
    try:
        email_key = passwords.set_by_link(portal.database, token, password, origin_of(request))
    except RequestRefused as refused:
        return _set_password_page(request, token, FormErrors.of(refused, ("token", "password")))
    answer = redirect("/sign-in", message="password-set")
    known_browsers.remember(answer, portal, email_key)
    return answer


@router.get(PATH)
def show_change(visitor: TheAnyVisitor) -> Response:
    return _change_page(visitor)


@router.post(PATH)
@hashes_passwords
def change(request: Request, portal: ThePortal, posted: PostedByAnybody) -> Response:
    """Change the visitor's own password; their other sessions end."""
    visitor, session = posted.visitor, require_session(request, portal)
    old, new = text(posted.form, "old_password"), text(posted.form, "password")
    if new != text(posted.form, "password_again"):
        return _change_page(visitor, _differs())
    try:
        passwords.change(
            portal.database,
            portal.tries,
            visitor.caller,
            session.token,
            password_rules.as_typed(old),
            new,
            origin=origin_of(request),
        )
    except RequestRefused as refused:
        return _change_page(visitor, FormErrors.of(refused, ("old_password", "password")))
    return redirect(PATH, message="password-changed")


def _differs() -> FormErrors:
    return FormErrors.of_field("password_again", "The passwords don't match.", "Type the new password again.")


def _set_password_page(request: Request, token: str = "", errors: FormErrors = NO_ERRORS) -> Response:
    shown: dict[str, Any] = {"token": token, **LENGTHS}
    return public_page(request, "account/set_password.html", errors, **shown)


def _change_page(visitor: AnyVisitor, errors: FormErrors = NO_ERRORS) -> Response:
    return page(visitor, "account/change_password.html", errors, **LENGTHS)
