"""The page behind the welcome email's link: the client sets a password and accepts the terms of use."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from handlers.access import activation, password_rules
from handlers.errors import RequestRefused
from web.hashing import hashes_passwords
from web.pages.frame.forms import NO_ERRORS, FormErrors, OwnForm, text
from web.pages.frame.view import public_page
from web.portal import Portal, ThePortal

router = APIRouter()

#: Longer than any token.
LONGEST_TOKEN = 200


@router.get("/activate/{token}")
def show_activation(request: Request, portal: ThePortal, token: str) -> Response:
    """The form, or why the link does not work. Opening the page does not use the link up."""
    return _form(request, portal, token)


@router.post("/activate/{token}")
@hashes_passwords
def activate(request: Request, portal: ThePortal, form: OwnForm, token: str) -> Response:
    """Activate the account. A link works once."""
    password = text(form, "password")
    if password != text(form, "password_again"):
        errors = FormErrors.of_field("password_again", "The passwords don't match.", "Type the password again.")
        return _form(request, portal, token, errors)
    accepts = text(form, "accept_terms") == "yes"
    try:
        activation.activate(portal.database, token[:LONGEST_TOKEN], password, accepts_terms=accepts)
    except RequestRefused as refused:
        return _form(request, portal, token, FormErrors.of(refused, ("password", "accept_terms")))
    return public_page(request, "account/activated.html")


def _form(request: Request, portal: Portal, token: str, errors: FormErrors = NO_ERRORS) -> Response:
    link = activation.look(portal.database, token[:LONGEST_TOKEN])
    shown: dict[str, Any] = {
        "link": link,
        "action": f"/activate/{token}",
        "shortest": password_rules.SHORTEST,
        "longest": password_rules.LONGEST,
    }
    return public_page(request, "account/activate.html", errors, **shown)
