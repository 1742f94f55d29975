"""Passkeys: a member's own are added and removed, and one completes a sign-in in place of a code.

`passkey.js` asks for a challenge at the address that ends in `options` and sends the form with the device's answer.
"""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from handlers import refusals
from handlers.access import own_passkeys, passkeys, sign_in_steps
from handlers.access.passkeys import Site
from handlers.errors import RequestRefused
from web.http.identity import halfway_of, origin_of, session_before
from web.pages.account import second_step
from web.pages.frame.forms import ConfirmedOwnPosted, OwnForm, text
from web.pages.frame.view import redirect
from web.portal import Portal, ThePortal

router = APIRouter()

PATH, OWN = "/account/passkeys", "/account/second-factor"
SIGN_IN = "/sign-in/passkey"


@router.post(f"{PATH}/options")
def begin_adding(portal: ThePortal, posted: ConfirmedOwnPosted) -> Response:
    return _json(own_passkeys.begin_adding(portal.database, _site(portal), posted.visitor.caller))


@router.post(PATH)
def add(request: Request, portal: ThePortal, posted: ConfirmedOwnPosted) -> Response:
    """Add the passkey that the device made."""
    answer = posted.text("answer")[: passkeys.LONGEST]
    name, caller = posted.text("name"), posted.visitor.caller
    own_passkeys.add(portal.database, _site(portal), caller, name, answer, origin_of(request))
    return redirect(OWN, message="passkey-added")


@router.post(f"{PATH}/{{passkey_id}}/remove")
def remove(request: Request, portal: ThePortal, posted: ConfirmedOwnPosted, passkey_id: UUID) -> Response:
    own_passkeys.remove(portal.database, posted.visitor.caller, passkey_id, origin_of(request))
    return redirect(OWN, message="passkey-removed")


@router.post(f"{SIGN_IN}/options")
def begin_using(request: Request, portal: ThePortal, _: OwnForm) -> Response:
    token = halfway_of(request, portal) or ""
    return _json(sign_in_steps.begin_passkey(portal.database, _site(portal), token))


@router.post(SIGN_IN)
def use(request: Request, portal: ThePortal, form: OwnForm) -> Response:
    """Sign in with a passkey, and go to the page that was opened at first."""
    to, token = text(form, "next"), halfway_of(request, portal) or ""
    try:
        begun, remembered = sign_in_steps.give_passkey(
            portal.database,
            portal.settings,
            _site(portal),
            token,
            text(form, "answer")[: passkeys.LONGEST],
            origin_of(request),
            remember=text(form, "remember") == "yes",
            instead_of=session_before(request, portal),
        )
    except RequestRefused as refused:
        return second_step.refused(request, portal, token, to, refused)
    return second_step.signed_in(portal, begun, to, remembered)


def _site(portal: Portal) -> Site:
    site = Site.of(portal.settings)
    if site is None:
        raise refusals.NO_PASSKEYS_HERE()
    return site


def _json(options: str) -> Response:
    return Response(options, media_type="application/json")
