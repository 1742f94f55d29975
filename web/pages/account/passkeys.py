"""Passkeys: a member's own are added and removed; one sets the second factor up, completes a sign-in, or confirms who acts,
in place of a code.

`passkey.js` asks for a challenge at the address that ends in `options` and sends the form with the device's answer.
"""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.datastructures import FormData

from handlers import refusals
from handlers.access import confirmation, own_passkeys, passkeys, sign_in_steps
from handlers.access.passkeys import Site
from handlers.errors import RequestRefused
from web.http.identity import halfway_of, origin_of, require_session, session_before
from web.pages.account import confirm, second_factor, second_step
from web.pages.frame.forms import ConfirmedOwnPosted, FormErrors, OwnForm, PostedByAnybody, text
from web.pages.frame.view import redirect
from web.pages.frame.visitor import landing
from web.portal import Portal, ThePortal

router = APIRouter()

PATH, OWN = "/account/passkeys", "/account/second-factor"
SIGN_IN, SET_UP, CONFIRM = "/sign-in/passkey", "/sign-in/set-up/passkey", "/confirm/passkey"


@router.post(f"{PATH}/options")
def begin_adding(portal: ThePortal, posted: ConfirmedOwnPosted) -> Response:
    return _json(own_passkeys.begin_adding(portal.database, _site(portal), posted.visitor.caller))


@router.post(PATH)
def add(request: Request, portal: ThePortal, posted: ConfirmedOwnPosted) -> Response:
    """Add the passkey that the device made. If it is the first second factor, show the recovery codes."""
    name, caller = posted.text("name"), posted.visitor.caller
    codes = own_passkeys.add(portal.database, _site(portal), caller, name, _answer(posted.form), origin_of(request))
    return second_factor.own_page(posted.visitor, codes=codes) if codes else redirect(OWN, message="passkey-added")


@router.post(f"{PATH}/{{passkey_id}}/remove")
def remove(request: Request, portal: ThePortal, posted: ConfirmedOwnPosted, passkey_id: UUID) -> Response:
    try:
        own_passkeys.remove(portal.database, posted.visitor.caller, passkey_id, origin_of(request))
    except RequestRefused as refused:
        return second_factor.own_page(posted.visitor, FormErrors.of(refused))
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
            _answer(form),
            origin_of(request),
            remember=text(form, "remember") == "yes",
            instead_of=session_before(request, portal),
        )
    except RequestRefused as refused:
        return second_step.refused(request, portal, token, to, refused)
    return second_step.signed_in(portal, begun, to, remembered)


@router.post(f"{SET_UP}/options")
def begin_setting_up(request: Request, portal: ThePortal, _: OwnForm) -> Response:
    token = halfway_of(request, portal) or ""
    return _json(sign_in_steps.begin_passkey_set_up(portal.database, _site(portal), token))


@router.post(SET_UP)
def set_up(request: Request, portal: ThePortal, form: OwnForm) -> Response:
    """Set the second factor up by a passkey, sign in, and show the recovery codes."""
    to, token = text(form, "next"), halfway_of(request, portal) or ""
    try:
        begun, codes = sign_in_steps.set_up_passkey(
            portal.database,
            _site(portal),
            token,
            text(form, "name"),
            _answer(form),
            origin_of(request),
            instead_of=session_before(request, portal),
        )
    except RequestRefused as refused:
        return second_step.not_set_up(request, portal, to, refused)
    return second_step.is_set_up(request, portal, begun, codes, to)


@router.post(f"{CONFIRM}/options")
def begin_confirming(portal: ThePortal, posted: PostedByAnybody) -> Response:
    return _json(confirmation.begin_passkey(portal.database, _site(portal), posted.visitor.caller))


@router.post(CONFIRM)
def confirm_by_passkey(request: Request, portal: ThePortal, posted: PostedByAnybody) -> Response:
    """Confirm, and go back to where the act is."""
    visitor, to = posted.visitor, posted.text("next")
    session, origin = require_session(request, portal), origin_of(request)
    try:
        confirmation.confirm_by_passkey(
            portal.database, _site(portal), visitor.caller, session, _answer(posted.form), origin=origin
        )
    except RequestRefused as refused:
        return confirm.confirm_page(visitor, to, FormErrors.of(refused))
    return redirect(landing(visitor.caller, to))


def _answer(form: FormData) -> str:
    return text(form, "answer").strip()[: passkeys.LONGEST]


def _site(portal: Portal) -> Site:
    site = Site.of(portal.settings)
    if site is None:
        raise refusals.NO_PASSKEYS_HERE()
    return site


def _json(options: str) -> Response:
    return Response(options, media_type="application/json")
