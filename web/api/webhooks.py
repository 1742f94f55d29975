"""Webhooks of the caller's practice, for owners and account admins: its own systems are notified when imports close."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from handlers.fields import Text
from handlers.webhooks import endpoints
from handlers.webhooks.announce import Event
from portal_db.states import JobState
from portal_db.webhooks import DeliveryWithJob
from web.http.identity import ConfirmedKeeper, Keeper
from web.http.models import Answer, Body
from web.http.paging import ListPage, ListQuery
from web.portal import ThePortal

router = APIRouter(prefix="/webhooks", tags=["webhooks"])


class NewWebhook(Body):
    url: Annotated[Text, Field(min_length=1, max_length=endpoints.LONGEST_URL, description="begins with https://")]
    events: list[Event] = Field([], max_length=len(Event), description="without any: all events")


class Webhook(Answer):
    """An endpoint. A disabled endpoint is sent nothing until it accepts a test; what waited by then is kept three days."""

    id: UUID
    url: str
    events: list[str]
    created_at: datetime
    failing_since: datetime | None
    slow_since: datetime | None = Field(description="since when every answer has taken too long")
    resting_until: datetime | None = Field(
        description="until when nothing but tests is sent, after a failure or a slow answer"
    )
    disabled_at: datetime | None
    disabled_reason: str | None


class Secret(BaseModel):
    id: UUID
    secret: str = Field(description="signs the messages; shown only once")


class Tested(BaseModel):
    delivery_id: UUID


class Delivery(Answer):
    """One event sent to one endpoint. `state` is that of its job; null once the job is deleted."""

    id: UUID
    event_id: UUID = Field(description="its webhook-id")
    event: str
    created_at: datetime
    delivered_at: datetime | None
    status: int | None = Field(description="the HTTP status of the last answer")
    state: JobState | None
    attempts: int | None
    next_attempt_at: datetime | None
    message: str | None = Field(description="why the last attempt failed")

    @classmethod
    def of(cls, found: DeliveryWithJob) -> Self:
        job = found.job
        return cls.from_row(
            found.delivery,
            state=job.state if job else None,
            attempts=job.attempts if job else None,
            next_attempt_at=job.next_attempt_at if job else None,
            message=job.error_message if job else None,
        )


class DeliveryPage(ListPage[Delivery]):
    """Deliveries, newest first."""


@router.get("")
def list_webhooks(portal: ThePortal, who: Keeper) -> list[Webhook]:
    """The practice's webhooks, newest first."""
    return [Webhook.from_row(row) for row in endpoints.listing(portal.database, who.practice_id)]


@router.post("", status_code=201)
def add_webhook(portal: ThePortal, who: ConfirmedKeeper, given: NewWebhook) -> Secret:
    """Add an address that is notified of events from now on."""
    made = endpoints.add(
        portal.database, portal.settings, who.practice_id, given.url, set(given.events), by=who.staff_id
    )
    return Secret(id=made.endpoint_id, secret=made.secret)


@router.post("/{webhook_id}/rotation", status_code=201)
def rotate_webhook(portal: ThePortal, who: ConfirmedKeeper, webhook_id: UUID) -> Secret:
    """Give a webhook a new secret. For another day, messages are signed with both. Another rotation within it replaces the
    new secret only: the one before the first signs until its day has passed."""
    made = endpoints.rotate(portal.database, portal.settings, webhook_id, practice_id=who.practice_id, by=who.staff_id)
    return Secret(id=made.endpoint_id, secret=made.secret)


@router.post("/{webhook_id}/test", status_code=202)
def test_webhook(portal: ThePortal, who: ConfirmedKeeper, webhook_id: UUID) -> Tested:
    """Send a test message, once, unless the last one has not ended yet. If it is accepted, a disabled webhook is enabled
    again; one that fails is `rejected`."""
    delivery_id = endpoints.send_test(portal.database, webhook_id, practice_id=who.practice_id, by=who.staff_id)
    return Tested(delivery_id=delivery_id)


@router.get("/{webhook_id}/deliveries")
def list_deliveries(
    portal: ThePortal, who: Keeper, webhook_id: UUID, query: Annotated[ListQuery, Query()]
) -> DeliveryPage:
    """What was sent to a webhook or is still to be sent, newest first."""
    found = endpoints.deliveries(
        portal.database, webhook_id, practice_id=who.practice_id, cursor=query.cursor, limit=query.limit
    )
    return DeliveryPage.of(found, Delivery.of)


@router.delete("/{webhook_id}", status_code=204)
def remove_webhook(portal: ThePortal, who: ConfirmedKeeper, webhook_id: UUID) -> None:
    """Remove a webhook."""
    endpoints.remove(portal.database, webhook_id, practice_id=who.practice_id, by=who.staff_id)
