"""The connections of an entity: people who act for it and receive its tasks. Adding one invites nobody (b.24)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Self
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field, model_validator

from handlers import refusals
from handlers.access.act import Actor
from handlers.access.caller import Caller
from handlers.clients.queries import require_client
from handlers.email import addresses
from handlers.fields import Line
from portal_db.clients import tasks, team
from portal_db.clients.team import Connection
from portal_db.database import Database, Tx
from portal_db.states import ClientKind, ConnectionAccess, FieldSource
from portal_db.tables import Client, TeamMember
from portal_db.types import database_time


class NewConnection(BaseModel):
    """A person who acts for an entity, for example a director. Guest access needs an email address."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Annotated[Line, Field(max_length=500)]
    relationship: Annotated[Line, Field(max_length=100, description="what they are to the entity, such as `Director`")]
    email: Annotated[Line, Field(max_length=320)] | None = None
    access: ConnectionAccess = ConnectionAccess.NONE

    @model_validator(mode="after")
    def _guest_has_an_email(self) -> Self:
        if self.access is ConnectionAccess.GUEST and self.email is None:
            raise ValueError("email is needed for guest access")
        return self


def listing(database: Database, caller: Caller, client_id: UUID) -> Sequence[Connection]:
    """The connections of an entity, by name.

    Raises:
        RequestRefused: the client is not found or not visible to them.
    """
    with database.read() as tx:
        require_client(tx, caller, client_id)
        return team.of_client(tx, client_id)


def add(database: Database, caller: Caller, client_id: UUID, wishes: NewConnection, key: str | None = None) -> UUID:
    """Add a person who acts for an entity.

    Args:
        key: the requester's own key for this request; the same key adds nobody twice.

    Returns:
        The id of their team member.

    Raises:
        RequestRefused: the client is not found or not visible to them, or is not an entity; or the email is not valid.
    """
    email = addresses.normalise_requested(wishes.email)[0] if wishes.email is not None else None
    with database.write() as tx:
        client = _require_entity(tx, caller, client_id)
        member_id: UUID = uuid5(client.id, key) if key else tx.new_id()
        owner = {"id": member_id, "practice_id": client.practice_id, "client_id": client.id}
        who = {"name": wishes.name, "relationship": wishes.relationship, "email": email}
        if team.add_once(tx, {**owner, **who, "source": FieldSource.STAFF, "as_of": database_time(tx.session)}):
            _set_access(tx, caller, _require_member(tx, client, member_id), wishes.access)
    return member_id


def set_access(
    database: Database,
    caller: Caller,
    client_id: UUID,
    member_id: UUID,
    access: ConnectionAccess,
    email: str | None = None,
) -> None:
    """Make a team member of an entity act for it, or change their access.

    Args:
        email: their new address; left out, it stays.

    Raises:
        RequestRefused: the client or member is not found or not visible to them; the client is not an entity; or guest
            access without an email.
    """
    email = addresses.normalise_requested(email)[0] if email is not None else None
    with database.write() as tx:
        client = _require_entity(tx, caller, client_id)
        found = _require_member(tx, client, member_id)
        if access is ConnectionAccess.GUEST and (email or found.email) is None:
            raise refusals.GUEST_EMAIL_MISSING()
        if email is not None:
            team.change(tx, found.id, {"email": email})
        _set_access(tx, caller, found, access)


def remove(database: Database, caller: Caller, client_id: UUID, member_id: UUID) -> None:
    """Remove a connection; a person who came from XPM stays in the team.

    Raises:
        RequestRefused: the connection is not found or not visible to them, or has open tasks.
    """
    with database.write() as tx:
        client = _require_entity(tx, caller, client_id)
        known = team.of_client(tx, client.id, locked=True)
        found = next((one.member for one in known if one.member.id == member_id), None)
        if found is None:
            raise refusals.UNKNOWN_CONNECTION()
        count = tasks.open_with(tx, member_id)
        if count:
            raise refusals.HAS_OPEN_TASKS(count=count)
        tasks.forget_receiver(tx, member_id)
        team.remove(tx, found)
        Actor.of(caller.staff_id).audit(tx, "connection.remove", "team_member", found.id, found.practice_id)


def _require_entity(tx: Tx, caller: Caller, client_id: UUID) -> Client:
    client = require_client(tx, caller, client_id).client
    if client.kind is not ClientKind.ENTITY:
        raise refusals.ENTITIES_ONLY()
    return client


def _require_member(tx: Tx, client: Client, member_id: UUID) -> TeamMember:
    found = team.get(tx, client.id, member_id)
    if found is None:
        raise refusals.UNKNOWN_CONNECTION()
    return found


def _set_access(tx: Tx, caller: Caller, found: TeamMember, access: ConnectionAccess) -> None:
    team.put(tx, found, access, by=caller.staff_id)
    actor, after = Actor.of(caller.staff_id), f"access {access}"
    actor.audit(tx, "connection.put", "team_member", found.id, found.practice_id, after=after)
