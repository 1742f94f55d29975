"""Merges XPM's relationships of clients into the portal's, for a person's import and for a scheduled re-sync (b.18 to b.27).

In both, new relationships become pending items, known ones take XPM's values, team members that are linked to a record take
its name, and relationships that are no longer in XPM are marked as gone. A person's import also offers everything for review
again: ignored items become pending, and pending items that are gone are superseded. A re-sync does neither.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from portal_db import bulk
from portal_db.clients import history, relationships
from portal_db.clients.history import By, Change, text_of
from portal_db.clients.relationships import XPM_COLUMNS, XpmRelationship
from portal_db.database import Tx
from portal_db.states import ReviewState
from portal_db.tables import Relationship, TeamMember
from portal_db.upkeep import erasures

#: Fields whose changes are in a client's history; `also_told` only repeats XPM's rows.
_IN_HISTORY = ("state", "label", "other_name", "number_of_shares", "percentage", "start_date", "end_date", "gone_at")
_COLUMNS = [column.key for column in Relationship.__table__.columns]


@dataclass(frozen=True, slots=True)
class RecordUpdate:
    """What a client's record in XPM reports about its relationships, and who merges it.

    Args:
        as_of: when XPM was asked.
        begun_at: when a person's import (its epoch) began; `None` for a re-sync. One import counts once, and not at all
            after a newer one.
        is_whole: whether what is not reported is no longer in XPM.
    """

    client_id: UUID
    xpm_uuid: UUID
    reported: Sequence[XpmRelationship]
    as_of: datetime
    content_hash: str
    by: By
    begun_at: datetime | None = None
    is_whole: bool = True


@dataclass(slots=True)
class Merged:
    """What a merge writes: items by their columns, renamed team members, merged links, and the history. `ended`: how many
    items ended. `linked`: the clients with the records that they are connected to, of those that the updates name."""

    new: list[dict[str, Any]] = field(default_factory=list)
    changed: list[dict[str, Any]] = field(default_factory=list)
    renamed: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    links: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    history: list[tuple[By, Change]] = field(default_factory=list)
    ended: int = 0
    linked: set[tuple[UUID, UUID]] = field(default_factory=set)


def merge_updates(tx: Tx, practice_id: UUID, updates: Sequence[RecordUpdate]) -> Merged:
    """Merge updates of any number of a practice's clients, by a few statements.

    Skips clients that are no longer connected to that record, and in a re-sync those whose relationships were never
    imported since they were connected. An update that is older than the last one changes no value.
    """
    links = relationships.lock_links(tx, {update.client_id for update in updates})
    rows = relationships.lock_rows(tx, list(links))
    tied = relationships.tied_members(tx, list(links)) if any(rows.values()) else []
    members = {(each.client_id, each.xpm_uuid): each for each in tied}
    others = {each.other_xpm_uuid for update in updates for each in update.reported}
    erased = erasures.among(tx, practice_id, others)
    # A directory that practices share says nothing of people whom one of them has erased.
    withheld = erasures.elsewhere(tx, practice_id, {row.other_xpm_uuid for known in rows.values() for row in known})
    merged = Merged()
    for update in updates:
        link, begun_at = links.get(update.client_id), update.begun_at
        if link is None or link.practice_id != practice_id or link.xpm_uuid != update.xpm_uuid:
            continue
        merged.linked.add((update.client_id, update.xpm_uuid))
        if begun_at is None and link.synced_hash is None:
            continue
        if begun_at is not None and link.import_begun_at is not None and begun_at <= link.import_begun_at:
            continue
        known = rows[update.client_id]
        reported = [each for each in update.reported if each.other_xpm_uuid not in erased]
        is_newer = link.told_as_of is None or link.told_as_of < update.as_of
        after = _merge(tx, update, known, reported if is_newer else None, withheld)
        _collect_changes(update, known, after, merged)
        if is_newer:
            _rename_members(update, reported, members, merged)
        merged.links[link.id] = {
            "told_as_of": update.as_of if is_newer else link.told_as_of,
            "import_begun_at": begun_at or link.import_begun_at,
            "synced_hash": update.content_hash if is_newer else link.synced_hash,
        }
    with bulk.together(tx, with_next=True):
        relationships.insert_rows(tx, merged.new)
        relationships.write_rows(tx, merged.changed)
        relationships.rename_members(tx, merged.renamed)
        relationships.note_merged(tx, merged.links)
        history.note_all(tx, merged.history)
    return merged


def _merge(
    tx: Tx,
    update: RecordUpdate,
    known: Iterable[Relationship],
    reported: Sequence[XpmRelationship] | None,
    withheld: Collection[UUID],
) -> list[dict[str, Any]]:
    """The client's items after the merge.

    Args:
        reported: `None` if a newer update was merged before.
        withheld: other sides of which the update may say nothing although XPM does.
    """
    rows = {(row.label_key, row.other_xpm_uuid): _columns(row) for row in known}
    if reported is not None:
        current = {(each.label_key, each.other_xpm_uuid): each for each in reported}
        for key, relationship in current.items():
            row = rows.get(key)
            if row is None:
                row = rows[key] = _new(tx, update)
            kept = {name: row[name] for name in relationship.unknown & row.keys()}
            row |= {**relationship.columns(), **kept, "gone_at": None}
            if row["state"] is ReviewState.SUPERSEDED:
                row["state"] = ReviewState.PENDING
        for key in rows.keys() - current.keys() if update.is_whole else ():
            if key[1] not in withheld:
                rows[key]["gone_at"] = rows[key]["gone_at"] or update.as_of
    if update.begun_at is not None:
        for row in rows.values():
            _offer_again(row)
    return list(rows.values())


def _offer_again(row: dict[str, Any]) -> None:
    """A person's import offers ignored items again (b.20), and withdraws pending ones that are gone (b.27)."""
    is_gone = row["gone_at"] is not None
    if is_gone and row["state"] is ReviewState.PENDING:
        row["state"] = ReviewState.SUPERSEDED
    elif not is_gone and row["state"] is ReviewState.IGNORED:
        row["state"] = ReviewState.PENDING


def _new(tx: Tx, update: RecordUpdate) -> dict[str, Any]:
    """A new item, without what XPM reports of it."""
    fixed = {"practice_id": update.by.practice_id, "client_id": update.client_id, "import_id": update.by.import_id}
    state = {"state": ReviewState.PENDING, "team_member_id": None, "gone_at": None, "version": 0, "as_of": update.as_of}
    return {"id": tx.new_id(), **fixed, **state}


def _collect_changes(
    update: RecordUpdate, known: Sequence[Relationship], after: Sequence[dict[str, Any]], merged: Merged
) -> None:
    """Add the items that are new or changed; the others are not written."""
    before = {row.id: _columns(row) for row in known}
    for row in after:
        was = before.get(row["id"], {})
        changes = {name for name in (*XPM_COLUMNS, "state", "gone_at") if was.get(name) != row[name]}
        if not changes:
            continue
        import_id = update.by.import_id or row["import_id"]
        row |= {"version": row["version"] + 1, "as_of": update.as_of, "import_id": import_id}
        (merged.changed if was else merged.new).append(row)
        merged.ended += _has_ended(row) and not _has_ended(was)
        merged.history += [(update.by, change) for change in _history(row, was, changes)]


def _history(row: Mapping[str, Any], was: Mapping[str, Any], changes: Collection[str]) -> list[Change]:
    """The state of a new item; each changed field of a known one."""
    about = (row["id"], f"{row['label']}: {row['other_name']}")
    return [
        Change(row["client_id"], history.RELATIONSHIP, name, text_of(was.get(name)), text_of(row[name]), *about)
        for name in _IN_HISTORY
        if name in changes and (was or name == "state")
    ]


def _has_ended(row: Mapping[str, Any]) -> bool:
    return bool(row) and (row["end_date"] is not None or row["gone_at"] is not None)


def _rename_members(
    update: RecordUpdate,
    reported: Iterable[XpmRelationship],
    members: Mapping[tuple[UUID, UUID | None], TeamMember],
    merged: Merged,
) -> None:
    """Linked team members take their record's name (b.19, b.21), unless a reviewer has amended it."""
    names = {each.other_xpm_uuid: each.other_name[:500] for each in reported if "other_name" not in each.unknown}
    for xpm_uuid, name in names.items():
        member = members.get((update.client_id, xpm_uuid))
        if member is None or member.name == name or member.name_is_override:
            continue
        merged.renamed[member.id] = {"name": name, "as_of": update.as_of}
        change = Change(update.client_id, history.TEAM_MEMBER, "name", member.name, name, member.id, name)
        merged.history.append((update.by, change))


def _columns(row: Relationship) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _COLUMNS}
