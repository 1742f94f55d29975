"""Clients at their side of the portal, and what staff send them."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from handlers.access.caller import Caller, Scope
from handlers.clients import entity_connections, tasks
from handlers.clients.entity_connections import NewConnection
from handlers.clients.tasks import NewTask
from portal_db.states import ConnectionAccess, Role
from tests.making import Account
from tests.web.desk import PASSWORD, Desk, Person
from tests.web.pages.reading import Page, Reader, stranger

HOME = "/my/tasks"


def signing_in(desk: Desk, account: Account) -> tuple[Reader, Page]:
    """A client who typed their password, and the page that it led to."""
    visitor = stranger(desk)
    return visitor, visitor.send(visitor.open("/sign-in"), "/sign-in", email=account.email, password=PASSWORD)


def client_reader(desk: Desk, account: Account) -> Reader:
    """A client who signed in by the sign-in page."""
    visitor, page = signing_in(desk, account)
    assert page.path == HOME, page.text
    return visitor


def caller(person: Person) -> Caller:
    return Caller(person.practice_id, person.staff_id, "Kim", Role.PARTNER, frozenset(Scope))


def a_task(desk: Desk, person: Person, client_id: UUID, title: str = "Sign the letter", **wishes: Any) -> UUID:
    """A task that this person sends."""
    new = NewTask.model_validate({"title": title, **wishes})
    return tasks.send(desk.world.database, caller(person), client_id, new, uuid4().hex).task_id


def acts_for(
    desk: Desk, person: Person, entity: UUID, email: str, access: ConnectionAccess = ConnectionAccess.GUEST
) -> UUID:
    """Somebody with this email acts for an entity."""
    new = NewConnection(name="Who Acts", relationship="Director", email=email, access=access)
    return entity_connections.add(desk.world.database, caller(person), entity, new)
