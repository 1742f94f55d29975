"""Reads the review queue: each item with who is what to whom, whether it has ended, and the client that the other side is.

All of this is computed when it is read, so that it follows the directory and clients that are imported later.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from uuid import UUID

from handlers.access.caller import Caller
from handlers.directory.classification import Words, entity_type_of, kinds_of
from handlers.directory.records import read_record
from handlers.directory.structures import words_of
from handlers.paging import Page, exact_or_guess, read_id
from handlers.relationships import labels
from handlers.relationships.direction import ANYTHING, PERSON, Ambiguity, Direction, as_text, decide, possible_kinds
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

    `relationship` is the text for the team. `is_client` is the client that the other side is, if the reviewer may see one.
    Numbers that are missing here come from the other side's record. `suggests_co_owner`: the other side is a person's
    partner, who may share the account (b.23). `email`: the other side's address in XPM. A relationship of a record to itself
    is a slip in XPM and suggests nobody.
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
    email: str | None

    @property
    def is_pending(self) -> bool:
        return self.row.state is ReviewState.PENDING

    @property
    def suggested_relationship(self) -> str:
        """The text to begin with in the team. Digital forms understand Partner, not Spouse (facts on the portal §3)."""
        return "Partner" if self.suggests_co_owner else self.relationship


@dataclass(frozen=True, slots=True)
class Party:
    """Everything that awaits review about one person or entity around a client: one item for each role."""

    client: Client
    name: str
    items: Sequence[Item]

    @property
    def first(self) -> Item:
        return self.items[0]


def by_party(items: Iterable[Item]) -> list[Party]:
    """Items grouped by client and other party, in the order of their first items."""
    found: dict[tuple[UUID, UUID], list[Item]] = {}
    for item in items:
        found.setdefault((item.client.id, item.row.other_xpm_uuid), []).append(item)
    return [Party(group[0].client, group[0].row.other_name, group) for group in found.values()]


def page(database: Database, caller: Caller, wanted: ReviewFilter, *, cursor: str | None, limit: int) -> Page[Item]:
    """Items of clients that the caller may see, newest first.

    Raises:
        RequestRefused: the cursor is not valid.
    """
    after = read_id(cursor)
    with database.read() as tx:

        def find(after: UUID | None, limit: int, is_guess: bool) -> list[ReviewItem]:
            return review_items.page(tx, caller.viewer, replace(wanted, is_guess=is_guess), after=after, limit=limit)

        found, is_guess = exact_or_guess(find, after, limit + 1)
        items = read(tx, caller.practice_id, found[:limit])
    return Page(items, str(items[-1].row.id) if len(found) > limit else None, is_guess)


def of_ids(database: Database, caller: Caller, item_ids: Collection[UUID]) -> list[Item]:
    """Those of these items that the caller may see, whatever their state."""
    with database.read() as tx:
        return read(tx, caller.practice_id, review_items.of_ids(tx, caller.viewer, item_ids))


def of_client(tx: Tx, caller: Caller, client_id: UUID, states: Collection[ReviewState]) -> list[Item]:
    """The items of a client that the caller may see, ordered by label."""
    return read(tx, caller.practice_id, review_items.of_client(tx, caller.viewer, client_id, states))


def read(tx: Tx, practice_id: UUID, found: Sequence[ReviewItem]) -> list[Item]:
    """Compute a practice's items from their rows."""
    others = review_items.other_parties(tx, [queued.row.id for queued in found]) if found else {}
    today = database_time(tx.session).date()
    words = words_of(tx, practice_id) if found else {}
    return [_item(queued, others.get(queued.row.id), words, today) for queued in found]


def kinds_of_record(record: XpmClient, words: Words) -> frozenset[str]:
    """What a record's client may be, by XPM and the practice's own words."""
    return possible_kinds(kinds_of(record, words), entity_type_of(record, words))


def _item(queued: ReviewItem, other: OtherParty | None, words: Words, today: date) -> Item:
    row, client = queued.row, queued.client
    record = read_record(other.record) if other is not None else None
    same = [each for each in record.relationships if _is_same(each, row, other)] if record is not None else []
    other_kinds = kinds_of_record(record, words) if record is not None else ANYTHING
    client_kinds = possible_kinds(frozenset({client.kind}), client.entity_type)
    own_labels = labels.read_labels(row.label, row.also_told)
    reading = decide(own_labels, client_kinds, other_kinds, [labels.read(each.label) for each in same])
    theirs = next(iter(labels.combine_rows(same)), None)
    between_people = client.kind is ClientKind.INDIVIDUAL and PERSON in other_kinds
    is_slip = queued.is_to_itself
    return Item(
        row,
        client,
        None if is_slip else queued.suggestion,
        reading.direction,
        Ambiguity.TO_ITSELF if is_slip else reading.ambiguity,
        as_text(row.label, reading.direction)[:100],
        number_of_shares=row.number_of_shares or (theirs.number_of_shares if theirs else None),
        percentage=row.percentage or (theirs.percentage if theirs else None),
        start_date=row.start_date or (theirs.start_date if theirs else None),
        has_ended=row.gone_at is not None or (row.end_date is not None and row.end_date <= today),
        suggests_co_owner=between_people and not is_slip and row.label_key in ("spouse", "partner"),
        email=record.email if record is not None else None,
    )


def _is_same(their_row: RelationshipRecord, row: Relationship, other: OtherParty | None) -> bool:
    """Whether a row of the other side's record describes the same relationship."""
    is_about_client = other is not None and their_row.related_uuid == other.own_xpm_uuid
    return is_about_client and labels.read(their_row.label).role == row.label_key
