"""What a reviewer does with an item: Import, Ignore, Link to existing (b.19 to b.26).

None of them invites anybody (b.24). Of two reviewers the first decides, and the second gets a refusal (b.26).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from handlers import refusals
from handlers.access import taken_addresses
from handlers.access.caller import Caller
from handlers.email import addresses
from handlers.errors import RequestRefused
from handlers.relationships import review_queue
from handlers.relationships.review_queue import Item
from portal_db.access import people
from portal_db.clients import history, review_items, team
from portal_db.clients.history import By, Change
from portal_db.clients.review_items import ReviewItem
from portal_db.database import Database, Tx
from portal_db.states import ChangeSource, ClientKind, FieldSource, LoginKind, ReviewState
from portal_db.tables import TeamMember

#: The length of `team_members.relationship`.
LONGEST_RELATIONSHIP = 100


@dataclass(frozen=True, slots=True)
class Chosen:
    """An item, in the version that the reviewer looked at."""

    item_id: UUID
    version: int


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What the reviewer confirmed or amended; without a name, XPM's name is used."""

    name: str | None = None
    relationship: str | None = None
    email: str | None = None
    as_co_owner: bool = False


def import_item(database: Database, caller: Caller, chosen: Chosen, given: Confirmed) -> Item:
    """Add the other side to the client's team, linked to its XPM record. A record links to one member: a second
    relationship with the same person or entity is added to the existing member.

    Raises:
        RequestRefused: the item is not found or not visible to them; another reviewer was faster; or a value is not valid.
    """
    login_email = given.email if given.as_co_owner else None
    with taken_addresses.counted(database, caller.practice_id, login_email), database.write() as tx:
        item = _decide(tx, caller, chosen, ReviewState.IMPORTED)
        member = team.tied_to(tx, item.client.id, item.row.other_xpm_uuid)
        values = _imported(tx, item, given, member)
        member_id = _write_member(tx, caller, item, member, values)
        if given.as_co_owner:
            _make_co_owner(tx, member_id, given.email)
        return _link_member(tx, caller, item, member_id)


def import_items(database: Database, caller: Caller, chosen: Sequence[Chosen]) -> set[UUID]:
    """Import those of the chosen items that are still pending and unchanged since the reviewer saw them, each with the name
    and relationship that is suggested for it, and nobody as a co-owner.

    Returns:
        Their ids. The others were decided by somebody else, or are not visible to the caller.
    """
    items = review_queue.of_ids(database, caller, {each.item_id for each in chosen})
    found = {item.row.id: item for item in items}
    imported = set()
    for each in chosen:
        item = found.get(each.item_id)
        with suppress(RequestRefused):
            if item is not None:
                import_item(database, caller, each, Confirmed(relationship=item.suggested_relationship))
                imported.add(each.item_id)
    return imported


def link_item(database: Database, caller: Caller, chosen: Chosen, member_id: UUID) -> Item:
    """Link an existing team member to the XPM record, and replace the member's values with XPM's (b.22).

    Raises:
        RequestRefused: as `import_item`; the member is not of this client; or one of the two is linked already.
    """
    with database.write() as tx:
        item = _decide(tx, caller, chosen, ReviewState.LINKED)
        record = item.row.other_xpm_uuid
        member = team.get(tx, item.client.id, member_id)
        if member is None:
            raise refusals.UNKNOWN_MEMBER()
        tied = team.tied_to(tx, item.client.id, record)
        if member.xpm_uuid not in (None, record) or (tied is not None and tied.id != member_id):
            raise refusals.MEMBER_LINKED()
        relationship = _combined(member if tied else None, item.relationship)
        values = _member_values(item, item.row.other_name[:500], relationship)
        _write_member(tx, caller, item, member, values)
        return _link_member(tx, caller, item, member_id)


def ignore_item(database: Database, caller: Caller, chosen: Chosen) -> Item:
    """Hide an item until the next import (b.20).

    Raises:
        RequestRefused: the item is not found or not visible to them, or another reviewer was faster.
    """
    with database.write() as tx:
        item = _decide(tx, caller, chosen, ReviewState.IGNORED)
        _note_state(tx, caller, [item.row], ReviewState.IGNORED)
        return item


def ignore_items(database: Database, caller: Caller, chosen: Sequence[Chosen]) -> set[UUID]:
    """Ignore those of the chosen items that are still pending and unchanged since the reviewer saw them (b.25).

    Returns:
        Their ids. The others were decided by somebody else, or are not visible to the caller.
    """
    with database.write() as tx:
        ignored = review_items.ignore(tx, caller.viewer, [(each.item_id, each.version) for each in chosen])
        _note_state(tx, caller, ignored, ReviewState.IGNORED)
        return {row.id for row in ignored}


def _decide(tx: Tx, caller: Caller, chosen: Chosen, state: ReviewState) -> Item:
    """Decide about an item in the version that the reviewer saw, and return it as decided."""
    review_items.lock_client(tx, _require_item(tx, caller, chosen.item_id).client.id)
    if not review_items.decide(tx, chosen.item_id, chosen.version, state):
        raise _too_late(tx, caller, chosen.item_id)
    return review_queue.read(tx, caller.practice_id, [_require_item(tx, caller, chosen.item_id)])[0]


def _require_item(tx: Tx, caller: Caller, item_id: UUID) -> ReviewItem:
    found = review_items.get(tx, caller.viewer, item_id)
    if found is None:
        raise refusals.UNKNOWN_ITEM()
    return found


def _too_late(tx: Tx, caller: Caller, item_id: UUID) -> RequestRefused:
    now = review_items.get(tx, caller.viewer, item_id)
    if now is not None and now.row.state is ReviewState.PENDING:
        return refusals.ITEM_CHANGED()
    if now is not None and now.row.state is ReviewState.SUPERSEDED:
        return refusals.ITEM_SUPERSEDED()
    return refusals.ALREADY_REVIEWED()


def _imported(tx: Tx, item: Item, given: Confirmed, member: TeamMember | None) -> dict[str, Any]:
    """The member's values by an import; the relationship is required, except for a co-owner (b.23)."""
    if given.relationship is None and not given.as_co_owner:
        raise refusals.RELATIONSHIP_MISSING()
    if given.as_co_owner and item.client.kind is ClientKind.ENTITY:
        raise refusals.NOT_A_PERSON()
    name = given.name or (member.name if member else item.row.other_name[:500])
    values = _member_values(item, name, _combined(member, given.relationship or item.relationship))
    if given.email is not None:
        if member is not None and team.is_co_owner(tx, member.id):
            raise refusals.CO_OWNER_ALREADY(field="email")
        values["email"] = addresses.normalise_requested(given.email)[0]
    return values


def _member_values(item: Item, name: str, relationship: str) -> dict[str, Any]:
    return {
        "name": name,
        "name_is_override": name != item.row.other_name[:500],
        "relationship": relationship,
        "xpm_uuid": item.row.other_xpm_uuid,
        "source": FieldSource.XPM,
        "as_of": item.row.as_of,
    }


def _combined(member: TeamMember | None, relationship: str) -> str:
    """A member's relationship, after any that the member has already."""
    if member is None:
        return relationship
    known = member.relationship.split(", ")
    both = member.relationship if relationship in known else f"{member.relationship}, {relationship}"
    return both if len(both) <= LONGEST_RELATIONSHIP else member.relationship


def _make_co_owner(tx: Tx, member_id: UUID, email: str | None) -> None:
    """Give the co-owner a login, which reserves the address, without an invitation; the unique index decides."""
    if email is None:
        raise refusals.CO_OWNER_EMAIL_MISSING()
    if team.is_co_owner(tx, member_id):
        raise refusals.CO_OWNER_ALREADY(field="as_co_owner")
    address, email_key = addresses.normalise_requested(email)
    login_id = tx.new_id()
    if not people.add_login(tx, login_id, LoginKind.CLIENT, address, email_key):
        raise refusals.CO_OWNER_EMAIL_TAKEN()
    team.make_co_owner(tx, member_id, login_id)


def _write_member(tx: Tx, caller: Caller, item: Item, member: TeamMember | None, values: dict[str, Any]) -> UUID:
    """Add a member, or change an existing one, and add the changes to the history."""
    member_id = member.id if member is not None else tx.new_id()
    if member is None:
        fixed = {"id": member_id, "practice_id": caller.practice_id, "client_id": item.client.id}
        team.add(tx, {"email": None, **values, **fixed})
    else:
        team.change(tx, member_id, values)
    before = {name: getattr(member, name, None) for name in ("name", "relationship", "email")}
    changes = [
        Change(item.client.id, history.TEAM_MEMBER, name, before[name], values[name], member_id, values["name"])
        for name in before
        if name in values and values[name] != before[name]
    ]
    history.note(tx, _by(caller), changes)
    return member_id


def _link_member(tx: Tx, caller: Caller, item: Item, member_id: UUID) -> Item:
    """Link the decided item to its member. Its version was counted when it was decided."""
    review_items.tie(tx, item.row.id, member_id)
    _note_state(tx, caller, [item.row], item.row.state)
    return review_queue.read(tx, caller.practice_id, [_require_item(tx, caller, item.row.id)])[0]


def _note_state(tx: Tx, caller: Caller, rows: Sequence[Any], state: ReviewState) -> None:
    kind, pending = history.RELATIONSHIP, ReviewState.PENDING
    changes = [
        Change(row.client_id, kind, "state", pending, state, row.id, f"{row.label}: {row.other_name}") for row in rows
    ]
    history.note(tx, _by(caller), changes)


def _by(caller: Caller) -> By:
    return By(caller.practice_id, ChangeSource.REVIEWER, staff_id=caller.staff_id)
