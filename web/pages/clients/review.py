"""Reviewing what XPM says about a client's relationships: Import, Ignore, Link to existing (b.18 to b.26).

Each form names the version of the item that its reader saw; of two reviewers one wins, and the other is told kindly.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from handlers import refusals
from handlers.clients import queries
from handlers.clients.queries import Details
from handlers.errors import RequestRefused
from handlers.relationships import review
from handlers.relationships.review import Chosen, Confirmed
from handlers.relationships.review_queue import Item
from portal_db.states import ClientKind, ReviewState
from web.http.problems import fault_of, status_of
from web.pages.frame.forms import NONE, Faults, Posted, PostedByImporter
from web.pages.frame.view import go, page
from web.pages.frame.visitor import TheImporter, TheVisitor, Visitor
from web.portal import Portal, ThePortal

router = APIRouter()

#: Words for a spouse or partner, for whom digital forms know what to do (facts on the portal §3).
RELATIONSHIPS = ("Partner", "Wife", "Husband", "Son", "Daughter", "Director", "Shareholder", "Trustee", "Beneficiary")
#: What becomes of a decision that came too late, by the refusal's code.
LATE = {"already_reviewed": "review-late", "item_changed": "review-changed", "unknown_item": "review-late"}


@router.get("/clients/{client_id}/review")
def show(request: Request, portal: ThePortal, visitor: TheVisitor, client_id: UUID) -> Response:
    """The items that wait."""
    found, items = _found(portal, visitor, client_id)
    linkable = [member for member in found.team if member.xpm_uuid is None]
    return page(request, visitor, "clients/review.html", client=found.entry.client, items=items, linkable=linkable, faults=NONE)


@router.post("/clients/{client_id}/review/ignore")
def ignore(portal: ThePortal, posted: PostedByImporter, client_id: UUID) -> Response:
    """Ignore the one item whose button was pressed, or those that are ticked."""
    packed = [posted.text("only")] if posted.text("only") else posted.form.getlist("item")
    chosen = [each for each in map(_unpacked, packed) if each is not None]
    if not chosen:
        return _to_queue(client_id, "review-none")
    ignored = review.ignore_items(portal.database, posted.visitor.caller, chosen)
    return _to_queue(client_id, "review-ignored" if len(ignored) == len(chosen) else "review-some-late")


@router.get("/clients/{client_id}/review/{item_id}/import")
def show_import(request: Request, portal: ThePortal, visitor: TheImporter, client_id: UUID, item_id: UUID) -> Response:
    """The window that confirms a name and a relationship, and takes an email."""
    found, items = _found(portal, visitor, client_id)
    item = _item(items, item_id)
    if item is None:
        return _to_queue(client_id, "review-late")
    typed = {
        "name": item.row.other_name[:500],
        "relationship": item.relationship,
        "email": "",
        "as_co_owner": "yes" if item.suggests_co_owner else "",
    }
    return _import_window(request, visitor, found, item, typed)


@router.post("/clients/{client_id}/review/{item_id}/import")
def import_item(
    request: Request, portal: ThePortal, posted: PostedByImporter, client_id: UUID, item_id: UUID
) -> Response:
    """Save and import."""
    typed = {name: posted.text(name) for name in ("name", "relationship", "email", "as_co_owner")}
    try:
        given = Confirmed(
            name=_fits(typed["name"], 500, "name"),
            relationship=_fits(typed["relationship"], review.LONGEST_RELATIONSHIP, "relationship"),
            email=_fits(typed["email"], 320, "email"),
            as_co_owner=typed["as_co_owner"] == "yes",
        )
        review.import_item(portal.database, posted.visitor.caller, _chosen(posted, item_id), given)
    except RequestRefused as refused:
        if refused.code in LATE:
            return _to_queue(client_id, LATE[refused.code])
        found, items = _found(portal, posted.visitor, client_id)
        item = _item(items, item_id)
        if item is None:
            return _to_queue(client_id, "review-late")
        faults = Faults.of(fault_of(refused), typed)
        return _import_window(request, posted.visitor, found, item, typed, faults, status_of(refused))
    return _to_queue(client_id, "review-imported")


@router.get("/clients/{client_id}/review/{item_id}/link")
def show_link(request: Request, portal: ThePortal, visitor: TheImporter, client_id: UUID, item_id: UUID) -> Response:
    """The window that chooses the team member whom XPM tells of."""
    found, items = _found(portal, visitor, client_id)
    item = _item(items, item_id)
    return _to_queue(client_id, "review-late") if item is None else _link_window(request, visitor, found, item)


@router.post("/clients/{client_id}/review/{item_id}/link")
def link_item(
    request: Request, portal: ThePortal, posted: PostedByImporter, client_id: UUID, item_id: UUID
) -> Response:
    """Link to the chosen one."""
    try:
        member_id = _uuid(posted.text("team_member_id"))
        if member_id is None:
            raise refusals.NO_MEMBER_CHOSEN()
        review.link_item(portal.database, posted.visitor.caller, _chosen(posted, item_id), member_id)
    except RequestRefused as refused:
        if refused.code in LATE:
            return _to_queue(client_id, LATE[refused.code])
        found, items = _found(portal, posted.visitor, client_id)
        item = _item(items, item_id)
        if item is None:
            return _to_queue(client_id, "review-late")
        faults = Faults.of(fault_of(refused), {"team_member_id": ""})
        return _link_window(request, posted.visitor, found, item, faults, status_of(refused))
    return _to_queue(client_id, "review-linked")


def _found(portal: Portal, visitor: Visitor, client_id: UUID) -> tuple[Details, list[Item]]:
    """The client, and its items that wait.

    Raises:
        RequestRefused: there is no such client for them.
    """
    found = queries.details(portal.database, visitor.caller, client_id)
    return found, [item for item in found.relationships if item.row.state is ReviewState.PENDING]


def _item(items: Sequence[Item], item_id: UUID) -> Item | None:
    return next((item for item in items if item.row.id == item_id), None)


def _import_window(
    request: Request,
    visitor: Visitor,
    found: Details,
    item: Item,
    typed: dict[str, str],
    faults: Faults = NONE,
    status: int = 200,
) -> Response:
    client = found.entry.client
    return page(
        request,
        visitor,
        "clients/review_import.html",
        status=status,
        client=client,
        item=item,
        typed=typed,
        faults=faults,
        relationships=RELATIONSHIPS,
        may_co_own=client.kind is ClientKind.INDIVIDUAL,
    )


def _link_window(
    request: Request, visitor: Visitor, found: Details, item: Item, faults: Faults = NONE, status: int = 200
) -> Response:
    members = [
        (str(member.id), f"{member.name} ({member.relationship})")
        for member in found.team
        if member.xpm_uuid in (None, item.row.other_xpm_uuid)
    ]
    return page(
        request,
        visitor,
        "clients/review_link.html",
        status=status,
        client=found.entry.client,
        item=item,
        members=members,
        faults=faults,
    )


def _to_queue(client_id: UUID, say: str) -> RedirectResponse:
    return go(f"/clients/{client_id}/review", say=say)


def _chosen(posted: Posted, item_id: UUID) -> Chosen:
    version = posted.text("version")
    return Chosen(item_id, int(version) if version.isascii() and version.isdecimal() and len(version) < 10 else -1)


def _unpacked(packed: object) -> Chosen | None:
    """An item and its version, as a tick box carries them."""
    item_id, _, version = str(packed).partition(" ")
    found = _uuid(item_id)
    is_number = version.isascii() and version.isdecimal() and len(version) < 10
    return Chosen(found, int(version)) if found is not None and is_number else None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _fits(text: str, longest: int, name: str) -> str | None:
    """What was typed; nothing is nothing.

    Raises:
        RequestRefused: it is too long, or holds what no name does.
    """
    if len(text) > longest or not text.isprintable():
        raise refusals.TOO_LONG(field=name, longest=longest)
    return text or None
