"""Clients that a staff member may see: one, a page of them, those of some XPM records. Every query is filtered by what the
viewer may see."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select

from portal_db import names
from portal_db.aliases import alias_of
from portal_db.database import Tx
from portal_db.dialect import one_as
from portal_db.paging import Cursor, newest_first, total_of
from portal_db.states import ClientKind, ClientType, EmailState, EntityType
from portal_db.tables import (
    Client,
    ClientVisibility,
    DirectoryRecord,
    Login,
    TeamMember,
    WelcomeEmail,
    XpmConnection,
    XpmLink,
    same_directory,
)
from portal_db.types import db_time
from portal_db.visibility import Viewer

#: How long a client is New whose page nobody opens.
NEW_SECONDS = 14 * 86_400.0


@dataclass(frozen=True, slots=True)
class ClientFilter:
    """Which of the visible clients to list; a filter that is not set matches all. `text` has words of the name, as they are
    or with `is_guess` with a typing error, or is the beginning of the client code in XPM, or a part of the login email.
    `type` is an entity's type or an individual's; `invitation` one of the words of `INVITATIONS`, `not_invited` or `active`;
    `assigned_to` a staff member."""

    text: str | None = None
    kind: ClientKind | None = None
    is_new: bool | None = None
    type: EntityType | ClientType | None = None
    is_connected: bool | None = None
    invitation: str | None = None
    assigned_to: UUID | None = None
    ids: Collection[UUID] | None = None
    is_archived: bool | None = None
    is_guess: bool = False


class Order(StrEnum):
    """How a list is sorted; people by their last names."""

    NEWEST = "newest"
    OLDEST = "oldest"
    NAME = "name"
    NAME_BACKWARDS = "name-backwards"


_ORDERS: dict[Order, tuple[Any, ...]] = {
    Order.NEWEST: (Client.created_at.desc(), Client.id.desc()),
    Order.OLDEST: (Client.created_at, Client.id),
    Order.NAME: (Client.sort_key, Client.id),
    Order.NAME_BACKWARDS: (Client.sort_key.desc(), Client.id.desc()),
}
#: How far the invitation of a login is that is not active, by the state of its welcome email.
INVITATIONS = {
    EmailState.PENDING: "being_sent",
    EmailState.SENDING: "being_sent",
    EmailState.SENT: "invited",
    EmailState.REFUSED: "not_delivered",
    EmailState.UNKNOWN: "unknown",
}


@dataclass(frozen=True, slots=True)
class ClientEntry:
    """A client with its login, welcome email and live XPM link, where it has them. `is_new`: it is shown as New."""

    client: Client
    login: Login | None
    email: WelcomeEmail | None
    link: XpmLink | None
    is_new: bool


def get(tx: Tx, viewer: Viewer, client_id: UUID) -> ClientEntry | None:
    return one_as(tx, ClientEntry, _entries(viewer).where(Client.id == client_id))


def page(tx: Tx, viewer: Viewer, wanted: ClientFilter, *, after: Cursor | None, limit: int) -> list[ClientEntry]:
    """A page of clients, newest first."""
    statement = _entries(viewer).where(*_conditions(viewer, wanted))
    page = newest_first(statement, Client.created_at, Client.id, after=after, limit=limit)
    return [ClientEntry(*row) for row in tx.session.execute(page)]


def listing(
    tx: Tx, viewer: Viewer, wanted: ClientFilter, order: Order, *, offset: int, limit: int
) -> tuple[list[ClientEntry], int]:
    """Clients from one place of a list on, and how many the whole list has."""
    statement = _entries(viewer).where(*_conditions(viewer, wanted))
    # First the ids, so that only a page of whole rows is read and sorted.
    ids = statement.with_only_columns(Client.id, maintain_column_froms=True).order_by(*_ORDERS[order])
    rows = _entries(viewer).where(Client.id.in_(ids.offset(offset).limit(limit))).order_by(*_ORDERS[order])
    found = tx.session.execute(rows).all()
    count = statement.with_only_columns(func.count(), maintain_column_froms=True)
    total = total_of(found, limit, lambda: tx.session.scalar(count) or 0, offset=offset)
    return [ClientEntry(*row) for row in found], total


def _conditions(viewer: Viewer, wanted: ClientFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.text:
        yield _is_called(viewer, wanted.text, is_guess=wanted.is_guess)
    if wanted.kind is not None:
        yield Client.kind == wanted.kind
    if wanted.is_new is not None:
        yield _is_new() if wanted.is_new else ~_is_new()
    if isinstance(wanted.type, EntityType):
        yield Client.entity_type == wanted.type
    elif wanted.type is not None:
        yield Client.client_type == wanted.type
    if wanted.is_connected is not None:
        yield XpmLink.id.is_not(None) if wanted.is_connected else XpmLink.id.is_(None)
    if wanted.invitation is not None:
        yield _has_invitation(wanted.invitation)
    if wanted.assigned_to is not None:
        theirs = select(ClientVisibility.client_id).where(ClientVisibility.staff_id == wanted.assigned_to)
        yield Client.id.in_(theirs)
    if wanted.is_archived is not None:
        yield Client.archived_at.is_not(None) if wanted.is_archived else Client.archived_at.is_(None)
    if wanted.ids is not None:
        yield Client.id.in_(wanted.ids)


def _is_called(viewer: Viewer, text: str, *, is_guess: bool) -> ColumnElement[bool]:
    """Whether a client's name has the words of a text, or its code in XPM begins with it; where the text has an @, whether
    the login email has it."""
    if "@" not in text:
        named = names.contain(text, Client.name_key, is_guess=is_guess)
        return named if is_guess else or_(named, Client.id.in_(_with_code(viewer, text)))
    part, own = text.strip().casefold(), alias_of(Login)
    return exists().where(own.id == Client.login_id, own.email_key.contains(part, autoescape=True))


def _with_code(viewer: Viewer, text: str) -> Select[UUID]:
    """The practice's clients whose record in XPM has a client code that begins with a text."""
    link, of = alias_of(XpmLink), DirectoryRecord
    is_read = and_(same_directory(XpmConnection, of), of.xpm_uuid == link.xpm_uuid, of.gone_at.is_(None))
    return (
        select(link.client_id)
        .join(XpmConnection, XpmConnection.id == link.connection_id)
        .join(of, is_read)
        .where(link.practice_id == viewer.practice_id, link.disconnected_at.is_(None))
        .where(names.code_begins_with(text, of.code_key))
    )


def _has_invitation(state: str) -> ColumnElement[bool]:
    if state == "active":
        return Login.activated_at.is_not(None)
    emails = [email for email, word in INVITATIONS.items() if word == state]
    sent: ColumnElement[bool] = WelcomeEmail.state.in_(emails)
    if state == "not_invited":
        sent = or_(WelcomeEmail.id.is_(None), WelcomeEmail.state.not_in(list(INVITATIONS)))
    return and_(Login.id.is_not(None), Login.activated_at.is_(None), sent)


def of_records(tx: Tx, viewer: Viewer, xpm_uuids: Iterable[UUID]) -> list[ClientEntry]:
    """The visible clients that these XPM records are linked to. The caller keeps the number of records small."""
    statement = _entries(viewer).where(XpmLink.xpm_uuid.in_(list(xpm_uuids)))
    return [ClientEntry(*row) for row in tx.session.execute(statement.order_by(Client.sort_key, Client.id))]


def named(
    tx: Tx, viewer: Viewer, text: str, records: Any, *, is_guess: bool, limit: int
) -> tuple[list[ClientEntry], int]:
    """The first clients, by name, that a text finds or whose record's name contains it, and how many there are.

    Args:
        records: the XPM records whose name does, as ids or a query of ids.
    """
    wanted = or_(_is_called(viewer, text, is_guess=is_guess), XpmLink.xpm_uuid.in_(records))
    live = and_(XpmLink.client_id == Client.id, XpmLink.disconnected_at.is_(None))
    # All that match are looked for once, and a page of whole rows is read.
    ids = select(Client.id, func.count().over()).select_from(Client).outerjoin(XpmLink, live)
    ids = ids.where(viewer.may_see_client(), wanted).order_by(Client.sort_key, Client.id).limit(limit)
    found = tx.session.execute(ids).all()
    rows = _entries(viewer).where(Client.id.in_([row[0] for row in found])).order_by(Client.sort_key, Client.id)
    return [ClientEntry(*row) for row in tx.session.execute(rows)], found[0][1] if found else 0


def once_linked(tx: Tx, viewer: Viewer, xpm_uuids: Iterable[UUID]) -> dict[UUID, Client]:
    """The visible clients that were linked to these records last and are linked to none now, by record."""
    other = alias_of(XpmLink)
    is_linked = select(other.id).where(other.client_id == Client.id, other.disconnected_at.is_(None)).exists()
    statement = (
        select(XpmLink.xpm_uuid, Client)
        .join(Client, Client.id == XpmLink.client_id)
        .where(viewer.may_see_client(), XpmLink.xpm_uuid.in_(list(xpm_uuids)), ~is_linked)
        .order_by(XpmLink.disconnected_at)
    )
    return dict(tx.session.execute(statement).all())


def team_of(tx: Tx, client_id: UUID) -> list[TeamMember]:
    """The people and entities around a client; the caller has checked that the viewer may see it."""
    statement = select(TeamMember).where(TeamMember.client_id == client_id)
    return list(tx.session.scalars(statement.order_by(TeamMember.name, TeamMember.id)))


def _is_new() -> ColumnElement[bool]:
    """Whether a client is New: nobody it is assigned to has opened its page yet, and it was added lately."""
    return and_(Client.is_new, Client.created_at > db_time(-NEW_SECONDS))


def _entries(viewer: Viewer) -> Select[Client, Login, WelcomeEmail, XpmLink, bool]:
    return (
        select(Client, Login, WelcomeEmail, XpmLink, _is_new())
        .outerjoin(Login, Login.id == Client.login_id)
        .outerjoin(WelcomeEmail, WelcomeEmail.client_id == Client.id)
        .outerjoin(XpmLink, and_(XpmLink.client_id == Client.id, XpmLink.disconnected_at.is_(None)))
        .where(viewer.may_see_client())
    )
