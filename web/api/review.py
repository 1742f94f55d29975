"""The review queue: clients' relationships in XPM, which a reviewer imports, links to a team member, or ignores."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from handlers.clients import queries
from handlers.fields import Line, Text
from handlers.relationships import review, review_queue
from handlers.relationships.direction import Ambiguity, Direction
from handlers.relationships.review import Chosen, Confirmed
from handlers.relationships.review_queue import Item
from portal_db.clients.review_items import ReviewFilter
from portal_db.states import ClientKind, ReviewState
from web.http.identity import Importer, Reader
from web.http.models import Answer, Body
from web.http.paging import ListQuery, SearchedPage
from web.portal import ThePortal

router = APIRouter(tags=["review"])

#: The greatest number that the column holds.
MOST_VERSIONS = 2**31 - 1


class ClientRef(Answer):
    id: UUID
    name: str
    kind: ClientKind


class ReviewItem(Answer):
    """A relationship as it is in XPM, and its state in review."""

    id: UUID
    version: int = Field(description="send it with a decision: if the item has changed since, the decision is refused")
    state: ReviewState
    client: ClientRef
    label: str = Field(description="the relationship's name in XPM")
    relationship: str = Field(description="what the other side will be called in the team")
    direction: Direction
    ambiguity: Ambiguity | None = Field(description="why to look twice before deciding; null when it is clear")
    name: str = Field(description="the other side")
    xpm_uuid: UUID
    suggestion: ClientRef | None = Field(description="the client that the other side is, if it is one that you may see")
    suggests_co_owner: bool = Field(description="the partner of a person, who may share the account")
    number_of_shares: int | None
    percentage: Decimal | None
    start_date: date | None
    end_date: date | None
    has_ended: bool = Field(description="its end date has passed, or it is no longer in XPM")
    also_told: list[dict[str, Any]] = Field(description="XPM's other rows of the same relationship")
    team_member_id: UUID | None

    @classmethod
    def of(cls, item: Item) -> Self:
        row = item.row
        return cls.from_row(
            row,
            client=ClientRef.from_row(item.client),
            relationship=item.relationship,
            direction=item.direction,
            ambiguity=item.ambiguity,
            name=row.other_name,
            xpm_uuid=row.other_xpm_uuid,
            suggestion=ClientRef.from_row(item.is_client) if item.is_client else None,
            suggests_co_owner=item.suggests_co_owner,
            number_of_shares=item.number_of_shares,
            percentage=item.percentage,
            start_date=item.start_date,
            has_ended=item.has_ended,
            also_told=row.also_told or [],
        )


class ReviewPage(SearchedPage[ReviewItem]):
    """Items, newest first."""


class ReviewQuery(ListQuery):
    """Which items, and how many at once."""

    state: list[ReviewState] = Field([ReviewState.PENDING], min_length=1, max_length=len(ReviewState))
    client_id: UUID | None = None
    q: Annotated[Text, Field(max_length=200)] | None = Field(
        None, description="words of names and labels, in any order"
    )
    suggested: bool | None = Field(
        None, description="true: only items whose other side is a client that you may see; false: only the others"
    )


class Version(Body):
    """The version of the item that you decide about."""

    version: int = Field(ge=0, le=MOST_VERSIONS)


class ToImport(Version):
    """What was confirmed or changed. Without a name, the name in XPM is used."""

    name: Annotated[Line, Field(max_length=500)] | None = None
    relationship: Annotated[Line, Field(max_length=100)] | None = Field(
        None, description="required, except for a co-owner"
    )
    email: Annotated[Line, Field(max_length=320)] | None = Field(None, description="required for a co-owner")
    as_co_owner: bool = Field(
        False, description="requires an email address that is not used by another login; no invitation is sent"
    )


class ToLink(Version):
    team_member_id: UUID


class ToIgnore(Version):
    id: UUID


class ManyToIgnore(Body):
    """The chosen items, with the versions that you decide about."""

    items: list[ToIgnore] = Field(min_length=1, max_length=200)


class Ignored(BaseModel):
    """The chosen items: those in `left_alone` were decided or changed meanwhile, or you may not see them."""

    ignored: list[UUID]
    left_alone: list[UUID]


@router.get("/review-items")
def list_review_items(portal: ThePortal, who: Reader, query: Annotated[ReviewQuery, Query()]) -> ReviewPage:
    """Items of all clients that the staff member may see, newest first; without a state, those that await review."""
    portal.uses.take_search(who, query.q)
    wanted = ReviewFilter(query.state, query.client_id, query.q, query.suggested)
    found = review_queue.page(portal.database, who, wanted, cursor=query.cursor, limit=query.limit)
    return ReviewPage.of(found, ReviewItem.of)


@router.get("/clients/{client_id}/review-items")
def list_review_items_of_client(
    portal: ThePortal,
    who: Reader,
    client_id: UUID,
    state: Annotated[list[ReviewState] | None, Query(max_length=len(ReviewState))] = None,
) -> list[ReviewItem]:
    """A client's relationships in XPM that are in these states; without a state, those that await review."""
    found = queries.list_items(portal.database, who, client_id, state or [ReviewState.PENDING])
    return [ReviewItem.of(item) for item in found]


@router.post("/review-items/ignore")
def ignore_review_items(portal: ThePortal, who: Importer, given: ManyToIgnore) -> Ignored:
    """Ignore the chosen items until the next import."""
    chosen = [Chosen(each.id, each.version) for each in given.items]
    ignored = review.ignore_items(portal.database, who, chosen)
    asked = dict.fromkeys(each.item_id for each in chosen)
    return Ignored(
        ignored=[item_id for item_id in asked if item_id in ignored],
        left_alone=[item_id for item_id in asked if item_id not in ignored],
    )


@router.post("/review-items/{item_id}/import")
def import_review_item(portal: ThePortal, who: Importer, item_id: UUID, given: ToImport) -> ReviewItem:
    """Add the other side to the client's team. No invitation is sent."""
    confirmed = Confirmed(given.name, given.relationship, given.email, given.as_co_owner)
    return ReviewItem.of(review.import_item(portal.database, who, Chosen(item_id, given.version), confirmed))


@router.post("/review-items/{item_id}/link")
def link_review_item(portal: ThePortal, who: Importer, item_id: UUID, given: ToLink) -> ReviewItem:
    """Link an existing team member. Their details are replaced by those in XPM."""
    chosen = Chosen(item_id, given.version)
    return ReviewItem.of(review.link_item(portal.database, who, chosen, given.team_member_id))


@router.post("/review-items/{item_id}/ignore")
def ignore_review_item(portal: ThePortal, who: Importer, item_id: UUID, given: Version) -> ReviewItem:
    """Ignore one item until the next import."""
    return ReviewItem.of(review.ignore_item(portal.database, who, Chosen(item_id, given.version)))
