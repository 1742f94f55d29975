"""Steps that several tests of webhooks share."""

from __future__ import annotations

from uuid import UUID

from handlers.webhooks import endpoints
from handlers.webhooks.announce import Event
from portal_db.states import JobState
from portal_db.tables import WebhookEndpoint
from tests.world import World


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


def press_test(world: World, made: endpoints.Made) -> UUID:
    """Ask for a test, as its button does."""
    return endpoints.send_test(world.database, made.endpoint_id, practice_id=world.practice_id)
