"""Producers: the programs that request imports by queue message. Each signs its messages and is bound to practices.

Whoever can write to Redis could otherwise have an invitation to any client sent to any address. The secret is shown once and
kept encrypted, since it is needed to check signatures.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from cryptography.fernet import InvalidToken, MultiFernet

from handlers import refusals
from handlers.access.practices import BY_COMMAND_LINE, require_practice
from handlers.fields import SHORT_LINE, validated
from portal_db.access import producers
from portal_db.access.producers import KnownProducer
from portal_db.database import Database

PREFIX = "pqs_"
#: The fields of a message that say who signed it; all others are what is signed.
_SIGNATURE_FIELDS = ("producer", "signature")
#: How long a replaced secret is still accepted, so that the program can be given the new one: a day.
OVERLAP_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class MadeProducer:
    """A producer's new secret, shown only once."""

    producer_id: UUID
    secret: str


def add(database: Database, vault: MultiFernet, name: str, practice_ids: Collection[UUID]) -> MadeProducer:
    """Make a producer that may request imports for these practices.

    Raises:
        RequestRefused: a bad name, no practice, or one that does not exist.
    """
    name = validated(SHORT_LINE, name, "name")
    if not practice_ids:
        raise refusals.UNKNOWN_PRACTICE()
    secret = _new_secret()
    with database.write() as tx:
        for practice_id in practice_ids:
            require_practice(tx, practice_id)
        producer_id: UUID = tx.new_id()
        row = {"id": producer_id, "name": name, "secret": vault.encrypt(secret.encode())}
        producers.add(tx, row, set(practice_ids))
        for practice_id in set(practice_ids):
            BY_COMMAND_LINE.audit(tx, "producer.add", "producer", producer_id, practice_id)
    return MadeProducer(producer_id, secret)


def listing(database: Database) -> list[KnownProducer]:
    """All producers, revoked ones too, newest first."""
    with database.read() as tx:
        return producers.listing(tx)


def rotate(database: Database, vault: MultiFernet, producer_id: UUID) -> MadeProducer:
    """Give a producer another secret; the old one is accepted for another day. Another rotation within it replaces the new
    secret only.

    Raises:
        RequestRefused: there is no such producer, or it was revoked.
    """
    secret = _new_secret()
    with database.write() as tx:
        sealed = vault.encrypt(secret.encode())
        if not producers.replace_secret(tx, producer_id, sealed, overlap_seconds=OVERLAP_SECONDS):
            raise refusals.UNKNOWN_PRODUCER()
        BY_COMMAND_LINE.audit(tx, "producer.rotate", "producer", producer_id, None)
    return MadeProducer(producer_id, secret)


def revoke(database: Database, producer_id: UUID) -> None:
    """Refuse what a producer signs from now on.

    Raises:
        RequestRefused: there is no such producer, or it was revoked.
    """
    with database.write() as tx:
        if not producers.revoke(tx, producer_id):
            raise refusals.UNKNOWN_PRODUCER()
        BY_COMMAND_LINE.audit(tx, "producer.revoke", "producer", producer_id, None)


def require_signed(database: Database, vault: MultiFernet, fields: Mapping[str, Any]) -> None:
    """Pass if a producer that serves the practice has signed these fields.

    The same message again passes too: its `request_id` makes it the same import.

    Raises:
        RequestRefused: it is not signed, not by a producer that we know, or for a practice that the producer does not serve.
    """
    given, signed_by = fields.get("signature"), _as_id(fields.get("producer"))
    if given is None:
        raise refusals.UNSIGNED_REQUEST()
    if not isinstance(given, str) or signed_by is None:
        raise refusals.BAD_SIGNATURE()
    with database.read() as tx:
        sealed = producers.live_secrets(tx, signed_by)
        practice_id = _as_id(fields.get("practice_id"))
        serves = practice_id is not None and producers.serves(tx, signed_by, practice_id)
    try:
        known = [vault.decrypt(secret).decode() for secret in sealed]
        expected = [signature(secret, fields).encode() for secret in known]
    except InvalidToken:
        raise refusals.PRODUCER_SECRET_LOST() from None
    except (ValueError, RecursionError):  # half a surrogate pair, or nested without end: nobody can have signed it
        raise refusals.BAD_SIGNATURE() from None
    if not any(hmac.compare_digest(each, given.encode(errors="replace")) for each in expected):
        raise refusals.BAD_SIGNATURE()
    if not serves:
        raise refusals.NOT_ITS_PRACTICE()


def signature(secret: str, fields: Mapping[str, Any]) -> str:
    """HMAC-SHA256 of the request in its canonical form, in hexadecimal digits."""
    return hmac.new(secret.encode(), canonical(fields), hashlib.sha256).hexdigest()


def unsigned(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What a request asks for, without its signature."""
    return {name: value for name, value in fields.items() if name not in _SIGNATURE_FIELDS}


def canonical(fields: Mapping[str, Any]) -> bytes:
    """The fields of a request without its signature, always written the same: JSON in UTF-8 with sorted names and without
    spaces (RFC 8785, of which a request of texts, yes and no needs nothing else).

    Raises:
        ValueError, RecursionError: they have no such form.
    """
    return json.dumps(
        unsigned(fields), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def _new_secret() -> str:
    return PREFIX + secrets.token_urlsafe(32)


def _as_id(value: Any) -> UUID | None:
    try:
        return UUID(value)
    except (AttributeError, TypeError, ValueError):
        return None
