"""The page that the welcome email leads to: the client sets a password, accepts the terms, and has an account."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from handlers.access import activation, passwords
from handlers.errors import RequestRefused
from web.http.problems import Fault, fault_of, status_of
from web.pages.frame.forms import NONE, Faults, OwnForm, text
from web.pages.frame.view import page
from web.portal import Portal, ThePortal

router = APIRouter()

#: Longer than any token; what is longer is none.
LONGEST_TOKEN = 200


@router.get("/activate/{token}")
def show_activation(request: Request, portal: ThePortal, token: str) -> Response:
    """What the link is good for. Looking uses nothing up."""
    return _shown(request, portal, token)


@router.post("/activate/{token}")
def activate(request: Request, portal: ThePortal, form: OwnForm, token: str) -> Response:
    """Activate the account. The link is good for once."""
    password = text(form, "password")
    if password != text(form, "password_again"):
        fault = Fault(code="bad_password", field="password_again", message="The two passwords are not the same.",
                      remedy="Type the password again.")  # fmt: skip
        return _shown(request, portal, token, Faults.of(fault), 422)
    accepts = text(form, "accept_terms") == "yes"
    try:
        activation.activate(portal.database, token[:LONGEST_TOKEN], password, accepts_terms=accepts)
    except RequestRefused as refused:
        faults = Faults.of(fault_of(refused), {"password": "", "accept_terms": ""})
        return _shown(request, portal, token, faults, status_of(refused))
    return page(request, None, "account/activated.html")


def _shown(request: Request, portal: Portal, token: str, faults: Faults = NONE, status: int = 200) -> Response:
    link = activation.look(portal.database, token[:LONGEST_TOKEN])
    lengths = {"shortest": passwords.SHORTEST, "longest": passwords.LONGEST}
    return page(
        request, None, "account/activate.html", status=status, link=link, action=f"/activate/{token}", faults=faults, **lengths
    )
