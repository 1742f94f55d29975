"""Signing in and out."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from handlers.access import password_rules, sessions
from handlers.access.tries import Attempt
from handlers.errors import RequestRefused
from web.hashing import hashes_passwords
from web.http import known_browsers
from web.http.identity import clear_cookie, origin_of, session_before, session_of
from web.pages.account import second_step
from web.pages.frame.forms import FormErrors, OwnForm, PostedByAnybody, text
from web.pages.frame.view import public_page, redirect
from web.pages.frame.visitor import HOME, landing, signed_in_visitor
from web.portal import ThePortal

router = APIRouter()


@router.get("/")
def home(request: Request, portal: ThePortal) -> Response:
    found = signed_in_visitor(request, portal)
    return redirect(found.home if found is not None else HOME)


@router.get("/sign-in")
def show_sign_in(request: Request, portal: ThePortal, next: str = HOME) -> Response:
    """The sign-in page; a visitor who is signed in already goes straight on."""
    found = signed_in_visitor(request, portal)
    if found is not None:
        return redirect(landing(found.caller, next))
    return public_page(request, "account/sign_in.html", email="", next=next)


@router.post("/sign-in")
@hashes_passwords
def sign_in(request: Request, portal: ThePortal, form: OwnForm) -> Response:
    """Sign in, and go to the page that was opened at first."""
    email, to = text(form, "email"), text(form, "next")
    email_key = sessions.key_of(email[:320])
    attempt = Attempt(email_key, origin_of(request), known_browsers.browser_of(request, portal, email_key))
    try:
        begun = sessions.sign_in(
            portal.database,
            portal.tries,
            attempt,
            password_rules.as_typed(text(form, "password")),
            instead_of=session_before(request, portal),
        )
    except RequestRefused as refused:
        return public_page(request, "account/sign_in.html", FormErrors.of(refused), email=email, next=to)
    return second_step.lead_on(request, portal, begun, to)


@router.post("/sign-out")
def sign_out(request: Request, portal: ThePortal, _: PostedByAnybody) -> Response:
    """Sign out and end the session."""
    session = session_of(request, portal)
    if session is not None:
        sessions.sign_out(portal.database, session, origin_of(request))
    answer = redirect("/sign-in", message="signed-out")
    clear_cookie(answer, portal)
    return answer
