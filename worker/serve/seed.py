"""The practices of a served portal: one that imports, with a staff member of each role, and one that is not set up yet.

Done again, it changes nothing, but lets those who had connected XPM in again: the simulator forgets that when it stops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid5

from handlers import passwords
from handlers.classification import suggested_kind
from handlers.connect_xpm import Person
from handlers.request_import import accept_batch
from handlers.requests import ImportRequest
from portal_db import connections
from portal_db.states import ClientKind, Role
from worker.embedded import seeding
from worker.embedded.shape import EmbeddedShape
from xpm.records import XpmClient

_OURS = UUID("0d0f3c57-4f6d-4b0e-9a77-2b8f5f0e6c1d")
PASSWORD = "harbour lights at noon"  # noqa: S105 -- made-up people's, printed for whoever tries the portal
TENANT_NAMES = ("Harbour Accounting", "Harbour Advisory")
#: Of XPM's list, so many are imported at the first start: a client list with nobody in it shows little.
FIRST_IMPORTS = 12


@dataclass(frozen=True)
class Member:
    """Somebody who can sign in; `note` says what there is to see."""

    practice: str
    name: str
    role: Role
    email: str
    note: str = ""

    @property
    def person(self) -> Person:
        return Person(uuid5(_OURS, self.practice), uuid5(_OURS, self.email))


HARBOUR, QUIET_BAY = "Harbour Accounting", "Quiet Bay Bookkeeping"
PARTNER = Member(HARBOUR, "Kim Lee", Role.PARTNER, "partner@harbour.example", "connected to XPM")
STAFF = (
    PARTNER,
    Member(HARBOUR, "Priya Nair", Role.MANAGER, "manager@harbour.example", "can connect XPM"),
    Member(HARBOUR, "Ines Okafor", Role.OWNER, "owner@harbour.example", "sees every client"),
    Member(HARBOUR, "Tom Whitfield", Role.ACCOUNT_ADMIN, "admin@harbour.example", "sees every client"),
    Member(HARBOUR, "Sam Duarte", Role.BASIC, "basic@harbour.example", "looks only"),
    Member(QUIET_BAY, "Noor Haddad", Role.OWNER, "owner@quietbay.example", "another practice, MFA off"),
)


def seed(shape: EmbeddedShape) -> None:
    """Make sure of the practices, their people and the partner's connection; the first time, import a few clients."""
    is_new = seeding.practice(shape, PARTNER.person.practice_id, HARBOUR)
    seeding.practice(shape, STAFF[-1].person.practice_id, QUIET_BAY, mfa=False)
    for member in STAFF:
        if seeding.staff(shape, member.person, member.name, member.email, member.role):
            passwords.set_password(shape.database, member.person.staff_id, member.person.practice_id, PASSWORD)
    if is_new:
        seeding.consent(shape, PARTNER.person, shape.simulator.tenant_id)
        _import_some(shape, seeding.listed(shape)[:FIRST_IMPORTS])
        return
    for member in STAFF:
        with shape.database.read() as tx:
            connection = connections.live_of(tx, member.person.staff_id)
        if connection is not None:
            seeding.consent(shape, member.person, connection.tenant_id)


def _import_some(shape: EmbeddedShape, records: Sequence[XpmClient]) -> None:
    key = "the first clients of a served portal"
    accept_batch(shape.database, key, [_request(place, record, key) for place, record in enumerate(records)])


def _request(place: int, record: XpmClient, key: str) -> ImportRequest:
    kind, person = suggested_kind(record), PARTNER.person
    return ImportRequest(
        practice_id=person.practice_id,
        requested_by=person.staff_id,
        request_id=f"{key}, {place}",
        xpm_uuid=record.uuid,
        kind=kind,
        send_welcome_email=kind is ClientKind.INDIVIDUAL,
    )
