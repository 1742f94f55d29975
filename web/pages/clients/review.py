"""The windows of a review item: Import and Link to existing (b.18 to b.26). The queues are in `review_queue.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import RedirectResponse, Response

from config.folding import fold_name
from handlers import refusals
from handlers.clients import queries
from handlers.clients.queries import Details
from handlers.errors import RequestRefused
from handlers.fields import Text
from handlers.relationships import review
from handlers.relationships.review import Chosen, Confirmed
from handlers.relationships.review_queue import Party, by_party
from portal_db.states import ClientKind
from web.pages.clients.review_queue import chosen, to_queue, too_late
from web.pages.frame.forms import NO_ERRORS, FormErrors, Posted, PostedByImporter, uuid_of
from web.pages.frame.view import page
from web.pages.frame.visitor import TheImporter, Visitor

router = APIRouter()

#: Suggestions. Digital forms understand these words for a spouse or partner (facts on the portal §3).
RELATIONSHIPS = ("Partner", "Wife", "Husband", "Son", "Daughter", "Director", "Shareholder", "Trustee", "Beneficiary")
#: Refusals of a decision that came too late.
LATE = frozenset({"already_reviewed", "item_changed", "item_superseded", "unknown_item"})
#: Shows an item's window with what was typed into it, if anything was.
Window = Callable[[Visitor, Details, Party, dict[str, str], FormErrors], Response]
#: Which queue a window was opened from, and the item that comes next there.
Origin = Annotated[Literal["", "all"], Query(alias="from")]
Following = Annotated[Text, Query(alias="next", max_length=40)]


@router.get("/clients/{client_id}/review/{item_id}/import")
def show_import(
    visitor: TheImporter, client_id: UUID, item_id: UUID, origin: Origin = "", following: Following = ""
) -> Response:
    """The window that confirms a name and a relationship, and takes an email address."""
    return _open(_import_window, visitor, client_id, item_id, {"from": origin, "next": following})


@router.post("/clients/{client_id}/review/{item_id}/import")
def import_item(posted: PostedByImporter, client_id: UUID, item_id: UUID) -> Response:
    """Save and import."""
    visitor, typed = posted.visitor, posted.texts("name", "relationship", "email", "as_co_owner", "from", "next")
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
    also = review.import_items(visitor.database, visitor.caller, _also(posted))
    return _back(posted, client_id, "review-imported", {item_id, *also})


@router.get("/clients/{client_id}/review/{item_id}/link")
def show_link(
    visitor: TheImporter,
    client_id: UUID,
    item_id: UUID,
    origin: Origin = "",
    following: Following = "",
    team_member_id: Annotated[Text, Query(max_length=40)] = "",
) -> Response:
    """The window that chooses the team member who is the same person or entity."""
    typed = {"from": origin, "next": following, "team_member_id": team_member_id}
    return _open(_link_window, visitor, client_id, item_id, typed)


@router.post("/clients/{client_id}/review/{item_id}/link")
def link_item(posted: PostedByImporter, client_id: UUID, item_id: UUID) -> Response:
    """Link to the chosen team member."""
    visitor, typed = posted.visitor, posted.texts("team_member_id", "from", "next")
    try:
        member_id = uuid_of(typed["team_member_id"])
        if member_id is None:
            raise refusals.NO_MEMBER_CHOSEN()
        review.link_item(visitor.database, visitor.caller, _seen(posted, item_id), member_id)
    except RequestRefused as refused:
        return _open(_link_window, visitor, client_id, item_id, typed, refused)
    also = review.import_items(visitor.database, visitor.caller, _also(posted))
    return _back(posted, client_id, "review-linked", {item_id, *also})


def _open(
    window: Window,
    visitor: Visitor,
    client_id: UUID,
    item_id: UUID,
    typed: dict[str, str],
    refused: RequestRefused | None = None,
) -> Response:
    """An item's window, with why its form was refused; the queue, if the item no longer awaits this decision."""
    if refused is not None and refused.code in LATE:
        return too_late(visitor, client_id, item_id)
    details = queries.get_client(visitor.database, visitor.caller, client_id)
    parties = by_party(item for item in details.relationships if item.is_pending)
    party = next((party for party in parties if any(item.row.id == item_id for item in party.items)), None)
    if party is None:
        return too_late(visitor, client_id, item_id)
    party = replace(party, items=sorted(party.items, key=lambda item: item.row.id != item_id))
    return window(visitor, details, party, typed, FormErrors.of(refused, typed) if refused else NO_ERRORS)


def _import_window(
    visitor: Visitor, details: Details, party: Party, typed: dict[str, str], errors: FormErrors
) -> Response:
    item = party.first
    suggested = {
        "name": item.row.other_name[:500],
        "relationship": item.suggested_relationship,
        "email": (item.email or "") if item.suggests_co_owner else "",
        "as_co_owner": "yes" if item.suggests_co_owner and item.email else "",
    }
    client = details.entry.client
    may_co_own = client.kind is ClientKind.INDIVIDUAL
    shown = {"client": client, "party": party, "relationships": RELATIONSHIPS, "may_co_own": may_co_own}
    return page(visitor, "clients/review_import.html", errors, typed={**suggested, **typed}, **shown)


def _link_window(
    visitor: Visitor, details: Details, party: Party, typed: dict[str, str], errors: FormErrors
) -> Response:
    """First whom to link to, people of a similar name first; then both sides, before one replaces the other."""
    record = party.first.row.other_xpm_uuid
    members = [member for member in details.team if member.xpm_uuid in (None, record)]
    members.sort(key=lambda member: not _are_alike(member.name, party.name))
    picked = next((member for member in members if str(member.id) == typed.get("team_member_id")), None)
    alike = [member.id for member in members if _are_alike(member.name, party.name)]
    shown = {"client": details.entry.client, "party": party, "members": members, "alike": alike, "chosen": picked}
    return page(visitor, "clients/review_link.html", errors, typed=typed, **shown)


def _are_alike(one: str, other: str) -> bool:
    """Whether two names share a word."""
    return bool(set(fold_name(one).replace(",", " ").split()) & set(fold_name(other).replace(",", " ").split()))


def _also(posted: Posted) -> list[Chosen]:
    """The other roles of the same person or entity, which are imported along with the first."""
    return [each for each in (chosen(*str(item).partition(" ")[::2]) for item in posted.form.getlist("also")) if each]


def _seen(posted: Posted, item_id: UUID) -> Chosen:
    """The item in the version that the window showed; a version that is no number is nobody's."""
    return chosen(str(item_id), posted.text("version")) or Chosen(item_id, -1)


def _back(posted: Posted, client_id: UUID, message: str, item_ids: Iterable[UUID]) -> RedirectResponse:
    """Back to the queue that the window was opened from, at its next item."""
    queue = None if posted.text("from") == "all" else client_id
    return to_queue(queue, message, undo=item_ids, after=posted.text("next"))


def _short_text(typed: dict[str, str], name: str, longest: int) -> str | None:
    """A field's text; `None` if it is empty.

    Raises:
        RequestRefused: it is too long or has control characters.
    """
    if len(typed[name]) > longest or not typed[name].isprintable():
        raise refusals.TOO_LONG(field=name, max_length=longest)
    return typed[name] or None
