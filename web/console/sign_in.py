"""Signing in at the console: password, then the second factor, which is set up first where there is none."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from handlers import refusals
from handlers.access import halfway, operators, password_rules, passwords, sessions, single_sign_on
from handlers.access.tries import Attempt
from handlers.errors import RequestRefused
from handlers.fields import Text
from web.console import operator as console_operator
from web.console.console import Console, TheConsole
from web.console.operator import OpsPosted, Words, at_console, cookie_name, halfway_cookie, posted, sign_on_cookie
from web.console.view import public_page, redirect
from web.hashing import hashes_passwords
from web.http.identity import origin_of
from web.pages.frame.forms import NO_ERRORS, FormErrors, OwnForm, text
from web.pages.frame.visitor import is_local_path

router = APIRouter()

LONGEST_TOKEN = 200
#: What comes back from an OpenID provider: a code, our state, or its error.
Code = Annotated[Text, Query(max_length=2000)]


@router.get("/sign-in")
def show_sign_in(request: Request, console: TheConsole, next: Words = "/") -> Response:
    if at_console(request, console) is not None:
        return redirect(next if is_local_path(next) else "/")
    return _sign_in_page(request, console, to=next)


@router.post("/sign-in")
@hashes_passwords
def sign_in(request: Request, portal: TheConsole, form: OwnForm) -> Response:
    """The password; then the second factor is asked for."""
    email, to = text(form, "email"), text(form, "next")
    try:
        attempt = Attempt(sessions.key_of(email[:320]), origin_of(request), at_console=True)
        token = operators.sign_in(
            portal.database, portal.tries, attempt, password_rules.as_typed(text(form, "password"))
        )
    except RequestRefused as refused:
        return _sign_in_page(request, portal, FormErrors.of(refused), to, email)
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
        return _sign_in_page(request, console, FormErrors.of(refused), to)
    return public_page(request, "console/code.html", errors, next=to, app=app)


def _token(request: Request, console: Console) -> str:
    return request.cookies.get(halfway_cookie(console), "")[:LONGEST_TOKEN]


@router.get("/sign-in/sso")
def begin_single_sign_on(request: Request, console: TheConsole, next: Words = "/", confirm: bool = False) -> Response:
    """To the organisation's provider, to sign in or to confirm that it is still the same person."""
    provider = console.single_sign_on
    if provider is None:
        return redirect("/sign-in")
    try:
        to, kept = provider.begin(next if is_local_path(next) else "/", is_confirmation=confirm)
    except RequestRefused as refused:
        return _sign_in_page(request, console, FormErrors.of(refused), next)
    answer = redirect(to)
    console_operator.set_cookie(answer, console, sign_on_cookie(console), kept, single_sign_on.SECONDS)
    return answer


@router.get("/sign-in/sso/back")
def come_back(request: Request, console: TheConsole, code: Code = "", state: Code = "", error: Code = "") -> Response:
    """From the provider. Strict cookies are not sent with a request that another site began, so this page, of our own, goes
    on by itself."""
    if error or not code:
        refused = refusals.SIGN_ON_REFUSED(reason=single_sign_on.known_word(error))
        return _sign_in_page(request, console, FormErrors.of(refused))
    return public_page(request, "console/sign_on_back.html", to=urlencode({"code": code, "state": state}))


@router.get("/sign-in/sso/finish")
def finish_single_sign_on(request: Request, console: TheConsole, code: Code = "", state: Code = "") -> Response:
    """Begin the session of whom the provider vouches for, or note that they confirmed."""
    provider, kept = console.single_sign_on, request.cookies.get(sign_on_cookie(console), "")
    if provider is None:
        return redirect("/sign-in")
    try:
        identity = provider.finish(kept, state=state, code=code)
        answer: Response = redirect(identity.begun.next)
        if identity.begun.is_confirmation:
            found = at_console(request, console)
            if found is None:
                raise refusals.NOT_SIGNED_IN()
            operators.confirm_by_provider(console.database, found.session, found.caller, identity)
        else:
            session = operators.sign_in_by_provider(console.database, identity)
            console_operator.set_cookie(answer, console, cookie_name(console), session.token, operators.SECONDS)
    except RequestRefused as refused:
        answer = _sign_in_page(request, console, FormErrors.of(refused))
    console_operator.clear_cookie(answer, console, sign_on_cookie(console))
    return answer


def _sign_in_page(
    request: Request, console: Console, errors: FormErrors = NO_ERRORS, to: str = "/", email: str = ""
) -> Response:
    has_single_sign_on = console.single_sign_on is not None
    return public_page(
        request, "console/sign_in.html", errors, email=email, next=to, has_single_sign_on=has_single_sign_on
    )


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
