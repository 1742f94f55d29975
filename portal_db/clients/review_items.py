"""The review queue as a staff member may look at it and decide: every query carries their sight.

Deciding is a compare-and-set on state and version: of two reviewers one wins (b.26).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, update

from portal_db.database import Tx
from portal_db.states import ReviewState
from portal_db.tables import Client, DirectoryRecord, Relationship, XpmConnection, XpmLink
from portal_db.visibility import Viewer


@dataclass(frozen=True, slots=True)
class ReviewFilter:
    """Which items of those in sight; what is not given does not narrow. `text` is a part of a name or label."""

    states: Collection[ReviewState] = (ReviewState.PENDING,)
    client_id: UUID | None = None
    text: str | None = None
    is_client: bool | None = None


@dataclass(frozen=True, slots=True)
class Queued:
    """An item, the client whose it is, and the client in sight that its other side is linked to, if there is one now."""

    row: Relationship
    client: Client
    suggestion: Client | None


@dataclass(frozen=True, slots=True)
class Beside:
    """The XPM record of an item's other side as JSON, and which record the client's own is."""

    own_xpm_uuid: UUID
    record: dict[str, Any]


def page(tx: Tx, viewer: Viewer, wanted: ReviewFilter, *, after: UUID | None, limit: int) -> list[Queued]:
    """Items, the newest first, from the one after the one named."""
    statement = _queued(viewer).where(Relationship.state.in_(wanted.states))
    if wanted.client_id is not None:
        statement = statement.where(Relationship.client_id == wanted.client_id)
    if wanted.text:
        texts = (Relationship.other_name, Relationship.label, Client.name)
        statement = statement.where(or_(*(text.icontains(wanted.text, autoescape=True) for text in texts)))
    if wanted.is_client is not None:
        there = _linked(viewer).exists()
        statement = statement.where(there if wanted.is_client else ~there)
    if after is not None:
        statement = statement.where(Relationship.id < after)
    rows = tx.session.execute(statement.order_by(Relationship.id.desc()).limit(limit)).all()
    return _with_suggestions(tx, viewer, [(row, client) for row, client in rows])


def of_client(tx: Tx, viewer: Viewer, client_id: UUID, states: Collection[ReviewState]) -> list[Queued]:
    """A client's items, in the order of their labels."""
    statement = _queued(viewer).where(Relationship.client_id == client_id, Relationship.state.in_(states))
    order = (Relationship.label_key, Relationship.other_name, Relationship.id)
    return _with_suggestions(
        tx, viewer, [(row, client) for row, client in tx.session.execute(statement.order_by(*order))]
    )


def get(tx: Tx, viewer: Viewer, item_id: UUID) -> Queued | None:
    found = tx.session.execute(_queued(viewer).where(Relationship.id == item_id)).one_or_none()
    return _with_suggestions(tx, viewer, [(found[0], found[1])])[0] if found is not None else None


def lock_client(tx: Tx, client_id: UUID) -> None:
    """Reviewers of one client's items come one after the other, so that a record ties one member at most (b.22).

    Rows that only point to the client are not held up: a re-sync, or whoever ignores several items, has locked items and
    then inserts such rows. A reviewer waits for those items, and the two would wait in a circle.
    """
    tx.session.execute(select(Client.id).where(Client.id == client_id).with_for_update(key_share=True))


def decide(tx: Tx, item_id: UUID, version: int, state: ReviewState) -> bool:
    """Decide about a pending item as it was looked at. False when it is not that any more."""
    statement = (
        update(Relationship)
        .where(_is_pending(item_id, version))
        .values(state=state, version=Relationship.version + 1)
        .returning(Relationship.id)
    )
    return tx.session.scalar(statement) is not None


def tie(tx: Tx, item_id: UUID, member_id: UUID) -> None:
    """Note the team member that an item became, in the transaction that decided about it."""
    statement = update(Relationship).where(Relationship.id == item_id).values(team_member_id=member_id)
    tx.session.execute(statement)


def ignore(tx: Tx, viewer: Viewer, chosen: Sequence[tuple[UUID, int]]) -> list[Relationship]:
    """Ignore those of the chosen items that are in sight, pending and as they were looked at; returns them (b.25)."""
    if not chosen:
        return []
    in_sight = Relationship.client_id.in_(select(Client.id).where(viewer.may_see_client()))
    # In one order, as a re-sync locks them: whoever ignores several at once never waits in a circle.
    rows = select(Relationship.id).where(Relationship.id.in_([item_id for item_id, _ in chosen]), in_sight)
    tx.session.execute(rows.order_by(Relationship.id).with_for_update())
    statement = (
        update(Relationship)
        .where(or_(*(_is_pending(item_id, version) for item_id, version in chosen)), in_sight)
        .values(state=ReviewState.IGNORED, version=Relationship.version + 1)
        .returning(Relationship)
    )
    statement = statement
    return list(tx.session.scalars(statement))


def records_beside(tx: Tx, item_ids: Iterable[UUID]) -> dict[UUID, Beside]:
    """The other sides' XPM records by item, as the login that the client is linked through saw them, where it did."""
    statement = (
        select(Relationship.id, XpmLink.xpm_uuid, DirectoryRecord.record)
        .join(XpmLink, and_(XpmLink.client_id == Relationship.client_id, XpmLink.disconnected_at.is_(None)))
        .join(XpmConnection, XpmConnection.id == XpmLink.connection_id)
        .join(
            DirectoryRecord,
            and_(
                DirectoryRecord.xero_login_id == XpmConnection.xero_login_id,
                DirectoryRecord.tenant_id == XpmLink.tenant_id,
                DirectoryRecord.xpm_uuid == Relationship.other_xpm_uuid,
            ),
        )
        .where(Relationship.id.in_(list(item_ids)))
    )
    return {item_id: Beside(own, record) for item_id, own, record in tx.session.execute(statement)}


def waiting(tx: Tx, practice_id: UUID) -> int:
    """How many items of a practice are pending."""
    statement = select(func.count()).where(
        Relationship.practice_id == practice_id, Relationship.state == ReviewState.PENDING
    )
    return tx.session.scalar(statement) or 0


def _is_pending(item_id: UUID, version: int) -> ColumnElement[bool]:
    return and_(Relationship.id == item_id, Relationship.state == ReviewState.PENDING, Relationship.version == version)


def _queued(viewer: Viewer) -> Select[Relationship, Client]:
    statement = select(Relationship, Client).join(Client, Client.id == Relationship.client_id)
    return statement.where(Relationship.practice_id == viewer.practice_id, viewer.may_see_client())


def _linked(viewer: Viewer) -> Select[UUID]:
    """The live links of the other side to clients in sight, for an EXISTS beside `Relationship`."""
    seen = select(Client.id).where(viewer.may_see_client())
    return select(XpmLink.id).where(
        XpmLink.practice_id == viewer.practice_id,
        XpmLink.xpm_uuid == Relationship.other_xpm_uuid,
        XpmLink.disconnected_at.is_(None),
        XpmLink.client_id.in_(seen),
    )


def _with_suggestions(tx: Tx, viewer: Viewer, found: Sequence[tuple[Relationship, Client]]) -> list[Queued]:
    others = {row.other_xpm_uuid for row, _ in found}
    statement = (
        select(XpmLink, Client)
        .join(Client, Client.id == XpmLink.client_id)
        .where(XpmLink.xpm_uuid.in_(others), XpmLink.disconnected_at.is_(None), viewer.may_see_client())
    )
    clients = {link.xpm_uuid: client for link, client in tx.session.execute(statement)} if others else {}
    return [Queued(row, client, clients.get(row.other_xpm_uuid)) for row, client in found]
