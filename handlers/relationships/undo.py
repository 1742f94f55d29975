"""Taking back what a reviewer decided: undoing their own last decision, and unlinking one team member from XPM.

A decision can be undone for as long as nothing was built on it: nobody decided again, and its team member has no account,
no access, no task, no other relationship from XPM and no later change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import repeat
from uuid import UUID

from handlers import refusals
from handlers.access.caller import Caller
from portal_db.clients import client_queries, history, review_items, team
from portal_db.clients.history import By, Change
from portal_db.database import Database, Tx
from portal_db.states import ChangeSource, ReviewState
from portal_db.tables import ClientChange, Relationship, TeamMember

#: The field of a member's history that says that it was unlinked; no column of its table.
UNLINKED = "xpm_link"
DECIDED = frozenset({ReviewState.IMPORTED, ReviewState.LINKED, ReviewState.IGNORED})


def undo(database: Database, caller: Caller, item_ids: Collection[UUID]) -> None:
    """Undo the caller's own last decision about these items, which then await review again. All are undone or none is.

    Raises:
        RequestRefused: an item is not found or not visible to them, the decision is not theirs, or something was built on
            it.
    """
    with database.write() as tx:
        for client_id in sorted({found.client.id for found in review_items.of_ids(tx, caller.viewer, item_ids)}):
            review_items.lock_client(tx, client_id)
        rows = [found.row for found in review_items.of_ids(tx, caller.viewer, item_ids)]
        decisions = {row.id: _decisions(tx, row) for row in rows}
        if (
            not rows
            or len(rows) < len(set(item_ids))
            or not all(map(_is_own, repeat(caller), rows, decisions.values()))
        ):
            raise refusals.NOT_UNDONE()
        # The member that several roles became is taken back with the last of them.
        for row in sorted(rows, key=lambda row: decisions[row.id][0].at):
            changes = _changes_of_member(tx, caller, row, decisions[row.id], item_ids)
            if not _offer_again(tx, caller, row, changes):
                raise refusals.NOT_UNDONE()


def unlink_member(database: Database, caller: Caller, client_id: UUID, member_id: UUID) -> TeamMember:
    """Unlink a team member from its XPM record. The member stays as they are; their relationships await review again.

    Raises:
        RequestRefused: the client or member is not found or not visible to them, or the member is not linked.
    """
    with database.write() as tx:
        if client_queries.get(tx, caller.viewer, client_id) is None:
            raise refusals.UNKNOWN_CLIENT()
        review_items.lock_client(tx, client_id)
        member = team.get(tx, client_id, member_id)
        if member is None:
            raise refusals.UNKNOWN_MEMBER()
        if member.xpm_uuid is None:
            raise refusals.MEMBER_NOT_LINKED()
        for row in review_items.tied_to_member(tx, client_id, member_id):
            _offer_again(tx, caller, row)
        team.change(tx, member_id, {"xpm_uuid": None})
        about = (member_id, member.name)
        _note(tx, caller, [Change(client_id, history.TEAM_MEMBER, UNLINKED, str(member.xpm_uuid), None, *about)])
        return member


def _decisions(tx: Tx, row: Relationship) -> list[ClientChange]:
    """What became of an item, newest first."""
    return [change for change in history.about(tx, row.client_id, row.id) if change.field == "state"]


def _is_own(caller: Caller, row: Relationship, decisions: Sequence[ClientChange]) -> bool:
    is_last = bool(decisions) and decisions[0].staff_id == caller.staff_id and decisions[0].after == row.state
    return is_last and row.state in DECIDED


def _changes_of_member(
    tx: Tx, caller: Caller, row: Relationship, decisions: Sequence[ClientChange], item_ids: Collection[UUID]
) -> list[ClientChange] | None:
    """What the decision changed in the team member that is to be taken back with this item, oldest first; `None` if no
    member is.

    Raises:
        RequestRefused: something was built on the member.
    """
    member_id = row.team_member_id
    if member_id is None:
        return None
    others = {each.id for each in review_items.tied_to_member(tx, row.client_id, member_id)} - {row.id}
    if others & set(item_ids):
        return None
    if others or team.is_used(tx, member_id):
        raise refusals.NOT_UNDONE()
    began = decisions[1].at if len(decisions) > 1 else None
    # An earlier unlinking is noted after the item's state.
    noted = [change for change in history.about(tx, row.client_id, member_id) if change.field != UNLINKED]
    changes = [change for change in noted if began is None or change.at > began]
    if any(change.staff_id != caller.staff_id or change.at > decisions[0].at for change in changes):
        raise refusals.NOT_UNDONE()
    return changes[::-1]


def _offer_again(tx: Tx, caller: Caller, row: Relationship, changes: Sequence[ClientChange] | None = None) -> bool:
    """The item awaits review again, unless XPM no longer has it; its member is unlinked and these changes of it are taken
    back, unless they are `None`. False when somebody has changed the item meanwhile."""
    state = ReviewState.PENDING if row.gone_at is None else ReviewState.SUPERSEDED
    if not review_items.reopen(tx, row, state):
        return False
    _take_back(tx, caller, row, changes)
    about = (row.id, f"{row.label}: {row.other_name}")
    _note(tx, caller, [Change(row.client_id, history.RELATIONSHIP, "state", row.state, state, *about)])
    return True


def _take_back(tx: Tx, caller: Caller, row: Relationship, changes: Sequence[ClientChange] | None) -> None:
    """A member that the decision added goes; one that was there before gets back what was replaced."""
    member_id = row.team_member_id
    if changes is None or member_id is None:
        return
    first = {change.field: change for change in reversed(changes)}
    about = (member_id, changes[-1].about_name if changes else None)
    if first.get("name") is not None and first["name"].before is None:
        team.delete(tx, member_id)
        _note(tx, caller, [Change(row.client_id, history.TEAM_MEMBER, "name", about[1], None, *about)])
        return
    values = {name: change.before for name, change in first.items()}
    team.change(tx, member_id, {**values, "xpm_uuid": None, "name_is_override": False})
    after = {change.field: change.after for change in changes}
    _note(
        tx,
        caller,
        [
            Change(row.client_id, history.TEAM_MEMBER, name, after[name], value, *about)
            for name, value in values.items()
        ],
    )


def _note(tx: Tx, caller: Caller, changes: Iterable[Change]) -> None:
    history.note(tx, By(caller.practice_id, ChangeSource.REVIEWER, staff_id=caller.staff_id), changes)
