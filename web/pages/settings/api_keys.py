"""Admin settings > API keys, for owners and account admins."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response

from handlers import refusals
from handlers.access import api_keys, staff
from handlers.access.api_keys import MadeKey
from handlers.access.caller import Scope
from handlers.errors import RequestRefused
from web.pages.frame.forms import NO_ERRORS, ConfirmedByManager, FormErrors, Posted, PostedByManager
from web.pages.frame.view import page, redirect
from web.pages.frame.visitor import ConfirmedManager, TheManager, Visitor
from web.usage import Use

router = APIRouter()

PATH = "/admin/api-keys"
BLANK = {"name": "", "days": "365"}
#: What each scope allows, as it is chosen.
SCOPES = {
    Scope.READ: "Read clients, imports and the integration",
    Scope.IMPORT: "Request imports, and work with clients",
    Scope.MANAGE: "Manage API keys and webhooks: as powerful as an owner",
}


@router.get(PATH)
def show_keys(visitor: TheManager) -> Response:
    """The practice's keys, those that have ended too."""
    return _list(visitor)


@router.get(f"{PATH}/new")
def show_new(visitor: ConfirmedManager) -> Response:
    return _form(visitor, BLANK, {Scope.READ})


@router.post(f"{PATH}/new")
def add(posted: ConfirmedByManager) -> Response:
    """Make a key, and show it once."""
    visitor, typed = posted.visitor, posted.texts("name", "days")
    scopes = {scope for scope in Scope if posted.is_ticked(scope.value)}
    try:
        visitor.portal.uses.take(Use.API_KEY, visitor.caller)
        made = api_keys.add(
            visitor.database,
            visitor.caller.practice_id,
            typed["name"],
            scopes,
            days=_days(posted),
            by=visitor.caller.staff_id,
        )
    except RequestRefused as refused:
        return _form(visitor, typed, scopes, FormErrors.of(refused, BLANK))
    return _shown_once(visitor, made)


@router.post(f"{PATH}/{{key_id}}/rotation")
def rotate(posted: ConfirmedByManager, key_id: UUID) -> Response:
    """Replace a key, and show the new one once."""
    visitor = posted.visitor
    try:
        visitor.portal.uses.take(Use.API_KEY, visitor.caller)
        made = api_keys.rotate(
            visitor.database, key_id, practice_id=visitor.caller.practice_id, by=visitor.caller.staff_id
        )
    except RequestRefused as refused:
        return _list(visitor, FormErrors.of(refused))
    return _shown_once(visitor, made)


@router.post(f"{PATH}/{{key_id}}/revocation")
def revoke(posted: PostedByManager, key_id: UUID) -> Response:
    caller = posted.visitor.caller
    api_keys.revoke(posted.visitor.database, key_id, practice_id=caller.practice_id, by=caller.staff_id)
    return redirect(PATH, message="key-revoked")


def _list(visitor: Visitor, errors: FormErrors = NO_ERRORS) -> Response:
    now = visitor.services.sources.now()
    keys = api_keys.listing(visitor.database, visitor.caller.practice_id)
    return page(
        visitor,
        "settings/api_keys.html",
        errors,
        live=[(key, api_keys.is_ending(key, now)) for key in keys if key.ends_at is None or key.ends_at > now],
        ended=[key for key in keys if key.ends_at is not None and key.ends_at <= now],
        names=staff.names(visitor.database, visitor.caller),
    )


def _form(visitor: Visitor, typed: dict[str, str], ticked: set[Scope], errors: FormErrors = NO_ERRORS) -> Response:
    return page(visitor, "settings/api_key_new.html", errors, typed=typed, ticked=ticked, scopes=SCOPES)


def _shown_once(visitor: Visitor, made: MadeKey) -> Response:
    words: dict[str, Any] = {"what": "API key", "use": "Programs send it with each call.", "back": PATH}
    return page(visitor, "settings/secret.html", secret=made.secret, **words)


def _days(posted: Posted) -> int | None:
    """The days that somebody typed; without any, the key does not end by itself."""
    text = posted.text("days")
    if text and not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise refusals.BAD_FIELD(field="days", reason="must be a number")
    return int(text) if text else None
