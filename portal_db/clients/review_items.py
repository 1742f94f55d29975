"""The review queue: listing items and deciding about them. Every query is filtered by what the viewer may see.

Deciding is a compare-and-set on state and version: of two reviewers one wins (b.26).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, or_, select, update

from portal_db import names
from portal_db.database import Tx
from portal_db.dialect import count_rows, update_rows
from portal_db.states import ClientKind, ReviewState
from portal_db.tables import Client, DirectoryRecord, Relationship, XpmConnection, XpmLink
from portal_db.types import db_time
from portal_db.visibility import Viewer


@dataclass(frozen=True, slots=True)
class ReviewFilter:
    """Which of the visible items to list; a filter that is not set matches all. `text` has words of the names of
    both parties and of the label, as they are, or with `is_guess` with a typing error. `kind` is the client's."""

    states: Collection[ReviewState] = (ReviewState.PENDING,)
    client_id: UUID | None = None
    text: str | None = None
    is_client: bool | None = None
    kind: ClientKind | None = None
    older_than_seconds: float | None = None
    is_guess: bool = False


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """An item, its client, and the visible client that the other party is linked to, if there is one.

    `is_to_itself`: the other party is the client's own record.
    """

    row: Relationship
    client: Client
    suggestion: Client | None
    is_to_itself: bool


@dataclass(frozen=True, slots=True)
class OtherParty:
    """The XPM record of an item's other party as JSON, and the id of the client's own record."""

    own_xpm_uuid: UUID
    record: dict[str, Any]


def page(tx: Tx, viewer: Viewer, wanted: ReviewFilter, *, after: UUID | None, limit: int) -> list[ReviewItem]:
    """A page of items, newest first; `after` is the last item of the page before."""
    statement = _queued(viewer).where(Relationship.state.in_(wanted.states))
    if wanted.client_id is not None:
        statement = statement.where(Relationship.client_id == wanted.client_id)
    if wanted.text:
        keys = (Relationship.search_key, Client.name_key)
        statement = statement.where(names.contain(wanted.text, *keys, is_guess=wanted.is_guess))
    if wanted.is_client is not None:
        is_linked = _linked(viewer).exists()
        statement = statement.where(is_linked if wanted.is_client else ~is_linked)
    if wanted.kind is not None:
        statement = statement.where(Client.kind == wanted.kind)
    if wanted.older_than_seconds is not None:
        statement = statement.where(Relationship.as_of <= db_time(-wanted.older_than_seconds))
    if after is not None:
        statement = statement.where(Relationship.id < after)
    rows = tx.session.execute(statement.order_by(Relationship.id.desc()).limit(limit)).all()
    return _with_suggestions(tx, viewer, [(row, client) for row, client in rows])


def of_client(tx: Tx, viewer: Viewer, client_id: UUID, states: Collection[ReviewState]) -> list[ReviewItem]:
    """A client's items, in the order of their labels."""
    statement = _queued(viewer).where(Relationship.client_id == client_id, Relationship.state.in_(states))
    order = (Relationship.label_key, Relationship.other_name, Relationship.id)
    return _with_suggestions(
        tx, viewer, [(row, client) for row, client in tx.session.execute(statement.order_by(*order))]
    )


def of_ids(tx: Tx, viewer: Viewer, item_ids: Collection[UUID]) -> list[ReviewItem]:
    """Those of these items that are visible, by client, and then in the order of their labels."""
    statement = _queued(viewer).where(Relationship.id.in_(item_ids))
    order = (Relationship.client_id, Relationship.label_key, Relationship.other_name, Relationship.id)
    rows = tx.session.execute(statement.order_by(*order)).all()
    return _with_suggestions(tx, viewer, [(row, client) for row, client in rows])


def get(tx: Tx, viewer: Viewer, item_id: UUID) -> ReviewItem | None:
    found = tx.session.execute(_queued(viewer).where(Relationship.id == item_id)).one_or_none()
    return _with_suggestions(tx, viewer, [(found[0], found[1])])[0] if found is not None else None


def lock_client(tx: Tx, client_id: UUID) -> None:
    """Lock a client, so that its reviewers go one after the other and a record is tied to one member at most (b.22).

    Inserting rows that point to the client is not blocked: a re-sync, or somebody who ignores several items, has locked
    items and then inserts such rows. A reviewer waits for those items, so blocking would be a deadlock.
    """
    tx.session.execute(select(Client.id).where(Client.id == client_id).with_for_update(key_share=True))


def decide(tx: Tx, item_id: UUID, version: int, state: ReviewState) -> bool:
    """Decide about a pending item in the version that the reviewer saw. False when it was decided or changed since."""
    is_pending = _is_pending(item_id, version)
    return bool(update_rows(tx, Relationship, is_pending, state=state, version=Relationship.version + 1))


def tie(tx: Tx, item_id: UUID, member_id: UUID) -> None:
    """Record the team member that an item became, in the transaction that decided about it."""
    update_rows(tx, Relationship, Relationship.id == item_id, team_member_id=member_id)


def tied_to_member(tx: Tx, client_id: UUID, member_id: UUID) -> list[Relationship]:
    """The items that became this team member."""
    statement = select(Relationship).where(
        Relationship.client_id == client_id, Relationship.team_member_id == member_id
    )
    return list(tx.session.scalars(statement.order_by(Relationship.id)))


def reopen(tx: Tx, row: Relationship, state: ReviewState) -> bool:
    """Put a decided item back. False when it was changed since `row` was read."""
    is_same = (Relationship.id == row.id, Relationship.state == row.state, Relationship.version == row.version)
    values = {"state": state, "team_member_id": None, "version": Relationship.version + 1}
    return bool(update_rows(tx, Relationship, *is_same, **values))


def ignore(tx: Tx, viewer: Viewer, chosen: Sequence[tuple[UUID, int]]) -> list[Relationship]:
    """Ignore the chosen items that are visible, pending and in the version that the reviewer saw; returns them (b.25)."""
    if not chosen:
        return []
    is_visible = Relationship.client_id.in_(select(Client.id).where(viewer.may_see_client()))
    # In the order that a re-sync locks them in: two who ignore several at once never deadlock.
    rows = select(Relationship.id).where(Relationship.id.in_([item_id for item_id, _ in chosen]), is_visible)
    tx.session.execute(rows.order_by(Relationship.id).with_for_update())
    statement = (
        update(Relationship)
        .where(or_(*(_is_pending(item_id, version) for item_id, version in chosen)), is_visible)
        .values(state=ReviewState.IGNORED, version=Relationship.version + 1)
        .returning(Relationship)
    )
    return list(tx.session.scalars(statement))


def other_parties(tx: Tx, item_ids: Iterable[UUID]) -> dict[UUID, OtherParty]:
    """The other parties' XPM records by item, as far as the login that the client is linked through has seen them."""
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
    return {item_id: OtherParty(own, record) for item_id, own, record in tx.session.execute(statement)}


def count_pending(tx: Tx, practice_id: UUID) -> int:
    """How many items of a practice are pending."""
    return count_rows(tx, Relationship.practice_id == practice_id, Relationship.state == ReviewState.PENDING)


def _is_pending(item_id: UUID, version: int) -> ColumnElement[bool]:
    return and_(Relationship.id == item_id, Relationship.state == ReviewState.PENDING, Relationship.version == version)


def _queued(viewer: Viewer) -> Select[Relationship, Client]:
    statement = select(Relationship, Client).join(Client, Client.id == Relationship.client_id)
    return statement.where(Relationship.practice_id == viewer.practice_id, viewer.may_see_client())


def _linked(viewer: Viewer) -> Select[UUID]:
    """The other party's live links to other visible clients, for an EXISTS in a query on `Relationship`."""
    visible = select(Client.id).where(viewer.may_see_client())
    return select(XpmLink.id).where(
        XpmLink.practice_id == viewer.practice_id,
        XpmLink.xpm_uuid == Relationship.other_xpm_uuid,
        XpmLink.disconnected_at.is_(None),
        XpmLink.client_id != Relationship.client_id,
        XpmLink.client_id.in_(visible),
    )


def _with_suggestions(tx: Tx, viewer: Viewer, found: Sequence[tuple[Relationship, Client]]) -> list[ReviewItem]:
    """The items with what their other party's live link says. Whoever sees an item sees its client, so also its link."""
    others = {row.other_xpm_uuid for row, _ in found}
    statement = (
        select(XpmLink, Client)
        .join(Client, Client.id == XpmLink.client_id)
        .where(XpmLink.xpm_uuid.in_(others), XpmLink.disconnected_at.is_(None), viewer.may_see_client())
    )
    clients = {link.xpm_uuid: client for link, client in tx.session.execute(statement)} if others else {}
    linked = {row.id: clients.get(row.other_xpm_uuid) for row, _ in found}
    return [ReviewItem(row, client, linked[row.id], _is_same(linked[row.id], client)) for row, client in found]


def _is_same(linked: Client | None, client: Client) -> bool:
    return linked is not None and linked.id == client.id
