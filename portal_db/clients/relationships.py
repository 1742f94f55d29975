"""Relationships as XPM has them, and their review states. One row per client, role and other party.

What a change means is decided elsewhere. Writers lock the clients' live links first, so that an import, a re-sync and a
disconnect of one client happen one after the other; rows are written in bulk, a few statements for many clients.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select

from config.folding import name_key
from portal_db import dialect
from portal_db.bulk import confined, one_of
from portal_db.database import Tx
from portal_db.dialect import update_each, update_rows
from portal_db.states import FieldSource, ReviewState
from portal_db.tables import Relationship, TeamMember, XpmLink

#: A reviewer accepted the item: it is tied to a team member.
ACCEPTED = frozenset({ReviewState.IMPORTED, ReviewState.LINKED})


@dataclass(frozen=True, slots=True)
class XpmRelationship:
    """A relationship as XPM has it now. `percentage` is 0 to 100; `end_date` is set when it has ended; `also_told` holds the
    other rows in XPM that describe the same relationship. `unknown` names the columns whose value in XPM could not be read,
    so that a known value stays."""

    label: str
    label_key: str
    other_xpm_uuid: UUID
    other_name: str
    number_of_shares: int | None
    percentage: Decimal | None
    start_date: date | None
    end_date: date | None
    also_told: list[dict[str, Any]] | None = None
    unknown: frozenset[str] = frozenset()

    def columns(self) -> dict[str, Any]:
        """The columns of a row. `asdict` would copy every value deeply, which is most of the time of a merge."""
        return {name: getattr(self, name) for name in self.__slots__ if name != "unknown"}


#: The columns of a row that a new answer from XPM changes.
XPM_COLUMNS = ("label", "other_name", "number_of_shares", "percentage", "start_date", "end_date", "also_told")


_NO_TIME = bindparam("no_time", None, type_=XpmLink.disconnected_at.type)
#: Whether links that a statement finds by their clients are live: no partial index matches this. Without statistics
#: PostgreSQL would otherwise read a whole index of live links instead of looking the few up.
link_is_live_of_found = confined(XpmLink.disconnected_at, _NO_TIME)

#: Built once, like all statements that run for every import: building one costs as much as running it.
_LOCK_LINKS = (
    select(XpmLink)
    .where(one_of(XpmLink.client_id, "client_ids"), link_is_live_of_found)
    .order_by(XpmLink.id)
    .with_for_update()
)
_LOCK_ROWS = (
    select(Relationship).where(one_of(Relationship.client_id, "client_ids")).order_by(Relationship.id).with_for_update()
)
_TIED_MEMBERS = (
    select(TeamMember)
    .where(one_of(TeamMember.client_id, "client_ids"), TeamMember.xpm_uuid.is_not(None))
    .order_by(TeamMember.id)
)


def lock_links(tx: Tx, client_ids: Collection[UUID]) -> dict[UUID, XpmLink]:
    """The live links of clients, locked in the order of ids. Clients without a live link are left out."""
    return {link.client_id: link for link in tx.session.scalars(_LOCK_LINKS, {"client_ids": list(client_ids)})}


def lock_rows(tx: Tx, client_ids: Collection[UUID]) -> dict[UUID, list[Relationship]]:
    """All relationships of clients, locked against reviewers, by client."""
    found: dict[UUID, list[Relationship]] = {client_id: [] for client_id in client_ids}
    for row in tx.session.scalars(_LOCK_ROWS, {"client_ids": list(client_ids)}):
        found[row.client_id].append(row)
    return found


def tied_members(tx: Tx, client_ids: Collection[UUID]) -> list[TeamMember]:
    """Team members of clients that are tied to XPM records."""
    return list(tx.session.scalars(_TIED_MEMBERS, {"client_ids": list(client_ids)}))


def insert_rows(tx: Tx, rows: Sequence[dict[str, Any]]) -> None:
    dialect.insert_rows(tx, Relationship, rows)


_WRITTEN = (*XPM_COLUMNS, "gone_at", "state", "import_id", "version", "as_of")


def write_rows(tx: Tx, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows back; each has its `id` and every column that imports and re-syncs may change."""
    update_each(tx, Relationship, {row["id"]: _written(row) for row in rows})


def _written(row: dict[str, Any]) -> dict[str, Any]:
    return {"search_key": name_key(row["other_name"], row["label"]), **{name: row[name] for name in _WRITTEN}}


def rename_members(tx: Tx, rows: Mapping[UUID, Mapping[str, Any]]) -> None:
    """Rename team members as in XPM: the `name` and its time `as_of`, by member."""
    update_each(tx, TeamMember, {member_id: {**row, "source": FieldSource.XPM} for member_id, row in rows.items()})


def note_merged(tx: Tx, rows: Mapping[UUID, Mapping[str, Any]]) -> None:
    """Record which relationships were merged last: `told_as_of`, `import_begun_at` and `synced_hash`, by link."""
    update_each(tx, XpmLink, rows)


def drop_ties(tx: Tx, client_id: UUID) -> None:
    """Remove a disconnected client's items from the review queue and untie its team members, so that they are offered for
    review again by the first import after a reconnect (b.36). Ignored items stay ignored until then."""
    items = (Relationship.client_id == client_id, Relationship.state.in_((ReviewState.PENDING, *ACCEPTED)))
    values = {"state": ReviewState.SUPERSEDED, "team_member_id": None, "version": Relationship.version + 1}
    update_rows(tx, Relationship, *items, **values)
    update_rows(tx, TeamMember, TeamMember.client_id == client_id, TeamMember.xpm_uuid.is_not(None), xpm_uuid=None)
