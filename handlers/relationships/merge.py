"""Takes news of clients' relationships in: what a person's import does, and what a scheduled re-sync does (b.18 to b.27).

Both take the news: new relationships become pending items, the values of known ones follow XPM, team members that are tied
to a record follow its name, and what XPM no longer tells is marked. A person's import then puts everything before the
reviewers anew: ignored items come back, and pending ones that XPM no longer has are superseded. A re-sync does neither.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from portal_db.clients import history, relationships
from portal_db.clients.history import By, Change, text_of
from portal_db.clients.relationships import XPM_COLUMNS, XpmRelationship
from portal_db.database import Tx
from portal_db.states import ReviewState
from portal_db.tables import Relationship, TeamMember, XpmLink
from portal_db.upkeep import erasures

Key = tuple[str, UUID]
#: Fields whose changes a client's history tells; `also_told` only repeats what XPM's rows say.
TOLD = ("state", "label", "other_name", "number_of_shares", "percentage", "start_date", "end_date", "gone_at")


@dataclass(frozen=True, slots=True)
class RecordUpdate:
    """What a record in XPM says about one client's relationships, as of when we asked."""

    client_id: UUID
    xpm_uuid: UUID
    offers: Sequence[XpmRelationship]
    as_of: datetime
    content_hash: str


@dataclass(slots=True)
class MergeCounts:
    """What news led to. `touched` are the items that are new or changed, for whoever counts what is ambiguous."""

    clients: int = 0
    added: int = 0
    changed: int = 0
    ended: int = 0
    touched: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class _Written:
    new: list[dict[str, Any]] = field(default_factory=list)
    changed: list[dict[str, Any]] = field(default_factory=list)
    renamed: list[dict[str, Any]] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)
    history: list[Change] = field(default_factory=list)


def merge_updates(tx: Tx, by: By, news: Sequence[RecordUpdate], *, begun_at: datetime | None = None) -> MergeCounts:
    """Take news in, of any number of clients, by a few statements.

    A client that is not connected to that record any more is passed over, and so is a re-sync's news of one whose
    relationships nobody has imported since it was connected. News older than what was taken before changes no value.

    Args:
        begun_at: when a person's import (its epoch) was begun; `None` for a re-sync. One import counts once, and after a
            newer one not at all.
    """
    links = relationships.lock_links(tx, {item.client_id for item in news})
    rows = relationships.lock_rows(tx, list(links))
    members = _by_record(relationships.tied_members(tx, list(links)))
    erased = erasures.among(tx, by.practice_id, {offer.other_xpm_uuid for item in news for offer in item.offers})
    taken, written = MergeCounts(), _Written()
    for item in news:
        link = links.get(item.client_id)
        if link is None or link.xpm_uuid != item.xpm_uuid or (begun_at is None and link.synced_hash is None):
            continue
        if begun_at is not None and link.import_begun_at is not None and begun_at <= link.import_begun_at:
            continue
        offers = [offer for offer in item.offers if offer.other_xpm_uuid not in erased]
        is_news = link.told_as_of is None or link.told_as_of < item.as_of
        after = _after(tx, by, item, rows[item.client_id], offers if is_news else None, is_import=begun_at is not None)
        _note(by, rows[item.client_id], after, item.as_of, taken, written)
        if is_news:
            _rename(item, offers, members, written)
        written.told.append(_told(link, item, is_news, begun_at))
        taken.clients += 1
    _write(tx, by, written)
    return taken


def _after(
    tx: Tx,
    by: By,
    item: RecordUpdate,
    known: Iterable[Relationship],
    offers: Sequence[XpmRelationship] | None,
    *,
    is_import: bool,
) -> list[dict[str, Any]]:
    """The client's items as they are to be. `offers` is `None` where newer news was taken before."""
    rows = {(row.label_key, row.other_xpm_uuid): _columns(row) for row in known}
    if offers is not None:
        offered = {(offer.label_key, offer.other_xpm_uuid): offer for offer in offers}
        for key, offer in offered.items():
            row = rows.setdefault(key, _new(tx, by, item, offer))
            row |= {**asdict(offer), "gone_at": None}
            if row["state"] is ReviewState.SUPERSEDED:
                row["state"] = ReviewState.PENDING
        for key in rows.keys() - offered.keys():
            rows[key]["gone_at"] = rows[key]["gone_at"] or item.as_of
    if is_import:
        for row in rows.values():
            _offer_again(row)
    return list(rows.values())


def _offer_again(row: dict[str, Any]) -> None:
    """A person's import: what was ignored is offered again (b.20); what is no longer there is not (b.27)."""
    is_gone = row["gone_at"] is not None
    if is_gone and row["state"] is ReviewState.PENDING:
        row["state"] = ReviewState.SUPERSEDED
    elif not is_gone and row["state"] is ReviewState.IGNORED:
        row["state"] = ReviewState.PENDING


def _new(tx: Tx, by: By, item: RecordUpdate, offer: XpmRelationship) -> dict[str, Any]:
    fixed = {"practice_id": by.practice_id, "client_id": item.client_id, "import_id": by.import_id}
    state = {"state": ReviewState.PENDING, "team_member_id": None, "gone_at": None, "version": 0, "as_of": item.as_of}
    return {"id": tx.new_id(), **asdict(offer), **fixed, **state}


def _note(
    by: By,
    known: Sequence[Relationship],
    after: Sequence[dict[str, Any]],
    as_of: datetime,
    taken: MergeCounts,
    written: _Written,
) -> None:
    """Find out what changed; rows that did not are left alone."""
    before = {row.id: _columns(row) for row in known}
    for row in after:
        was = before.get(row["id"], {})
        changes = {name for name in (*XPM_COLUMNS, "state", "gone_at") if was.get(name) != row[name]}
        if not changes:
            continue
        row |= {"version": row["version"] + 1, "as_of": as_of, "import_id": by.import_id or row["import_id"]}
        (written.changed if was else written.new).append(row)
        taken.touched.append(row)
        taken.added += not was
        taken.ended += _has_ended(row) and not _has_ended(was)
        taken.changed += bool(was)
        written.history += _history(row, was, changes)


def _history(row: Mapping[str, Any], was: Mapping[str, Any], changes: Collection[str]) -> list[Change]:
    """Of a new item its state, of a known one each field that changed."""
    name = f"{row['label']}: {row['other_name']}"
    return [
        Change(
            row["client_id"], history.RELATIONSHIP, told, text_of(was.get(told)), text_of(row[told]), row["id"], name
        )
        for told in TOLD
        if told in changes and (was or told == "state")
    ]


def _has_ended(row: Mapping[str, Any]) -> bool:
    return bool(row) and (row["end_date"] is not None or row["gone_at"] is not None)


def _rename(
    item: RecordUpdate,
    offers: Iterable[XpmRelationship],
    members: Mapping[tuple[UUID, UUID], TeamMember],
    written: _Written,
) -> None:
    """Members who are tied to a record follow its name (b.19, b.21), unless a reviewer has amended it."""
    names = {offer.other_xpm_uuid: offer.other_name[:500] for offer in offers}
    for xpm_uuid, name in names.items():
        member = members.get((item.client_id, xpm_uuid))
        if member is None or member.name == name or member.name_is_override:
            continue
        written.renamed.append({"member_id": member.id, "new_name": name, "new_as_of": item.as_of})
        change = Change(item.client_id, history.TEAM_MEMBER, "name", member.name, name, member.id, name)
        written.history.append(change)


def _told(link: XpmLink, item: RecordUpdate, is_news: bool, begun_at: datetime | None) -> dict[str, Any]:
    return {
        "link_id": link.id,
        "new_told_as_of": item.as_of if is_news else link.told_as_of,
        "new_import_begun_at": begun_at or link.import_begun_at,
        "new_synced_hash": item.content_hash if is_news else link.synced_hash,
    }


def _write(tx: Tx, by: By, written: _Written) -> None:
    relationships.insert_rows(tx, written.new)
    relationships.write_rows(tx, written.changed)
    relationships.rename_members(tx, written.renamed)
    relationships.note_merged(tx, written.told)
    history.note(tx, by, written.history)


def _by_record(members: Collection[TeamMember]) -> dict[tuple[UUID, UUID], TeamMember]:
    return {(member.client_id, member.xpm_uuid): member for member in members if member.xpm_uuid is not None}


_COLUMNS = [column.key for column in Relationship.__table__.columns]


def _columns(row: Relationship) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _COLUMNS}
