"""Who visits the pages, and what is there already."""

from __future__ import annotations

import re
from uuid import UUID

from handlers.access.caller import Caller
from portal_db.access import members
from tests.making import importable
from tests.web.desk import Desk, Person
from tests.web.pages.reading import Reader, reader
from tests.world import TENANT
from xpm.simulator.practice.model import Client
from xpm.simulator.serve import SimulatorHandle


def connected(desk: Desk) -> Reader:
    """The partner, who is connected to XPM, at a browser."""
    return reader(desk, desk.with_password(Person(desk.world.practice_id, desk.world.staff_id, partners_email(desk))))


def partners_email(desk: Desk) -> str:
    """What the partner signs in with."""
    email = "SELECT logins.email FROM logins JOIN staff ON staff.login_id = logins.id WHERE staff.name = 'Kim'"
    return str(desk.world.scalar(email))


def caller_of(desk: Desk, person: Person) -> Caller:
    with desk.world.database.read() as tx:
        found = members.get(tx, person.practice_id, person.staff_id)
    assert found is not None
    return Caller.of(found.staff)


def a_company(simulator: SimulatorHandle) -> Client:
    records = simulator.simulator.practices[TENANT].clients.values()
    return next(row for row in records if row.business_structure == "Company" and not row.is_archived)


def with_a_typing_error(simulator: SimulatorHandle) -> tuple[str, Client]:
    """The name of somebody who can be imported, with two letters of a long word in each other's place."""
    long = re.compile(r"[A-Za-z]{7,}")
    for record in importable(simulator):
        if word := long.search(record.name):
            at = word.start() + 2
            name = record.name
            return name[:at] + name[at + 1] + name[at] + name[at + 2 :], record
    raise AssertionError("nobody has a long name")


def imported(desk: Desk, record: UUID, kind: str = "individual", **fields: object) -> UUID:
    """A client of the partner's, imported."""
    client_id = desk.world.run_import(record, kind, **fields).client_id
    assert client_id is not None
    return client_id
