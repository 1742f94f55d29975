"""The review queue: what XPM says about clients' relationships, and the three things a reviewer does with it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from handlers.clients import queries
from handlers.fields import Line
from handlers.relationships import review, review_queue
from handlers.relationships.direction import Ambiguity, Direction
from handlers.relationships.review import Chosen, Confirmed
from handlers.relationships.review_queue import Item
from portal_db.clients.review_items import ReviewFilter
from portal_db.states import ClientKind, ReviewState
from portal_db.tables import Client
from web.http.identity import Importer, Reader
from web.http.paging import ListPage, ListQuery
from web.portal import ThePortal

router = APIRouter(tags=["review"])

#: No column holds a greater one.
MOST_VERSIONS = 2**31 - 1


class ClientRef(BaseModel):
    id: UUID
    name: str
    kind: ClientKind

    @classmethod
    def of(cls, row: Client) -> Self:
        return cls(id=row.id, name=row.name, kind=row.kind)


class ReviewItem(BaseModel):
    """A relationship as XPM tells it, and where it stands in review."""

    id: UUID
    version: int = Field(description="to be named with a decision, so that of two reviewers one wins")
    state: ReviewState
    client: ClientRef
    label: str = Field(description="XPM's own word")
    relationship: str = Field(description="what the other side would be called in Team")
    direction: Direction
    ambiguity: Ambiguity | None = Field(description="why to look twice before deciding; null when it is clear")
    name: str = Field(description="the other side")
    xpm_uuid: UUID
    suggestion: ClientRef | None = Field(description="the client in sight that the other side is, if it is one now")
    suggests_co_owner: bool = Field(description="the partner of a person, who may share the account")
    number_of_shares: int | None
    percentage: Decimal | None
    start_date: date | None
    end_date: date | None
    has_ended: bool = Field(description="its end date is past, or XPM no longer tells it")
    also_told: list[dict[str, Any]] = Field(description="XPM's other rows of the same relationship")
    team_member_id: UUID | None

    @classmethod
    def of(cls, item: Item) -> Self:
        row = item.row
        return cls(
            id=row.id,
            version=row.version,
            state=row.state,
            client=ClientRef.of(item.client),
            label=row.label,
            relationship=item.relationship,
            direction=item.direction,
            ambiguity=item.ambiguity,
            name=row.other_name,
            xpm_uuid=row.other_xpm_uuid,
            suggestion=ClientRef.of(item.is_client) if item.is_client else None,
            suggests_co_owner=item.suggests_co_owner,
            number_of_shares=item.number_of_shares,
            percentage=item.percentage,
            start_date=item.start_date,
            end_date=row.end_date,
            has_ended=item.has_ended,
            also_told=row.also_told or [],
            team_member_id=row.team_member_id,
        )


class ReviewPage(ListPage[ReviewItem]):
    """Items, the newest first."""


class ReviewQuery(ListQuery):
    """Which items, and how many at once."""

    state: list[ReviewState] = Field([ReviewState.PENDING], min_length=1, max_length=len(ReviewState))
    client_id: UUID | None = None
    q: Annotated[str, Field(max_length=200)] | None = Field(None, description="a part of a name or label")
    suggested: bool | None = Field(None, description="only those whose other side is a client in sight, or only others")


class Version(BaseModel):
    """The version of the item that was looked at."""

    model_config = ConfigDict(extra="forbid")

    version: int = Field(ge=0, le=MOST_VERSIONS)


class ToImport(Version):
    """What was confirmed or amended. A name that is not given is XPM's."""

    name: Annotated[Line, Field(max_length=500)] | None = None
    relationship: Annotated[Line, Field(max_length=100)] | None = Field(None, description="needed, save for a co-owner")
    email: Annotated[Line, Field(max_length=320)] | None = Field(None, description="needed for a co-owner")
    as_co_owner: bool = Field(False, description="needs an email address that no other login has; nobody is invited")


class ToLink(Version):
    team_member_id: UUID


class ToIgnore(Version):
    id: UUID


class ManyToIgnore(BaseModel):
    """The chosen items, in the versions that were looked at."""

    model_config = ConfigDict(extra="forbid")

    items: list[ToIgnore] = Field(min_length=1, max_length=200)


class Ignored(BaseModel):
    """What became of the chosen items: the others are decided about or changed since, or are not there to see."""

    ignored: list[UUID]
    left_alone: list[UUID]


@router.get("/review-items")
def list_review_items(portal: ThePortal, who: Reader, query: Annotated[ReviewQuery, Query()]) -> ReviewPage:
    """Items of all clients that the staff member may see, the newest first; those that wait for review if no state is
    named."""
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
    """What XPM says about a client's relationships; those that wait for review, or those in the states that are named."""
    found = queries.items(portal.database, who, client_id, state or [ReviewState.PENDING])
    return [ReviewItem.of(item) for item in found]


@router.post("/review-items/ignore")
def ignore_review_items(portal: ThePortal, who: Importer, given: ManyToIgnore) -> Ignored:
    """Take the chosen items off the list until the next import."""
    chosen = [Chosen(each.id, each.version) for each in given.items]
    ignored = review.ignore_items(portal.database, who, chosen)
    asked = dict.fromkeys(each.item_id for each in chosen)
    return Ignored(
        ignored=[item_id for item_id in asked if item_id in ignored],
        left_alone=[item_id for item_id in asked if item_id not in ignored],
    )


@router.post("/review-items/{item_id}/import")
def import_review_item(portal: ThePortal, who: Importer, item_id: UUID, given: ToImport) -> ReviewItem:
    """Add the other side to the client's team. Nobody is invited by that."""
    confirmed = Confirmed(given.name, given.relationship, given.email, given.as_co_owner)
    return ReviewItem.of(review.import_item(portal.database, who, Chosen(item_id, given.version), confirmed))


@router.post("/review-items/{item_id}/link")
def link_review_item(portal: ThePortal, who: Importer, item_id: UUID, given: ToLink) -> ReviewItem:
    """Tie a member who is in the team already; XPM's values replace what an import fills in."""
    chosen = Chosen(item_id, given.version)
    return ReviewItem.of(review.link_item(portal.database, who, chosen, given.team_member_id))


@router.post("/review-items/{item_id}/ignore")
def ignore_review_item(portal: ThePortal, who: Importer, item_id: UUID, given: Version) -> ReviewItem:
    """Take one item off the list until the next import."""
    return ReviewItem.of(review.ignore_item(portal.database, who, Chosen(item_id, given.version)))
