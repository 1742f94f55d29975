"""API keys of a practice: create, list, replace and revoke them, and recognise them at each call.

A key is 256 bits of chance, so its plain SHA-256 is all that is kept; whoever lost it makes another.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from pydantic import ValidationError

from handlers import refusals
from handlers.access import sign_in_log
from handlers.access.act import Actor
from handlers.access.caller import Caller, Scope
from handlers.access.origin import Origin
from handlers.access.practices import require_practice
from handlers.access.tokens import hashed
from handlers.fields import SHORT_LINE
from portal_db.access import credentials, people
from portal_db.database import Database, Tx
from portal_db.tables import ApiKey

PREFIX = "psk_"
HINT = 10
#: How long a replaced key still works, so that programs can be given the new one: a day.
OVERLAP_SECONDS = 24 * 3600.0
LONGEST_DAYS = 3650
#: How long before its end people are warned.
ENDING = timedelta(days=14)
#: Recorded only every few minutes: not every call may cause a write.
USE_NOTED_EVERY = timedelta(minutes=5)


@dataclass(frozen=True)
class MadeKey:
    """A new key. `secret` is shown only once."""

    key_id: UUID
    secret: str


def add(
    database: Database,
    practice_id: UUID,
    name: str,
    scopes: Collection[Scope],
    *,
    days: int | None = None,
    by: UUID | None = None,
) -> MadeKey:
    """Make a key.

    Args:
        days: after which it ends; without them it lasts until somebody ends it.
        by: the staff member who makes it; without one it is an operator.

    Raises:
        RequestRefused: no such practice, a bad name, no scope, or days that do not fit.
    """
    try:
        name = SHORT_LINE.validate_python(name)
    except ValidationError:
        raise refusals.BAD_FIELD(field="name", reason="must be one line of 1 to 200 characters") from None
    if not scopes:
        raise refusals.NO_SCOPES()
    if days is not None and not 1 <= days <= LONGEST_DAYS:
        raise refusals.BAD_FIELD(field="days", reason=f"must be 1 to {LONGEST_DAYS}")
    with database.write() as tx:
        require_practice(tx, practice_id)
        return _make(tx, practice_id, name, sorted(scopes), "api_key.add", days, by)


def rotate(database: Database, key_id: UUID, *, practice_id: UUID, by: UUID | None = None) -> MadeKey:
    """Replace a key with a new one, which lasts as long as the old one did; the old one works for another day.

    Raises:
        RequestRefused: the practice has no such key, or it has ended.
    """
    with database.write() as tx:
        old = credentials.end_key(tx, key_id, practice_id=practice_id, after_seconds=OVERLAP_SECONDS)
        if old is None:
            raise refusals.UNKNOWN_KEY()
        return _make(tx, practice_id, old.name, old.scopes, "api_key.rotate", old.lifetime_days, by)


def revoke(database: Database, key_id: UUID, *, practice_id: UUID, by: UUID | None = None) -> None:
    """Revoke a key now.

    Raises:
        RequestRefused: the practice has no such key, or it has ended.
    """
    with database.write() as tx:
        if credentials.end_key(tx, key_id, practice_id=practice_id) is None:
            raise refusals.UNKNOWN_KEY()
        Actor.of(by).audit(tx, "api_key.revoke", "api_key", key_id, practice_id)


def listing(database: Database, practice_id: UUID) -> list[ApiKey]:
    """A practice's keys, revoked ones too, newest first."""
    with database.read() as tx:
        return credentials.keys_of(tx, practice_id)


def recognise(database: Database, secret: str, staff_id: UUID, origin: Origin) -> Caller | None:
    """The caller who uses this key for this staff member. Its practice can read in the sign-in log when a key is refused.

    Returns:
        `None` when there is no such key (any more).

    Raises:
        RequestRefused: nobody with this id works at the key's practice.
    """
    with database.read() as tx:
        found = credentials.key(tx, hashed(secret))
        if found is None:
            return None
        key, is_live = found
        staff = people.at_work(tx, staff_id, practice_id=key.practice_id)
    if not is_live:
        note_refused(database, key, origin, "it has ended")
        return None
    if staff is None:
        note_refused(database, key, origin, "it names nobody who works here")
        raise refusals.UNKNOWN_STAFF(field="X-Staff-Id")
    if key.last_used_at is None or key.last_used_at < database.sources.now() - USE_NOTED_EVERY:
        with database.write() as tx:
            credentials.note_use(tx, key.id)
    known = frozenset(Scope)
    return Caller.of(staff, frozenset(Scope(name) for name in key.scopes if name in known), key)


def is_ending(key: ApiKey, now: datetime) -> bool:
    """Whether a key that still works ends so soon that people should replace it."""
    return key.ends_at is not None and now < key.ends_at <= now + ENDING


def note_refused(database: Database, key: ApiKey, origin: Origin, why: str) -> None:
    """Record in the sign-in log of its practice that a key was refused, once an hour for each reason."""
    with database.write() as tx:
        sign_in_log.note_refused_key(tx, key.practice_id, origin, f"{key.hint}…: {why}")


def _make(
    tx: Tx, practice_id: UUID, name: str, scopes: Collection[str], action: str, days: int | None, by: UUID | None
) -> MadeKey:
    secret = PREFIX + secrets.token_urlsafe(32)
    key_id: UUID = tx.new_id()
    row = {"id": key_id, "practice_id": practice_id, "name": name, "scopes": [str(scope) for scope in scopes]}
    row |= {"key_hash": hashed(secret), "hint": secret[:HINT], "lifetime_days": days, "made_by": by}
    credentials.add_key(tx, row, seconds=days * 86_400.0 if days is not None else None)
    Actor.of(by).audit(tx, action, "api_key", key_id, practice_id, after=", ".join(scopes))
    return MadeKey(key_id, secret)
