"""A practice's webhook endpoints: add, list, rotate the secret, test, remove.

A secret is shown once and kept encrypted, since every message is signed with it.
"""

from __future__ import annotations

import base64
import ipaddress
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

import httpx

from config.settings import LOOPBACK, Settings
from handlers import refusals
from handlers.access.act import Actor
from handlers.access.practices import require_practice
from handlers.paging import Page, page_of, read_cursor
from handlers.webhooks.announce import TEST, Event, deliver
from handlers.webhooks.post import Reach
from portal_db import webhooks
from portal_db.database import Database, Tx
from portal_db.tables import DISABLED_BY_HAND, WebhookEndpoint
from portal_db.types import database_time
from portal_db.webhooks import DeliveryWithJob

#: The most endpoints of a practice; a soft limit, since each close costs a message to each.
MOST = 10
LONGEST_URL = 2000
#: How long a replaced secret also signs, so that receivers can be given the new one: a day.
OVERLAP_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class Made:
    """An endpoint's new secret, shown only once."""

    endpoint_id: UUID
    secret: str


def add(
    database: Database,
    settings: Settings,
    practice_id: UUID,
    url: str,
    events: Collection[Event],
    *,
    by: UUID | None = None,
) -> Made:
    """Send these events to an address from now on; all events if none is named.

    Args:
        by: the staff member who adds it; without one it is an operator.

    Raises:
        RequestRefused: no such practice, an address that cannot be used, or too many endpoints.
        SettingsError: TOKEN_KEYS is empty.
    """
    url = _fitting(url, settings)
    secret = _new_secret()
    with database.write() as tx:
        require_practice(tx, practice_id)
        if len(webhooks.of_practice(tx, practice_id)) >= MOST:
            raise refusals.TOO_MANY_WEBHOOKS(max_webhooks=MOST)
        endpoint_id: UUID = tx.new_id()
        row = {"id": endpoint_id, "practice_id": practice_id, "url": url, "events": sorted(events or Event)}
        webhooks.add(tx, {**row, "secret": settings.vault.encrypt(secret.encode())})
        after = ", ".join(sorted(events)) or "every event"
        Actor.of(by).audit(tx, "webhook.add", "webhook", endpoint_id, practice_id, after=after)
    return Made(endpoint_id, secret)


def listing(database: Database, practice_id: UUID) -> Sequence[WebhookEndpoint]:
    """A practice's endpoints, disabled ones too, newest first."""
    with database.read() as tx:
        return webhooks.of_practice(tx, practice_id)


def rotate(
    database: Database, settings: Settings, endpoint_id: UUID, *, practice_id: UUID, by: UUID | None = None
) -> Made:
    """Give an endpoint another secret. Messages are signed with both for a day; another rotation within it replaces the new
    secret only.

    Raises:
        RequestRefused: the practice has no such endpoint.
        SettingsError: TOKEN_KEYS is empty.
    """
    secret = _new_secret()
    sealed = settings.vault.encrypt(secret.encode())
    with database.write() as tx:
        _require(tx, endpoint_id, practice_id)
        webhooks.replace_secret(tx, endpoint_id, sealed, overlap_seconds=OVERLAP_SECONDS)
        Actor.of(by).audit(tx, "webhook.rotate", "webhook", endpoint_id, practice_id)
    return Made(endpoint_id, secret)


def remove(database: Database, endpoint_id: UUID, *, practice_id: UUID, by: UUID | None = None) -> None:
    """Remove an endpoint; deliveries that are waiting are not sent.

    Raises:
        RequestRefused: the practice has no such endpoint.
    """
    with database.write() as tx:
        if not webhooks.remove(tx, endpoint_id, practice_id=practice_id):
            raise refusals.UNKNOWN_WEBHOOK()
        Actor.of(by).audit(tx, "webhook.remove", "webhook", endpoint_id, practice_id)


def send_test(database: Database, endpoint_id: UUID, *, practice_id: UUID, by: UUID | None = None) -> UUID:
    """Send an endpoint an empty message. If it succeeds, a disabled endpoint is enabled again.

    Returns:
        The id of the delivery.

    Raises:
        RequestRefused: the practice has no such endpoint, or its last test has not ended yet.
    """
    with database.write() as tx:
        endpoint = _require(tx, endpoint_id, practice_id)
        [delivery_id] = deliver(tx, [endpoint], TEST, tx.new_id(), database_time(tx.session), {})
        if not webhooks.begin_test(tx, endpoint, delivery_id):
            raise refusals.WEBHOOK_TEST_OPEN()
        Actor.of(by).audit(tx, "webhook.test", "webhook", endpoint_id, practice_id)
    return delivery_id


def get(database: Database, endpoint_id: UUID, *, practice_id: UUID) -> WebhookEndpoint:
    """One of a practice's endpoints.

    Raises:
        RequestRefused: the practice has no such endpoint.
    """
    with database.read() as tx:
        return _require(tx, endpoint_id, practice_id)


def is_testing(database: Database, endpoint: WebhookEndpoint) -> bool:
    """Whether an endpoint's last test has not ended yet, so that no other can be sent."""
    with database.read() as tx:
        return webhooks.has_open_test(tx, endpoint)


def disable(database: Database, endpoint_id: UUID, *, practice_id: UUID, by: UUID) -> None:
    """Send an endpoint no more events, until it accepts a test.

    Raises:
        RequestRefused: the practice has no such endpoint.
    """
    with database.write() as tx:
        _require(tx, endpoint_id, practice_id)
        if webhooks.disable(tx, endpoint_id, DISABLED_BY_HAND):
            Actor.of(by).audit(tx, "webhook.disable", "webhook", endpoint_id, practice_id)


def deliveries(
    database: Database, endpoint_id: UUID, *, practice_id: UUID, cursor: str | None = None, limit: int = 50
) -> Page[DeliveryWithJob]:
    """An endpoint's deliveries, sent and waiting, newest first.

    Raises:
        RequestRefused: the practice has no such endpoint, or the cursor is not valid.
    """
    after = read_cursor(cursor)
    with database.read() as tx:
        _require(tx, endpoint_id, practice_id)
        found = webhooks.deliveries(tx, endpoint_id, limit=limit + 1, after=after)
    return page_of(found, limit, lambda row: (row.delivery.created_at, row.delivery.id))


def _fitting(url: str, settings: Settings) -> str:
    """An address that can be used. Whether a host name resolves to a public one is checked at each connect."""
    try:
        parts = httpx.URL(url.strip())
    except httpx.InvalidURL:
        raise refusals.BAD_URL(reason="is not valid") from None
    if len(str(parts)) > LONGEST_URL:  # what is not ASCII is longer here than as it was given
        raise refusals.BAD_URL(reason=f"is longer than {LONGEST_URL} characters, as it is sent")
    if parts.userinfo or parts.fragment or not parts.host:
        raise refusals.BAD_URL(reason="must have a host, and neither a user nor a fragment")
    if parts.port is not None and not 1 <= parts.port <= 65535:
        raise refusals.BAD_URL(reason="must have a port from 1 to 65535, or none")
    is_local = settings.is_local and parts.host in LOOPBACK
    if parts.scheme != "https" and not (parts.scheme == "http" and is_local):
        raise refusals.BAD_URL(reason="must begin with https://")
    try:
        address = ipaddress.ip_address(parts.host)
    except ValueError:
        return str(parts)
    if not Reach(loopback=settings.is_local, private=settings.webhook_private_addresses).allows(address):
        raise refusals.WEBHOOK_URL_PRIVATE()
    return str(parts)


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def _require(tx: Tx, endpoint_id: UUID, practice_id: UUID) -> WebhookEndpoint:
    found = webhooks.get(tx, endpoint_id, practice_id=practice_id)
    if found is None:
        raise refusals.UNKNOWN_WEBHOOK()
    return found
