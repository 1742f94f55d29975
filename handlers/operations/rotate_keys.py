"""Encrypts all stored secrets with the newest key of TOKEN_KEYS, so that an older key can be removed.

Runs in short batches while workers run: tokens that were renewed meanwhile are read again, never overwritten.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TypeVar
from uuid import UUID

from cryptography.fernet import InvalidToken, MultiFernet

from portal_db import webhooks
from portal_db.access import producers, second_factors
from portal_db.database import Database, Tx
from portal_db.tables import MalformedMessage, Producer, SecondFactor, WebhookEndpoint, XeroLogin
from portal_db.work import malformed_messages
from portal_db.xero import logins as xero_logins

T = TypeVar("T", XeroLogin, MalformedMessage, WebhookEndpoint, Producer, SecondFactor)

BATCH = 50
"""Rows per transaction."""


@dataclass(frozen=True)
class Rotated:
    """How many rows are encrypted with the newest key now, and how many no key of TOKEN_KEYS can read."""

    logins: int
    messages: int
    webhooks: int
    producers: int
    second_factors: int
    unreadable: int


def rotate(database: Database, vault: MultiFernet) -> Rotated:
    """Rotate the tokens of Xero logins, the secrets of webhooks, producers and authenticator apps, and malformed messages.

    Codes of pending consents are not rotated: they expire after ten minutes.
    """

    def sealed(old: bytes | None) -> bytes | None:
        return vault.rotate(old) if old is not None else None

    def login(tx: Tx, row: XeroLogin) -> bool:
        access, refresh = sealed(row.access_token), sealed(row.refresh_token)
        xero_logins.reseal(tx, row.id, version=row.version, access=access, refresh=refresh)
        return access is not None

    def message(tx: Tx, row: MalformedMessage) -> bool:
        malformed_messages.reseal(tx, row.id, vault.rotate(row.payload))
        return True

    def endpoint(tx: Tx, row: WebhookEndpoint) -> bool:
        webhooks.reseal(tx, row.id, secret=sealed(row.secret), old_secret=sealed(row.old_secret))
        return True

    def producer(tx: Tx, row: Producer) -> bool:
        producers.reseal(tx, row.id, secret=sealed(row.secret), old_secret=sealed(row.old_secret))
        return True

    def app(tx: Tx, row: SecondFactor) -> bool:
        second_factors.reseal(tx, row, sealed(row.secret))
        return row.secret is not None

    logins, lost_logins = _rotate_all(database, xero_logins.page, login)
    messages, lost_messages = _rotate_all(database, malformed_messages.page, message)
    endpoints, lost_endpoints = _rotate_all(database, webhooks.page, endpoint)
    signers, lost_signers = _rotate_all(database, producers.page, producer)
    apps, lost_apps = _rotate_all(database, second_factors.page, app, id_of=lambda row: row.login_id)
    lost = lost_logins + lost_messages + lost_endpoints + lost_signers + lost_apps
    return Rotated(logins, messages, endpoints, signers, apps, lost)


def _rotate_all(
    database: Database,
    page: Callable[..., Sequence[T]],
    reseal: Callable[[Tx, T], bool],
    *,
    id_of: Callable[[T], UUID] = attrgetter("id"),
) -> tuple[int, int]:
    """Reseal every row; returns how many had something to reseal, and how many could not be read."""
    after: UUID | None = None
    written = unreadable = 0
    while True:
        with database.write() as tx:
            rows = page(tx, after=after, limit=BATCH)
            for row in rows:
                try:
                    written += reseal(tx, row)
                except InvalidToken:
                    unreadable += 1
            if not rows:
                return written, unreadable
            after = id_of(rows[-1])
