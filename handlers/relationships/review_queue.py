"""The review queue, read: each item with who is what to whom, whether it has ended, and the client its other side is.

All of that is worked out at reading, so that it follows what the directory learns and what becomes a client later.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from handlers import refusals
from handlers.access.caller import Caller
from handlers.directory.classification import Words, entity_type_of, kinds_of
from handlers.directory.records import read_record
from handlers.directory.structures import words_of
from handlers.paging import Page
from handlers.relationships import labels
from handlers.relationships.direction import ANYTHING, PERSON, Ambiguity, Direction, as_text, decide, what_may_be
from handlers.relationships.labels import combine_rows
from portal_db.clients import review_items
from portal_db.clients.review_items import OtherParty, ReviewFilter, ReviewItem
from portal_db.database import Database, Tx
from portal_db.states import ClientKind, ReviewState
from portal_db.tables import Client, Relationship
from portal_db.types import database_time
from xpm.records import RelationshipRecord, XpmClient


@dataclass(frozen=True, slots=True)
class Item:
    """A relationship in review, as a reviewer sees it.

    `relationship` is what the other side would be called in Team. `is_client` is the client in sight that the other side is.
    Numbers that only the other side's record tells are theirs. `suggests_co_owner`: it is the partner of a person, who may
    share the account (b.23).
    """

    row: Relationship
    client: Client
    is_client: Client | None
    direction: Direction
    ambiguity: Ambiguity | None
    relationship: str
    number_of_shares: int | None
    percentage: Decimal | None
    start_date: date | None
    has_ended: bool
    suggests_co_owner: bool


def page(database: Database, caller: Caller, wanted: ReviewFilter, *, cursor: str | None, limit: int) -> Page[Item]:
    """Items of clients that the caller may see, the newest first.

    Raises:
        RequestRefused: the cursor is not one of ours.
    """
    after = _read_cursor(cursor)
    with database.read() as tx:
        found = review_items.page(tx, caller.viewer, wanted, after=after, limit=limit + 1)
        items = read(tx, caller.practice_id, found[:limit])
    return Page(items, str(items[-1].row.id) if len(found) > limit else None)


def of_client(tx: Tx, caller: Caller, client_id: UUID, states: Collection[ReviewState]) -> list[Item]:
    """The items of a client that the caller may see, in the order of their labels."""
    return read(tx, caller.practice_id, review_items.of_client(tx, caller.viewer, client_id, states))


def read(tx: Tx, practice_id: UUID, found: Sequence[ReviewItem]) -> list[Item]:
    """Work out what items of a practice say."""
    beside = review_items.other_parties(tx, [queued.row.id for queued in found]) if found else {}
    today = database_time(tx.session).date()
    words = words_of(tx, practice_id) if found else {}
    return [_item(queued, beside.get(queued.row.id), words, today) for queued in found]


def _item(queued: ReviewItem, beside: OtherParty | None, words: Words, today: date) -> Item:
    row, client = queued.row, queued.client
    theirs = read_record(beside.record) if beside is not None else None
    told_there = [each for each in theirs.relationships if _is_same(each, row, beside)] if theirs else []
    other = what_is(theirs, words) if theirs is not None else ANYTHING
    ours = what_may_be(frozenset({client.kind}), client.entity_type)
    reading = decide(_told(row), ours, other, [labels.read(each.label) for each in told_there])
    there = next(iter(combine_rows(told_there)), None)
    between_people = client.kind is ClientKind.INDIVIDUAL and PERSON in other
    return Item(
        row,
        client,
        queued.suggestion,
        reading.direction,
        reading.ambiguity,
        as_text(row.label, reading.direction)[:100],
        number_of_shares=row.number_of_shares or (there.number_of_shares if there else None),
        percentage=row.percentage or (there.percentage if there else None),
        start_date=row.start_date or (there.start_date if there else None),
        has_ended=row.gone_at is not None or (row.end_date is not None and row.end_date <= today),
        suggests_co_owner=between_people and row.label_key in ("spouse", "partner"),
    )


def _is_same(there: RelationshipRecord, row: Relationship, beside: OtherParty | None) -> bool:
    """Whether a row of the other side's record tells the same relationship."""
    is_about_us = beside is not None and there.related_uuid == beside.own_xpm_uuid
    return is_about_us and labels.read(there.label).role == row.label_key


def what_is(record: XpmClient, words: Words) -> frozenset[str]:
    """What the record's client may be, as far as XPM and the practice's own words say."""
    return what_may_be(kinds_of(record, words), entity_type_of(record, words))


def _told(row: Relationship) -> list[labels.Label]:
    folded: Sequence[Mapping[str, Any]] = row.also_told or ()
    return [labels.read(label) for label in (row.label, *(each["label"] for each in folded))]


def _read_cursor(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        raise refusals.BAD_CURSOR() from None
