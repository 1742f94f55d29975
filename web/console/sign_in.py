"""Signing in at the console: password, then the second factor, which is set up first where there is none."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from handlers.access import halfway, operators, password_rules, passwords, sessions
from handlers.access.tries import Attempt
from handlers.errors import RequestRefused
from web.console import operator as console_operator
from web.console.console import Console, TheConsole
from web.console.operator import OpsPosted, Words, at_console, cookie_name, halfway_cookie, posted
from web.console.view import public_page, redirect
from web.hashing import hashes_passwords
from web.http.identity import origin_of
from web.pages.frame.forms import NO_ERRORS, FormErrors, OwnForm, text
from web.pages.frame.visitor import is_local_path

router = APIRouter()

LONGEST_TOKEN = 200


@router.get("/sign-in")
def show_sign_in(request: Request, console: TheConsole, next: Words = "/") -> Response:
    if at_console(request, console) is not None:
        return redirect(next if is_local_path(next) else "/")
    return public_page(request, "console/sign_in.html", email="", next=next)


@router.post("/sign-in")
@hashes_passwords
def sign_in(request: Request, portal: TheConsole, form: OwnForm) -> Response:
    """The password; then the second factor is asked for."""
    email, to = text(form, "email"), text(form, "next")
    try:
        attempt = Attempt(sessions.key_of(email[:320]), origin_of(request))
        token = operators.sign_in(
            portal.database, portal.tries, attempt, password_rules.as_typed(text(form, "password"))
        )
    except RequestRefused as refused:
        return public_page(request, "console/sign_in.html", FormErrors.of(refused), email=email, next=to)
    answer = redirect("/sign-in/code", next=to if is_local_path(to) else "/")
    console_operator.set_cookie(answer, portal, halfway_cookie(portal), token, halfway.SECONDS)
    return answer


@router.get("/sign-in/code")
def show_code(request: Request, console: TheConsole, next: Words = "/") -> Response:
    """Asks for a code, or sets an authenticator app up."""
    return _code_page(request, console, next)


@router.post("/sign-in/code")
def enter_code(request: Request, console: TheConsole, form: OwnForm) -> Response:
    """The second factor; then the session begins."""
    to, sealed, code, token = text(form, "next"), text(form, "sealed"), text(form, "code"), _token(request, console)
    settings, codes = console.settings, None
    try:
        if sealed:
            session, codes = operators.set_up_and_complete(console.database, settings, token, sealed, code)
        else:
            session = operators.complete(console.database, settings, token, code)
    except RequestRefused as refused:
        return _code_page(request, console, to, FormErrors.of(refused, ("code",)), sealed)
    to = to if is_local_path(to) else "/"
    answer = public_page(request, "console/recovery_codes.html", codes=codes, next=to) if codes else redirect(to)
    console_operator.set_cookie(answer, console, cookie_name(console), session.token, operators.SECONDS)
    console_operator.clear_cookie(answer, console, halfway_cookie(console))
    return answer


def _code_page(
    request: Request, console: Console, to: str, errors: FormErrors = NO_ERRORS, sealed: str = ""
) -> Response:
    try:
        app = operators.app_to_set_up(
            console.database, console.settings, _token(request, console), sealed=sealed or None
        )
    except RequestRefused as refused:
        return public_page(request, "console/sign_in.html", FormErrors.of(refused), email="", next=to)
    return public_page(request, "console/code.html", errors, next=to, app=app)


def _token(request: Request, console: Console) -> str:
    return request.cookies.get(halfway_cookie(console), "")[:LONGEST_TOKEN]


@router.post("/sign-out")
def sign_out(console: TheConsole, form: Annotated[OpsPosted, Depends(posted())]) -> Response:
    """End the session."""
    operators.sign_out(console.database, form.operator.session)
    answer = redirect("/sign-in", message="signed-out")
    console_operator.clear_cookie(answer, console, cookie_name(console))
    return answer


@router.get("/set-password")
def show_set_password(request: Request) -> Response:
    """The page behind a link to set a password. The link's secret follows its #, so browsers do not send it here."""
    return public_page(request, "console/set_password.html", token="", **_lengths())


@router.post("/set-password")
@hashes_passwords
def set_password(request: Request, portal: TheConsole, form: OwnForm) -> Response:
    """Set the password; every session of that login ends."""
    token, password = text(form, "token").strip()[:LONGEST_TOKEN], text(form, "password")
    errors = NO_ERRORS
    if password != text(form, "password_again"):
        errors = FormErrors.of_field("password_again", "The passwords don't match.", "Type the new password again.")
    else:
        try:
            passwords.set_by_link(portal.database, token, password, origin_of(request))
        except RequestRefused as refused:
            errors = FormErrors.of(refused, ("token", "password"))
    if errors:
        return public_page(request, "console/set_password.html", errors, token=token, **_lengths())
    return redirect("/sign-in", message="password-set")


def _lengths() -> dict[str, Any]:
    return {"shortest": password_rules.SHORTEST, "longest": password_rules.LONGEST}
