"""Reviewing a client's relationships from XPM: Import, Ignore, Link to existing (b.18 to b.26).

Each form names the version of the item that its reader saw. If two reviewers decide at once, the first decision counts
and the other reviewer gets a message.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response

from handlers import refusals
from handlers.clients import queries
from handlers.clients.queries import Details
from handlers.errors import RequestRefused
from handlers.relationships import review
from handlers.relationships.review import Chosen, Confirmed
from handlers.relationships.review_queue import Item
from portal_db.states import ClientKind, ReviewState
from web.pages.frame.forms import NO_ERRORS, FormErrors, Posted, PostedByImporter
from web.pages.frame.view import page, redirect
from web.pages.frame.visitor import TheImporter, TheVisitor, Visitor

router = APIRouter()

#: Suggestions. Digital forms understand these words for a spouse or partner (facts on the portal §3).
RELATIONSHIPS = ("Partner", "Wife", "Husband", "Son", "Daughter", "Director", "Shareholder", "Trustee", "Beneficiary")
#: The message after a decision that came too late, by the refusal's code.
LATE = {"already_reviewed": "review-late", "item_changed": "review-changed", "unknown_item": "review-late"}
#: Shows an item's window with what was typed into it, if anything was.
Window = Callable[[Visitor, Details, Item, dict[str, str], FormErrors], Response]


@router.get("/clients/{client_id}/review")
def show(visitor: TheVisitor, client_id: UUID) -> Response:
    """The items that await review."""
    details, items = _pending(visitor, client_id)
    linkable = [member for member in details.team if member.xpm_uuid is None]
    return page(visitor, "clients/review.html", client=details.entry.client, items=items, linkable=linkable)


@router.post("/clients/{client_id}/review/ignore")
def ignore(posted: PostedByImporter, client_id: UUID) -> Response:
    """Ignore the item whose button was pressed, or the ticked ones."""
    packed = [posted.text("only")] if posted.text("only") else posted.form.getlist("item")
    chosen = [each for each in (_chosen(*str(item).partition(" ")[::2]) for item in packed) if each is not None]
    if not chosen:
        return _to_queue(client_id, "review-none")
    ignored = review.ignore_items(posted.visitor.database, posted.visitor.caller, chosen)
    return _to_queue(client_id, "review-ignored" if len(ignored) == len(chosen) else "review-some-late")


@router.get("/clients/{client_id}/review/{item_id}/import")
def show_import(visitor: TheImporter, client_id: UUID, item_id: UUID) -> Response:
    """The window that confirms a name and a relationship, and takes an email address."""
    return _open(_import_window, visitor, client_id, item_id)


@router.post("/clients/{client_id}/review/{item_id}/import")
def import_item(posted: PostedByImporter, client_id: UUID, item_id: UUID) -> Response:
    """Save and import."""
    visitor, typed = posted.visitor, posted.texts("name", "relationship", "email", "as_co_owner")
    try:
        confirmed = Confirmed(
            name=_short_text(typed, "name", 500),
            relationship=_short_text(typed, "relationship", review.LONGEST_RELATIONSHIP),
            email=_short_text(typed, "email", 320),
            as_co_owner=typed["as_co_owner"] == "yes",
        )
        review.import_item(visitor.database, visitor.caller, _seen(posted, item_id), confirmed)
    except RequestRefused as refused:
        return _open(_import_window, visitor, client_id, item_id, typed, refused)
    return _to_queue(client_id, "review-imported")


@router.get("/clients/{client_id}/review/{item_id}/link")
def show_link(visitor: TheImporter, client_id: UUID, item_id: UUID) -> Response:
    """The window that chooses the team member who is the same person or entity."""
    return _open(_link_window, visitor, client_id, item_id)


@router.post("/clients/{client_id}/review/{item_id}/link")
def link_item(posted: PostedByImporter, client_id: UUID, item_id: UUID) -> Response:
    """Link to the chosen team member."""
    visitor, typed = posted.visitor, posted.texts("team_member_id")
    try:
        member_id = _uuid(typed["team_member_id"])
        if member_id is None:
            raise refusals.NO_MEMBER_CHOSEN()
        review.link_item(visitor.database, visitor.caller, _seen(posted, item_id), member_id)
    except RequestRefused as refused:
        return _open(_link_window, visitor, client_id, item_id, typed, refused)
    return _to_queue(client_id, "review-linked")


def _pending(visitor: Visitor, client_id: UUID) -> tuple[Details, list[Item]]:
    """The client, and its items that await review.

    Raises:
        RequestRefused: the client was not found, or is not visible to them.
    """
    details = queries.get_client(visitor.database, visitor.caller, client_id)
    return details, [item for item in details.relationships if item.row.state is ReviewState.PENDING]


def _open(
    window: Window,
    visitor: Visitor,
    client_id: UUID,
    item_id: UUID,
    typed: dict[str, str] | None = None,
    refused: RequestRefused | None = None,
) -> Response:
    """An item's window, with why its form was refused; the queue, if the item no longer awaits this decision."""
    if refused is not None and refused.code in LATE:
        return _to_queue(client_id, LATE[refused.code])
    details, items = _pending(visitor, client_id)
    item = next((item for item in items if item.row.id == item_id), None)
    if item is None:
        return _to_queue(client_id, "review-late")
    typed = typed or {}
    return window(visitor, details, item, typed, FormErrors.of(refused, typed) if refused else NO_ERRORS)


def _import_window(
    visitor: Visitor, details: Details, item: Item, typed: dict[str, str], errors: FormErrors
) -> Response:
    client = details.entry.client
    suggested = {
        "name": item.row.other_name[:500],
        "relationship": item.relationship,
        "email": "",
        "as_co_owner": "yes" if item.suggests_co_owner else "",
    }
    may_co_own = client.kind is ClientKind.INDIVIDUAL
    shown = {"client": client, "item": item, "relationships": RELATIONSHIPS, "may_co_own": may_co_own}
    return page(visitor, "clients/review_import.html", errors, typed=typed or suggested, **shown)


def _link_window(visitor: Visitor, details: Details, item: Item, _: dict[str, str], errors: FormErrors) -> Response:
    members = [
        (str(member.id), f"{member.name} ({member.relationship})")
        for member in details.team
        if member.xpm_uuid in (None, item.row.other_xpm_uuid)
    ]
    return page(visitor, "clients/review_link.html", errors, client=details.entry.client, item=item, members=members)


def _to_queue(client_id: UUID, message: str) -> RedirectResponse:
    return redirect(f"/clients/{client_id}/review", message=message)


def _seen(posted: Posted, item_id: UUID) -> Chosen:
    """The item in the version that the window showed; a version that is no number is nobody's."""
    return _chosen(str(item_id), posted.text("version")) or Chosen(item_id, -1)


def _chosen(item_id: str, version: str) -> Chosen | None:
    """An item and its version; `None` if they are not an id and a number."""
    found = _uuid(item_id)
    is_number = version.isascii() and version.isdecimal() and len(version) < 10
    return Chosen(found, int(version)) if found is not None and is_number else None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _short_text(typed: dict[str, str], name: str, longest: int) -> str | None:
    """A field's text; `None` if it is empty.

    Raises:
        RequestRefused: it is too long or has control characters.
    """
    if len(typed[name]) > longest or not typed[name].isprintable():
        raise refusals.TOO_LONG(field=name, max_length=longest)
    return typed[name] or None
