"""Signing in and out, and setting a password by a link."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from handlers.access import passwords, sessions
from handlers.errors import RequestRefused
from web.http.identity import address_of, give_cookie, session_of, take_cookie
from web.http.problems import Fault, fault_of, status_of
from web.pages.frame.forms import NONE, Faults, OwnForm, ThePosted, text
from web.pages.frame.view import go, page
from web.pages.frame.visitor import is_ours, recognised
from web.portal import ThePortal

router = APIRouter()

HOME = "/clients"


@router.get("/")
def home() -> Response:
    return go(HOME)


@router.get("/sign-in")
def show_sign_in(request: Request, portal: ThePortal, next: str = HOME) -> Response:
    """The sign-in page; who is signed in goes on."""
    if recognised(request, portal) is not None:
        return go(next if is_ours(next) else HOME)
    return page(request, None, "account/sign_in.html", faults=NONE, email="", next=next)


@router.post("/sign-in")
def sign_in(request: Request, portal: ThePortal, form: OwnForm) -> Response:
    """Sign in, and go on to the page that was asked for."""
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
        faults = Faults(whole=fault_of(refused))
        return page(request, None, "account/sign_in.html", status=status_of(refused), faults=faults, email=email, next=to)
    answer = go(to if is_ours(to) else HOME)
    give_cookie(answer, portal, session)
    return answer


@router.post("/sign-out")
def sign_out(request: Request, portal: ThePortal, _: ThePosted) -> Response:
    """Sign out; the session ends for good."""
    session = session_of(request, portal)
    if session is not None:
        sessions.sign_out(portal.database, session)
    answer = go("/sign-in", say="signed-out")
    take_cookie(answer, portal)
    return answer


@router.get("/set-password")
def show_set_password(request: Request) -> Response:
    """The page behind a link to set a password. The link's secret stands after its #, so it is not sent here."""
    return _set_password_page(request, NONE)


@router.post("/set-password")
def set_password(request: Request, portal: ThePortal, form: OwnForm) -> Response:
    """Set the password; every session of that login ends."""
    token, password = text(form, "token").strip(), text(form, "password")
    if password != text(form, "password_again"):
        fault = Fault(code="bad_password", field="password_again", message="The two passwords are not the same.",
                      remedy="Type the new password again.")  # fmt: skip
        return _set_password_page(request, Faults.of(fault), token=token, status=422)
    try:
        passwords.set_by_link(portal.database, token, password)
    except RequestRefused as refused:
        return _set_password_page(request, Faults.of(fault_of(refused)), token=token, status=status_of(refused))
    return go("/sign-in", say="password-set")


def _set_password_page(request: Request, faults: Faults, *, token: str = "", status: int = 200) -> Response:
    lengths = {"shortest": passwords.SHORTEST, "longest": passwords.LONGEST}
    return page(request, None, "account/set_password.html", status=status, faults=faults, token=token, **lengths)
