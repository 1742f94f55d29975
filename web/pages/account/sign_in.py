"""Signing in and out, and setting a password by a link."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from handlers.access import passwords, sessions
from handlers.errors import RequestRefused
from web.http.identity import address_of, clear_cookie, session_of, set_cookie
from web.pages.frame.forms import NO_ERRORS, FormErrors, OwnForm, ThePosted, text
from web.pages.frame.view import public_page, redirect
from web.pages.frame.visitor import is_local_path, signed_in_visitor
from web.portal import ThePortal

router = APIRouter()

HOME = "/clients"


@router.get("/")
def home() -> Response:
    return redirect(HOME)


@router.get("/sign-in")
def show_sign_in(request: Request, portal: ThePortal, next: str = HOME) -> Response:
    """The sign-in page; a visitor who is signed in already goes straight on."""
    if signed_in_visitor(request, portal) is not None:
        return redirect(next if is_local_path(next) else HOME)
    return public_page(request, "account/sign_in.html", email="", next=next)


@router.post("/sign-in")
def sign_in(request: Request, portal: ThePortal, form: OwnForm) -> Response:
    """Sign in, and go to the page that was opened at first."""
    email, before, to = text(form, "email"), session_of(request, portal), text(form, "next")
    try:
        session, _ = sessions.sign_in(
            portal.database,
            portal.tries,
            email[:320],
            text(form, "password")[: passwords.LONGEST],
            address=address_of(request),
            instead_of=before.token if before else None,
        )
    except RequestRefused as refused:
        return public_page(request, "account/sign_in.html", FormErrors.of(refused), email=email, next=to)
    answer = redirect(to if is_local_path(to) else HOME)
    set_cookie(answer, portal, session)
    return answer


@router.post("/sign-out")
def sign_out(request: Request, portal: ThePortal, _: ThePosted) -> Response:
    """Sign out and end the session."""
    session = session_of(request, portal)
    if session is not None:
        sessions.sign_out(portal.database, session)
    answer = redirect("/sign-in", message="signed-out")
    clear_cookie(answer, portal)
    return answer


@router.get("/set-password")
def show_set_password(request: Request) -> Response:
    """The page behind a link to set a password. The link's secret follows its #, so browsers do not send it here."""
    return _set_password_page(request)


@router.post("/set-password")
def set_password(request: Request, portal: ThePortal, form: OwnForm) -> Response:
    """Set the password; every session of that login ends."""
    token, password = text(form, "token").strip(), text(form, "password")
    if password != text(form, "password_again"):
        errors = FormErrors.of_field("password_again", "The passwords don't match.", "Type the new password again.")
        return _set_password_page(request, token, errors)
    try:
        passwords.set_by_link(portal.database, token, password)
    except RequestRefused as refused:
        return _set_password_page(request, token, FormErrors.of(refused, ("token", "password")))
    return redirect("/sign-in", message="password-set")


def _set_password_page(request: Request, token: str = "", errors: FormErrors = NO_ERRORS) -> Response:
    shown: dict[str, Any] = {"token": token, "shortest": passwords.SHORTEST, "longest": passwords.LONGEST}
    return public_page(request, "account/set_password.html", errors, **shown)
