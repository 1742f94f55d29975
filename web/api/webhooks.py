"""Webhooks of the caller's practice, for owners and account admins: its own systems are told of each close."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from handlers.webhooks import endpoints
from handlers.webhooks.announce import Event
from portal_db.states import JobState
from portal_db.webhooks import DeliveryWithJob
from web.http.identity import Keeper
from web.http.paging import ListPage, ListQuery
from web.portal import ThePortal

router = APIRouter(prefix="/webhooks", tags=["webhooks"])


class NewWebhook(BaseModel):
    model_config = ConfigDict(extra="forbid")

    url: Annotated[str, Field(min_length=1, max_length=endpoints.LONGEST_URL, description="begins with https://")]
    events: Annotated[list[Event], Field(max_length=len(Event), description="every event, if none is named")] = []


class Webhook(BaseModel):
    """An endpoint. A disabled one is told nothing until a test of it is taken."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    url: str
    events: list[str]
    created_at: datetime
    failing_since: datetime | None
    disabled_at: datetime | None
    disabled_reason: str | None


class Secret(BaseModel):
    id: UUID
    secret: str = Field(description="signs what is sent; shown this once")


class Tested(BaseModel):
    delivery_id: UUID


class Delivery(BaseModel):
    """One event told to one endpoint. `state` is that of its job; null once that is not kept any more."""

    id: UUID
    event_id: UUID = Field(description="its webhook-id")
    event: str
    created_at: datetime
    delivered_at: datetime | None
    status: int | None = Field(description="of the last answer")
    state: JobState | None
    attempts: int | None
    next_attempt_at: datetime | None
    message: str | None = Field(description="why the last try failed")

    @classmethod
    def of(cls, told: DeliveryWithJob) -> Self:
        row, job = told.delivery, told.job
        return cls(
            id=row.id,
            event_id=row.event_id,
            event=row.event,
            created_at=row.created_at,
            delivered_at=row.delivered_at,
            status=row.status,
            state=job.state if job else None,
            attempts=job.attempts if job else None,
            next_attempt_at=job.next_attempt_at if job else None,
            message=job.error_message if job else None,
        )


class DeliveryPage(ListPage[Delivery]):
    """Deliveries, the newest first."""


@router.get("")
def list_webhooks(portal: ThePortal, who: Keeper) -> list[Webhook]:
    """The practice's webhooks, newest first."""
    return [Webhook.model_validate(row) for row in endpoints.listing(portal.database, who.practice_id)]


@router.post("", status_code=201)
def add_webhook(portal: ThePortal, who: Keeper, given: NewWebhook) -> Secret:
    """Have an address told of events from now on."""
    made = endpoints.add(
        portal.database, portal.settings, who.practice_id, given.url, set(given.events), by=who.staff_id
    )
    return Secret(id=made.endpoint_id, secret=made.secret)


@router.post("/{webhook_id}/rotation", status_code=201)
def rotate_webhook(portal: ThePortal, who: Keeper, webhook_id: UUID) -> Secret:
    """Give a webhook another secret; messages are signed with both for another day."""
    made = endpoints.rotate(portal.database, portal.settings, webhook_id, practice_id=who.practice_id, by=who.staff_id)
    return Secret(id=made.endpoint_id, secret=made.secret)


@router.post("/{webhook_id}/test", status_code=202)
def test_webhook(portal: ThePortal, who: Keeper, webhook_id: UUID) -> Tested:
    """Send a message that says nothing. If it is taken, a disabled webhook is told of events again."""
    delivery_id = endpoints.send_test(portal.database, webhook_id, practice_id=who.practice_id, by=who.staff_id)
    return Tested(delivery_id=delivery_id)


@router.get("/{webhook_id}/deliveries")
def list_deliveries(
    portal: ThePortal, who: Keeper, webhook_id: UUID, query: Annotated[ListQuery, Query()]
) -> DeliveryPage:
    """What a webhook was and is to be told, the newest first."""
    found = endpoints.deliveries(
        portal.database, webhook_id, practice_id=who.practice_id, cursor=query.cursor, limit=query.limit
    )
    return DeliveryPage.of(found, Delivery.of)


@router.delete("/{webhook_id}", status_code=204)
def remove_webhook(portal: ThePortal, who: Keeper, webhook_id: UUID) -> None:
    """Tell a webhook no more."""
    endpoints.remove(portal.database, webhook_id, practice_id=who.practice_id, by=who.staff_id)
