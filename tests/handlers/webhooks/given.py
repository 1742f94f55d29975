"""Steps that several tests of webhooks share."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import select

from handlers.webhooks import announce, endpoints
from handlers.webhooks.announce import Event
from portal_db.states import JobState
from portal_db.tables import WebhookDelivery, WebhookEndpoint
from tests.world import World

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


def listen(world: World, url: str, *events: Event) -> endpoints.Made:
    return endpoints.add(world.database, world.services.settings, world.practice_id, url, set(events))


def endpoint(world: World, made: endpoints.Made) -> WebhookEndpoint:
    (found,) = (one for one in endpoints.listing(world.database, world.practice_id) if one.id == made.endpoint_id)
    return found


def told(world: World, made: endpoints.Made) -> list[tuple[str, JobState | None, str | None]]:
    """What an endpoint was told, oldest first: the event, how its job stands, and why the last try failed."""
    page = endpoints.deliveries(world.database, made.endpoint_id, practice_id=world.practice_id)
    return [
        (one.delivery.event, one.job.state if one.job else None, one.job.error_code if one.job else None)
        for one in reversed(page.items)
    ]


def send(world: World, made: endpoints.Made, count: int = 1) -> list[UUID]:
    """Let closes of imports be announced to an endpoint, without imports. Returns the jobs, in their order."""
    with world.database.write() as tx:
        ids = [
            announce.deliver(tx, [endpoint(world, made)], Event.SUCCEEDED, tx.new_id(), NOON, {})[0]
            for _ in range(count)
        ]
        rows = {
            row.id: row.job_id for row in tx.session.scalars(select(WebhookDelivery).where(WebhookDelivery.id.in_(ids)))
        }
    return [rows[delivery_id] for delivery_id in ids]


def press_test(world: World, made: endpoints.Made) -> UUID:
    """Ask for a test, as its button does."""
    return endpoints.send_test(world.database, made.endpoint_id, practice_id=world.practice_id)
