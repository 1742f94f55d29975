"""Admin settings > Firm, for owners and account admins: name, time zone, look, and what business structures mean.

The logo is for anybody who has its address: it stands in emails and on clients' pages.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from starlette.datastructures import UploadFile

from handlers import refusals
from handlers.access import firm
from handlers.directory import structures
from handlers.errors import RequestRefused
from portal_db.states import ClientKind, EntityType
from web.http import static_files
from web.pages.frame.forms import NO_ERRORS, FormErrors, Posted, PostedByManager
from web.pages.frame.view import page, redirect
from web.pages.frame.visitor import TheManager, Visitor
from web.portal import ThePortal

router = APIRouter()

PATH = "/admin/firm"
#: Bytes of the form with the logo.
MOST_BODY = firm.MOST_BYTES + 64 * 1024
INDIVIDUAL = "individual"


@router.get(PATH)
def show(visitor: TheManager) -> Response:
    return _page(visitor)


@router.post(f"{PATH}/basics")
def set_basics(posted: PostedByManager) -> Response:
    typed = posted.texts("name", "time_zone")
    try:
        firm.set_basics(posted.visitor.database, posted.visitor.caller, **typed)
    except RequestRefused as refused:
        return _page(posted.visitor, FormErrors.of(refused, typed), typed)
    return redirect(PATH, message="saved")


@router.post(f"{PATH}/look", max_body_size=MOST_BODY)
def set_look(posted: PostedByManager) -> Response:
    typed = posted.texts("colour", "welcome_text")
    try:
        firm.set_look(
            posted.visitor.database,
            posted.visitor.caller,
            **typed,
            logo=_file(posted, "logo"),
            remove_logo=posted.is_ticked("remove_logo"),
        )
    except RequestRefused as refused:
        return _page(posted.visitor, FormErrors.of(refused, ("colour", "welcome_text", "logo")), typed)
    return redirect(PATH, message="saved")


@router.post(f"{PATH}/structures")
def explain(posted: PostedByManager) -> Response:
    """Set what a business structure means: an individual, or a type of entity."""
    caller, typed = posted.visitor.caller, posted.texts("structure", "meaning")
    kind = ClientKind.INDIVIDUAL if typed["meaning"] == INDIVIDUAL else ClientKind.ENTITY
    try:
        entity_type = _entity_type(typed["meaning"]) if kind is ClientKind.ENTITY else None
        structures.explain(
            posted.visitor.database, caller.practice_id, typed["structure"], kind, entity_type, by=caller.staff_id
        )
    except RequestRefused as refused:
        return _page(posted.visitor, FormErrors.of(refused, typed), typed)
    return redirect(PATH, message="structure-set")


@router.post(f"{PATH}/structures/removal")
def forget(posted: PostedByManager) -> Response:
    """Let a business structure follow the general rules again."""
    caller = posted.visitor.caller
    try:
        structures.forget(posted.visitor.database, caller.practice_id, posted.text("structure"), by=caller.staff_id)
    except RequestRefused as refused:
        return _page(posted.visitor, FormErrors.of(refused))
    return redirect(PATH, message="structure-set")


@router.get("/brand/{practice_id}/{digest}/logo", include_in_schema=False)
def read_logo(portal: ThePortal, practice_id: UUID, digest: str) -> Response:
    found = firm.logo(portal.database, practice_id, digest)
    if found is None:
        raise refusals.UNKNOWN_FILE()
    return Response(
        found[0], media_type=found[1], headers=static_files.HEADERS | {"Cross-Origin-Resource-Policy": "cross-origin"}
    )


@router.get("/brand/{colour}.css", include_in_schema=False)
def read_colour(colour: str) -> Response:
    """The style sheet of a colour, whoever's it is: the bar of clients' pages has it, in light and in dark."""
    if not firm.is_colour(f"#{colour}"):
        raise refusals.UNKNOWN_FILE()
    ink = firm.ink_on(f"#{colour}")
    hover = f"color-mix(in srgb, #{colour} 85%, {ink})"
    rules = f":root {{ --bar: #{colour}; --bar-ink: {ink}; --bar-soft: {ink}; --bar-hover: {hover}; }}\n"
    return Response(rules, media_type="text/css", headers=static_files.HEADERS)


def _page(visitor: Visitor, errors: FormErrors = NO_ERRORS, typed: dict[str, str] | None = None) -> Response:
    practice, look = visitor.xpm.practice, firm.read_look(visitor.database, visitor.caller.practice_id)
    values: dict[str, Any] = {
        "name": practice.name,
        "time_zone": practice.time_zone,
        "colour": look.colour or "",
        "welcome_text": look.welcome_text or "",
        "structure": "",
        "meaning": EntityType.OTHER.value,
    }
    return page(
        visitor,
        "settings/firm.html",
        errors,
        typed=values | (typed or {}),
        look=look,
        zones=[(zone, zone.replace("_", " ")) for zone in firm.time_zones()],
        structures=structures.listing(visitor.database, visitor.caller.practice_id),
        meanings=[(INDIVIDUAL, "Individual"), *((each.value, each.value) for each in EntityType)],
        most_words=firm.MOST_WORDS,
        kilobytes=firm.MOST_BYTES // 1024,
    )


def _file(posted: Posted, name: str) -> bytes:
    """An uploaded file; empty where none was chosen."""
    found = posted.form.get(name)
    return found.file.read() if isinstance(found, UploadFile) else b""


def _entity_type(text: str) -> EntityType:
    try:
        return EntityType(text)
    except ValueError:
        raise refusals.BAD_FIELD(field="meaning", reason="is not known here") from None
