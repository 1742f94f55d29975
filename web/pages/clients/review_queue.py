"""What awaits review, for one client and for the whole practice: one entry for each person or entity, with all its roles.

Decisions about several items at once are here, and undoing the last one; the windows of single items are in `review.py`.
Each form names the versions of the items that its reader saw. If two reviewers decide at once, the first decision counts and
the other reviewer gets a message.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field

from handlers.clients import history, queries
from handlers.errors import RequestRefused
from handlers.fields import Text
from handlers.relationships import review, review_queue
from handlers.relationships.review import Chosen
from handlers.relationships.review_queue import Item, by_party
from handlers.relationships.undo import undo as undo_decisions
from portal_db.clients.review_items import ReviewFilter
from portal_db.states import ClientKind, ReviewState
from web.pages.frame.forms import Posted, PostedByImporter, uuid_of
from web.pages.frame.view import page, redirect
from web.pages.frame.visitor import TheVisitor, Visitor

router = APIRouter()

PATH = "/review"
PAGE_SIZE = 100
DAY = 86_400.0
#: Items that one form decides about, at most.
MOST = 500


class QueueQuery(BaseModel):
    """The practice's queue as its form filters it; an empty value means all."""

    q: Annotated[Text, Field(max_length=200)] = ""
    kind: ClientKind | Literal[""] = ""
    age: Literal["", "1", "7", "30"] = ""
    cursor: Annotated[Text, Field(max_length=200)] = ""


#: Items whose decision the page offers to undo.
Undo = Annotated[list[UUID], Query(max_length=MOST, default_factory=list)]


@router.get(PATH)
def show_all(visitor: TheVisitor, query: Annotated[QueueQuery, Query()], undo: Undo) -> Response:
    """The items of all clients that the visitor may see, newest first."""
    visitor.portal.uses.take_search(visitor.caller, query.q)
    wanted = ReviewFilter(
        text=query.q.strip() or None,
        kind=query.kind or None,
        older_than_seconds=int(query.age) * DAY if query.age else None,
    )
    found = review_queue.page(visitor.database, visitor.caller, wanted, cursor=query.cursor or None, limit=PAGE_SIZE)
    filters = {name: value for name, value in query if value and name != "cursor"}
    older = f"{PATH}?{urlencode({**filters, 'cursor': found.next})}" if found.next else None
    shown: dict[str, Any] = {"query": query, "is_filtered": bool(filters), "older": older, "is_guess": found.is_guess}
    return page(visitor, "clients/review_all.html", **shown, **_listed(found.items, PATH, undo))


@router.get("/clients/{client_id}/review")
def show(visitor: TheVisitor, client_id: UUID, undo: Undo) -> Response:
    """The items of one client."""
    details = queries.get_client(visitor.database, visitor.caller, client_id)
    items = [item for item in details.relationships if item.is_pending]
    listed = _listed(items, path_of(client_id), undo)
    return page(visitor, "clients/review.html", client=details.entry.client, **listed)


@router.post("/review/ignore")
@router.post("/clients/{client_id}/review/ignore")
def ignore(posted: PostedByImporter, client_id: UUID | None = None) -> Response:
    """Ignore the person or entity whose button was pressed, or the ticked ones."""
    chosen = chosen_of(posted)
    if not chosen:
        return to_queue(client_id, "review-none")
    ignored = review.ignore_items(posted.visitor.database, posted.visitor.caller, chosen)
    if not ignored and client_id is not None:
        return too_late(posted.visitor, client_id, chosen[0].item_id)
    message = "review-ignored" if len(ignored) == len(chosen) else "review-some-late"
    return to_queue(client_id, message, undo=ignored, after=posted.text("next"))


@router.post("/review/preview")
@router.post("/clients/{client_id}/review/preview")
def preview(posted: PostedByImporter, client_id: UUID | None = None) -> Response:
    """What importing the ticked items will add to the team, before it is done."""
    chosen = {each.item_id for each in chosen_of(posted)}
    if not chosen:
        return to_queue(client_id, "review-none")
    items = review_queue.of_ids(posted.visitor.database, posted.visitor.caller, chosen)
    pending = [item for item in items if item.is_pending]
    back = path_of(client_id)
    return page(posted.visitor, "clients/review_preview.html", parties=by_party(pending), back=back, items=pending)


@router.post("/review/import")
@router.post("/clients/{client_id}/review/import")
def import_all(posted: PostedByImporter, client_id: UUID | None = None) -> Response:
    """Import the items of the preview that are still ticked."""
    chosen = chosen_of(posted)
    if not chosen:
        return to_queue(client_id, "review-none")
    imported = review.import_items(posted.visitor.database, posted.visitor.caller, chosen)
    message = "review-imported" if len(imported) == len(chosen) else "review-some-not-imported"
    return to_queue(client_id, message, undo=imported)


@router.post("/review/undo")
@router.post("/clients/{client_id}/review/undo")
def undo_decision(posted: PostedByImporter, client_id: UUID | None = None) -> Response:
    """Undo the last decision, for as long as nothing was built on it."""
    item_ids = uuids(posted.form.getlist("item"))
    try:
        undo_decisions(posted.visitor.database, posted.visitor.caller, item_ids)
    except RequestRefused:
        return to_queue(client_id, "review-not-undone")
    return to_queue(client_id, "review-undone", after=str(item_ids[0]))


def _listed(items: Sequence[Item], base: str, undo: Iterable[UUID]) -> dict[str, Any]:
    return {"parties": by_party(items), "base": base, "undo": list(undo)[:MOST]}


def path_of(client_id: UUID | None) -> str:
    return f"/clients/{client_id}/review" if client_id else PATH


def to_queue(client_id: UUID | None, message: str, *, undo: Iterable[UUID] = (), after: str = "") -> RedirectResponse:
    """Back to the queue, with a message.

    Args:
        undo: items whose decision the message offers to undo.
        after: the item to go on with.
    """
    query = urlencode([("said", message), *(("undo", item_id) for item_id in sorted(undo, key=str))])
    place = f"#item-{found}" if (found := uuid_of(after)) else ""
    return redirect(f"{path_of(client_id)}?{query}{place}")


def too_late(visitor: Visitor, client_id: UUID, item_id: UUID) -> RedirectResponse:
    """The queue, with why this decision no longer counts: XPM changed the item, or somebody has decided already."""
    items = queries.list_items(visitor.database, visitor.caller, client_id, [ReviewState.PENDING])
    if any(item.row.id == item_id for item in items):
        return to_queue(client_id, "review-changed")
    reviewer = history.reviewer_of(visitor.database, visitor.caller, client_id, item_id)
    if reviewer is None:
        return to_queue(client_id, "review-gone")
    return to_queue(client_id, "review-own" if reviewer == visitor.caller.staff_id else "review-late")


def chosen_of(posted: Posted) -> list[Chosen]:
    """The items of the button that was pressed, or the ticked ones, each in the version that its reader saw."""
    packed = [posted.text("only")] if posted.text("only") else posted.form.getlist("item")
    pairs = [pair.partition(" ")[::2] for each in packed for pair in str(each).split(",")]
    return [each for each in (chosen(*pair) for pair in pairs) if each is not None][:MOST]


def chosen(item_id: str, version: str) -> Chosen | None:
    """An item and its version; `None` if they are not an id and a number."""
    found = uuid_of(item_id)
    is_number = version.isascii() and version.isdecimal() and len(version) < 10
    return Chosen(found, int(version)) if found is not None and is_number else None


def uuids(texts: Iterable[object]) -> list[UUID]:
    return [found for text in texts if (found := uuid_of(str(text))) is not None]
