"""The page behind the welcome email's link: the client sets a password, accepts the terms of use and is signed in."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.datastructures import FormData

from handlers.access import activation, password_rules, sessions
from handlers.errors import RequestRefused
from web.hashing import hashes_passwords
from web.http.identity import origin_of, session_before
from web.pages.account import second_step
from web.pages.frame.forms import NO_ERRORS, FormErrors, OwnForm, text, uuid_of
from web.pages.frame.view import public_page
from web.pages.frame.visitor import CLIENT_HOME
from web.portal import Portal, ThePortal

router = APIRouter()

#: Longer than any token.
LONGEST_TOKEN = 200
#: Where it leads, once the second factor is set up if the practice mandates one.
WELCOME = f"{CLIENT_HOME}?said=account-active"


@router.get("/activate")
def open_link(request: Request) -> Response:
    """The page behind the link. Its secret follows the #, so browsers do not send it here; the page sends it in a form."""
    return public_page(request, "account/open_activation.html")


@router.post("/activate")
@hashes_passwords
def activate(request: Request, portal: ThePortal, form: OwnForm) -> Response:
    """Show the form of a link, or why the link does not work; and activate the account. A link works once."""
    token = text(form, "token").strip()
    return _activated(request, portal, form, token) if "password" in form else _form(request, portal, token)


@router.get("/activate/{token}")
def open_earlier_link(request: Request, portal: ThePortal, token: str) -> Response:
    """The page behind a link that an earlier release sent: such links work for their 30 days."""
    return _form(request, portal, token)


@router.post("/activate/{token}")
@hashes_passwords
def activate_by_earlier_page(request: Request, portal: ThePortal, form: OwnForm, token: str) -> Response:
    """The form of a page that an earlier release made, which runs beside this one during a deploy."""
    return _activated(request, portal, form, token)


def _activated(request: Request, portal: Portal, form: FormData, token: str) -> Response:
    password = text(form, "password")
    if password != text(form, "password_again"):
        errors = FormErrors.of_field("password_again", "The passwords don't match.", "Type the password again.")
        return _form(request, portal, token, errors)
    accepts, terms_id = text(form, "accept_terms") == "yes", uuid_of(text(form, "terms_id"))
    try:
        login_id = activation.activate(
            portal.database, token[:LONGEST_TOKEN], password, accepts_terms=accepts, terms_id=terms_id
        )
    except RequestRefused as refused:
        return _form(request, portal, token, FormErrors.of(refused, ("password", "accept_terms")))
    begun = sessions.begin_after_activation(
        portal.database, login_id, origin_of(request), instead_of=session_before(request, portal)
    )
    return second_step.lead_on(request, portal, begun, WELCOME)


def _form(request: Request, portal: Portal, token: str, errors: FormErrors = NO_ERRORS) -> Response:
    link = activation.look(portal.database, token[:LONGEST_TOKEN])
    shown: dict[str, Any] = {
        "link": link,
        "token": token,
        "shortest": password_rules.SHORTEST,
        "longest": password_rules.LONGEST,
    }
    return public_page(request, "account/activate.html", errors, **shown)
