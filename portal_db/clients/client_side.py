"""What a client who signed in may see: their own account, one that they co-own, and the entities that they act for.

Every query is confined to their practice and their login. Somebody acts for an entity whose connection they are: the team
member that is tied to their XPM record; one that is tied to no other client's and has the email that they sign in with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, or_, select

from portal_db.database import Tx
from portal_db.dialect import one_as
from portal_db.states import ConnectionAccess, LoginKind, TaskState
from portal_db.tables import Client, CoOwner, EntityConnection, Login, Task, TeamMember, XpmLink

SHOWN = (TaskState.OPEN, TaskState.COMPLETED)


@dataclass(frozen=True, slots=True)
class Holder:
    """A client, or a co-owner of a client's account, by their login."""

    practice_id: UUID
    login_id: UUID

    def owned(self) -> ColumnElement[bool]:
        """The condition on `Client`: their own account, or one that they co-own."""
        shared = select(TeamMember.client_id).join(CoOwner, CoOwner.team_member_id == TeamMember.id)
        is_theirs = or_(
            Client.login_id == self.login_id, Client.id.in_(shared.where(CoOwner.login_id == self.login_id))
        )
        return and_(Client.practice_id == self.practice_id, is_theirs)

    def connections(self) -> Select[UUID, UUID]:
        """Which team members they are as connections of entities, with the entities."""
        of_login = (
            select(XpmLink.xpm_uuid)
            .join(Client, Client.id == XpmLink.client_id)
            .where(Client.practice_id == self.practice_id, Client.login_id == self.login_id)
            .where(XpmLink.disconnected_at.is_(None))
        )
        email_key = select(Login.email_key).where(Login.id == self.login_id).scalar_subquery()
        is_them = or_(
            TeamMember.xpm_uuid.in_(of_login),
            and_(~_is_some_person(), func.lower(TeamMember.email) == email_key),
        )
        return (
            select(EntityConnection.team_member_id, EntityConnection.client_id)
            .join(TeamMember, TeamMember.id == EntityConnection.team_member_id)
            .where(EntityConnection.practice_id == self.practice_id, is_them)
        )


def _is_some_person() -> ColumnElement[bool]:
    """Whether a team member is tied to the record of a client who has a login."""
    return (
        select(XpmLink.id)
        .join(Client, Client.id == XpmLink.client_id)
        .where(XpmLink.practice_id == TeamMember.practice_id, XpmLink.xpm_uuid == TeamMember.xpm_uuid)
        .where(XpmLink.disconnected_at.is_(None), Client.login_id.is_not(None))
        .correlate(TeamMember)
        .exists()
    )


def clients(tx: Tx, holder: Holder) -> Sequence[Client]:
    """The accounts that they own and the entities to which they have guest access; people first, then by name."""
    guest = holder.connections().where(EntityConnection.access == ConnectionAccess.GUEST).subquery()
    entities = and_(Client.practice_id == holder.practice_id, Client.id.in_(select(guest.c.client_id)))
    statement = select(Client).where(or_(holder.owned(), entities))
    return tx.session.scalars(statement.order_by(Client.kind.desc(), Client.sort_key, Client.id)).all()


@dataclass(frozen=True, slots=True)
class OwnTask:
    """A task of theirs, and the client that it is for."""

    task: Task
    client: Client


def tasks(tx: Tx, holder: Holder, *, limit: int) -> Sequence[OwnTask]:
    """Their tasks: open ones first, the earliest due date first, then the ones completed last."""
    statement = _tasks(holder).order_by(Task.ended_at.desc().nulls_first(), Task.due_date, Task.created_at, Task.id)
    return [OwnTask(*row) for row in tx.session.execute(statement.limit(limit))]


def task(tx: Tx, holder: Holder, task_id: UUID) -> OwnTask | None:
    """A task, if it is theirs."""
    return one_as(tx, OwnTask, _tasks(holder).where(Task.id == task_id))


def _tasks(holder: Holder) -> Select[Task, Client]:
    """Tasks of accounts that they own, and those of entities that were sent to them."""
    connections = holder.connections().subquery()
    is_theirs = or_(holder.owned(), Task.team_member_id.in_(select(connections.c.team_member_id)))
    return (
        select(Task, Client)
        .join(Client, Client.id == Task.client_id)
        .where(Task.practice_id == holder.practice_id, Client.practice_id == holder.practice_id)
        .where(Task.state.in_(SHOWN), is_theirs)
    )


def receiver(tx: Tx, client: Client, member: TeamMember | None) -> Login | None:
    """The login of whoever receives a client's task: the client, or of an entity the person who is this team member. `None`
    if they have none."""
    if member is None:
        return _login(tx, Login.id == client.login_id) if client.login_id is not None else None
    by_record = (
        select(Client.login_id)
        .join(XpmLink, XpmLink.client_id == Client.id)
        .where(Client.practice_id == member.practice_id, Client.login_id.is_not(None))
        .where(XpmLink.xpm_uuid == member.xpm_uuid, XpmLink.disconnected_at.is_(None))
    )
    found = _login(tx, Login.id.in_(by_record))
    if found is None and member.email is not None:
        of_clients = select(Client.login_id).where(Client.practice_id == member.practice_id)
        shared = select(CoOwner.login_id).join(TeamMember, TeamMember.id == CoOwner.team_member_id)
        of_co_owners = shared.where(TeamMember.practice_id == member.practice_id)
        is_of_practice = or_(Login.id.in_(of_clients), Login.id.in_(of_co_owners))
        found = _login(tx, Login.email_key == member.email.casefold(), is_of_practice)
    return found


def _login(tx: Tx, *conditions: ColumnElement[bool]) -> Login | None:
    return tx.session.scalar(select(Login).where(Login.kind == LoginKind.CLIENT, *conditions))
