"""Clients as a staff member may look at them: one, a page of them, those of some XPM records. Queries carry their sight."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Select, and_, select

from portal_db.database import Tx
from portal_db.paging import Cursor, older
from portal_db.states import ClientKind
from portal_db.tables import Client, Login, TeamMember, WelcomeEmail, XpmLink
from portal_db.visibility import Viewer


@dataclass(frozen=True, slots=True)
class ClientFilter:
    """Which clients of those in sight; what is not given does not narrow. `text` is a part of the name."""

    text: str | None = None
    kind: ClientKind | None = None
    is_new: bool | None = None


@dataclass(frozen=True, slots=True)
class ClientEntry:
    """A client with what a list shows beside it: its login, welcome email and live XPM link, where it has them."""

    client: Client
    login: Login | None
    email: WelcomeEmail | None
    link: XpmLink | None


def get(tx: Tx, viewer: Viewer, client_id: UUID) -> ClientEntry | None:
    found = tx.session.execute(_entries(viewer).where(Client.id == client_id)).one_or_none()
    return ClientEntry(*found) if found is not None else None


def page(tx: Tx, viewer: Viewer, wanted: ClientFilter, *, after: Cursor | None, limit: int) -> list[ClientEntry]:
    """Clients, the newest first, from the one after the cursor's."""
    statement = _entries(viewer)
    if wanted.text:
        statement = statement.where(Client.name.icontains(wanted.text, autoescape=True))
    if wanted.kind is not None:
        statement = statement.where(Client.kind == wanted.kind)
    if wanted.is_new is not None:
        statement = statement.where(Client.is_new == wanted.is_new)
    if after is not None:
        statement = statement.where(older(Client.created_at, Client.id, after))
    statement = statement.order_by(Client.created_at.desc(), Client.id.desc()).limit(limit)
    return [ClientEntry(*row) for row in tx.session.execute(statement)]


def of_records(tx: Tx, viewer: Viewer, xpm_uuids: Iterable[UUID]) -> list[ClientEntry]:
    """The clients in sight that these XPM records are linked to; at most as many as one search finds."""
    statement = _entries(viewer).where(XpmLink.xpm_uuid.in_(list(xpm_uuids)))
    return [ClientEntry(*row) for row in tx.session.execute(statement.order_by(Client.name, Client.id))]


def team_of(tx: Tx, client_id: UUID) -> list[TeamMember]:
    """The people and entities around a client that the caller has looked up in sight."""
    statement = select(TeamMember).where(TeamMember.client_id == client_id)
    return list(tx.session.scalars(statement.order_by(TeamMember.name, TeamMember.id)))


def _entries(viewer: Viewer) -> Select[Client, Login, WelcomeEmail, XpmLink]:
    return (
        select(Client, Login, WelcomeEmail, XpmLink)
        .outerjoin(Login, Login.id == Client.login_id)
        .outerjoin(WelcomeEmail, WelcomeEmail.client_id == Client.id)
        .outerjoin(XpmLink, and_(XpmLink.client_id == Client.id, XpmLink.disconnected_at.is_(None)))
        .where(viewer.may_see_client())
    )
