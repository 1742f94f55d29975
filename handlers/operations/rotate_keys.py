"""Encrypts everything that is kept encrypted anew with the newest of TOKEN_KEYS, so that an older key can be taken away.

In short batches, beside running workers: tokens that were renewed meanwhile are read again, never put back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from cryptography.fernet import InvalidToken, MultiFernet

from portal_db import webhooks
from portal_db.database import Database, Tx
from portal_db.work import malformed
from portal_db.xero import logins as xero_logins

BATCH = 50
"""Rows per transaction."""


@dataclass(frozen=True)
class Rotated:
    """How much is encrypted with the newest key now, and how much no key of TOKEN_KEYS can read."""

    logins: int
    messages: int
    webhooks: int
    unreadable: int


@dataclass(frozen=True)
class _Page:
    """One batch: how many rows were written, how many could not be read, and where the next batch begins."""

    written: int
    unreadable: int
    last: UUID | None


def rotate(database: Database, vault: MultiFernet) -> Rotated:
    """Rotate the tokens of Xero logins, the secrets of webhooks, and the messages that could not be read.

    Codes of consents that are under way are left: they last ten minutes.
    """
    logins, lost_logins = _all(database, vault, _logins)
    messages, lost_messages = _all(database, vault, _messages)
    endpoints, lost_endpoints = _all(database, vault, _endpoints)
    return Rotated(logins, messages, endpoints, lost_logins + lost_messages + lost_endpoints)


def _all(
    database: Database, vault: MultiFernet, step: Callable[[Tx, MultiFernet, UUID | None], _Page]
) -> tuple[int, int]:
    after: UUID | None = None
    written = unreadable = 0
    while True:
        with database.write() as tx:
            page = step(tx, vault, after)
        written, unreadable = written + page.written, unreadable + page.unreadable
        if page.last is None:
            return written, unreadable
        after = page.last


def _logins(tx: Tx, vault: MultiFernet, after: UUID | None) -> _Page:
    rows = xero_logins.page(tx, after=after, limit=BATCH)
    written = unreadable = 0
    for row in rows:
        try:
            access, refresh = _sealed_anew(row.access_token, vault), _sealed_anew(row.refresh_token, vault)
        except InvalidToken:
            unreadable += 1
            continue
        xero_logins.reseal(tx, row.id, version=row.version, access=access, refresh=refresh)
        written += access is not None
    return _Page(written, unreadable, rows[-1].id if rows else None)


def _endpoints(tx: Tx, vault: MultiFernet, after: UUID | None) -> _Page:
    rows = webhooks.page(tx, after=after, limit=BATCH)
    written = unreadable = 0
    for row in rows:
        try:
            secret, old = _sealed_anew(row.secret, vault), _sealed_anew(row.old_secret, vault)
        except InvalidToken:
            unreadable += 1
            continue
        webhooks.reseal(tx, row.id, secret=secret, old_secret=old)
        written += 1
    return _Page(written, unreadable, rows[-1].id if rows else None)


def _messages(tx: Tx, vault: MultiFernet, after: UUID | None) -> _Page:
    rows = malformed.page(tx, after=after, limit=BATCH)
    written = unreadable = 0
    for row in rows:
        try:
            malformed.reseal(tx, row.id, vault.rotate(row.payload))
        except InvalidToken:
            unreadable += 1
            continue
        written += 1
    return _Page(written, unreadable, rows[-1].id if rows else None)


def _sealed_anew(sealed: bytes | None, vault: MultiFernet) -> bytes | None:
    return vault.rotate(sealed) if sealed is not None else None
