"""The made-up practices: who works there, how they connect to XPM, and which clients they import.

Everything is added through the handlers that real practices use. What exists already is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import UUID, uuid5

import httpx
from pydantic import SecretStr

from handlers.access import passwords, practices
from handlers.directory.classification import suggested_kind
from handlers.directory.records import read_record
from handlers.errors import RequestRefused
from handlers.imports.accept import AcceptedBatch, accept_batch
from handlers.imports.request import ImportRequest
from handlers.integration import by_hand, connect
from handlers.integration.by_hand import Grant
from handlers.integration.connect import ConnectingStaff
from portal_db.access import people
from portal_db.directory import directories, search
from portal_db.states import ClientKind, Role
from portal_db.xero import connections
from worker.cli.exits import Problem
from worker.local.stack import LocalStack
from xpm.client import Access
from xpm.records import XpmClient

TIME_ZONE = "Australia/Sydney"
XPM_SECONDS = 60.0
DIRECTORY_SECONDS = 120.0
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Member:
    """A staff member. `note` says what signing in as them shows."""

    namespace: UUID
    practice: str
    name: str
    role: Role
    email: str
    note: str = ""

    @property
    def person(self) -> ConnectingStaff:
        return ConnectingStaff(uuid5(self.namespace, self.practice), uuid5(self.namespace, self.email))


_DEMO = UUID("6a1f0f6e-7a0f-4c0c-9a35-0d4c5f1c2b7e")
DEMO_MANAGER = Member(_DEMO, "Demo Accountants", "Demo Manager", Role.MANAGER, "manager@demo-accountants.example")

_SERVED = UUID("0d0f3c57-4f6d-4b0e-9a77-2b8f5f0e6c1d")
PASSWORD = "harbour lights at noon"  # noqa: S105 -- of made-up people, printed for anyone who tries the portal
XPM_PRACTICES = ("Harbour Accounting", "Harbour Advisory")
#: How many of XPM's clients are imported at the first start, so that the client list is not empty.
FIRST_IMPORTS = 12
HARBOUR, QUIET_BAY = "Harbour Accounting", "Quiet Bay Bookkeeping"
PARTNER = Member(_SERVED, HARBOUR, "Kim Lee", Role.PARTNER, "partner@harbour.example", "connected to XPM")
STAFF = (
    PARTNER,
    Member(_SERVED, HARBOUR, "Priya Nair", Role.MANAGER, "manager@harbour.example", "can connect XPM"),
    Member(_SERVED, HARBOUR, "Ines Okafor", Role.OWNER, "owner@harbour.example", "sees every client"),
    Member(_SERVED, HARBOUR, "Tom Whitfield", Role.ACCOUNT_ADMIN, "admin@harbour.example", "sees every client"),
    Member(_SERVED, HARBOUR, "Sam Duarte", Role.BASIC, "basic@harbour.example", "read-only"),
    Member(_SERVED, QUIET_BAY, "Noor Haddad", Role.OWNER, "owner@quietbay.example", "another practice, MFA off"),
)


def import_for_demo(stack: LocalStack) -> tuple[AcceptedBatch, list[XpmClient]]:
    """Set up the demo's practice and import every client of its directory. Every other individual gets a welcome email.

    Raises:
        ProcessFailed: one of the processes ended meanwhile.
        Problem: the directory was not synced in time.
    """
    _ensure_member(stack, DEMO_MANAGER)
    _connect_by_hand(stack, DEMO_MANAGER.person)
    records = _directory(stack, DEMO_MANAGER.person)
    key = f"demo of {stack.plan.clients} clients, seed {stack.plan.seed}"
    return _import(stack, DEMO_MANAGER.person, key, records, is_welcomed=lambda place: place % 2 == 0), records


def set_up_served(stack: LocalStack) -> None:
    """Set up the served practices, their staff and the partner's connection. The first time, import a few clients."""
    is_new = False
    for member in STAFF:
        if _ensure_member(stack, member, mfa=member.practice != QUIET_BAY):
            is_new = True
            passwords.set_password(stack.database, member.person.staff_id, member.person.practice_id, PASSWORD)
    if is_new:
        _consent(stack, PARTNER.person, stack.simulator.tenant_id)
        _import(stack, PARTNER.person, "the first clients of a served portal", _first_clients(stack))
        return
    for member in STAFF:
        with stack.database.read() as tx:
            connection = connections.live_connection_of(tx, member.person.staff_id)
        if connection is not None:
            _consent(stack, member.person, connection.tenant_id)


def _ensure_member(stack: LocalStack, member: Member, *, mfa: bool = True) -> bool:
    """Add a staff member, and their practice, unless they exist. Returns whether the staff member is new."""
    practice_id, staff_id = member.person.practice_id, member.person.staff_id
    with stack.database.read() as tx:
        has_practice = people.get_practice(tx, practice_id) is not None
        has_staff = people.get_staff(tx, staff_id, practice_id=practice_id) is not None
    if not has_practice:
        practices.add_practice(
            stack.database, member.practice, time_zone=TIME_ZONE, mfa_mandatory=mfa, practice_id=practice_id
        )
    if not has_staff:
        practices.add_staff(stack.database, practice_id, member.name, member.email, member.role, staff_id=staff_id)
    return not has_staff


def _connect_by_hand(stack: LocalStack, person: ConnectingStaff) -> None:
    """Connect to the simulator's first practice, with a token that does not expire soon."""
    grant = Grant(
        xero_user_id=str(person.staff_id),
        access_token=SecretStr(stack.simulator.access_token),
        expires_in=int(timedelta(days=365).total_seconds()),
    )
    try:
        by_hand.connect_by_hand(
            stack.database,
            stack.settings.vault,
            grant,
            practice_id=person.practice_id,
            staff_id=person.staff_id,
            tenant_id=stack.simulator.tenant_id,
            tenant_name="XPM simulator",
        )
    except RequestRefused as refusal:
        if refusal.code != "already_connected":
            raise
        by_hand.renew_tokens(stack.database, stack.settings.vault, grant)  # the encryption key may have changed


def _consent(stack: LocalStack, person: ConnectingStaff, tenant_id: str) -> None:
    """Connect as in a browser: allow access to one practice on the simulator's consent page, and return to the portal.

    Also repairs a connection: a simulator that was restarted knows of no earlier consent.
    """
    begun = connect.begin(stack.database, stack.settings, person)
    answer = urlencode({"answer": "allow", "practice": tenant_id, "login_hint": str(person.staff_id)})
    redirect = httpx.get(f"{begun}&{answer}", timeout=XPM_SECONDS, trust_env=False).headers["location"]
    query = {name: values[0] for name, values in parse_qs(urlsplit(redirect).query).items()}
    connect.complete(stack.database, stack.settings, person, state=query["state"], code=query.get("code"))


def _directory(stack: LocalStack, person: ConnectingStaff) -> list[XpmClient]:
    """Every client that the connection sees in XPM, by id, once the sync that connecting started is done."""
    until = time.monotonic() + DIRECTORY_SECONDS
    while time.monotonic() < until:
        stack.processes.check()
        with stack.database.read() as tx:
            connection = connections.live_connection_of(tx, person.staff_id)
            found = directories.of(tx, connection.xero_login_id, connection.tenant_id) if connection else None
            if found is not None and found.cursor is not None:
                return [read_record(row.record) for row in search.all_records(tx, found)]
        time.sleep(POLL_SECONDS)
    raise Problem(f"The clients were not read from XPM within {DIRECTORY_SECONDS:g} s.")


def _first_clients(stack: LocalStack) -> list[XpmClient]:
    """The first clients of the simulator's first practice, in XPM's order."""
    access = Access(stack.simulator.tenant_id, stack.simulator.access_token)
    with stack.xpm.list(access, lane="interactive", deadline_seconds=XPM_SECONDS) as listing:
        return list(listing)[:FIRST_IMPORTS]


def _import(
    stack: LocalStack,
    person: ConnectingStaff,
    key: str,
    records: Sequence[XpmClient],
    is_welcomed: Callable[[int], bool] = lambda _place: True,
) -> AcceptedBatch:
    """Request the import of these records, each as the kind that the portal would suggest. `key` makes it idempotent."""
    requests = []
    for place, record in enumerate(records):
        kind = suggested_kind(record)
        requests.append(
            ImportRequest(
                practice_id=person.practice_id,
                requested_by=person.staff_id,
                request_id=f"{key}, {place}",
                xpm_uuid=record.uuid,
                kind=kind,
                send_welcome_email=kind is ClientKind.INDIVIDUAL and is_welcomed(place),
            )
        )
    return accept_batch(stack.database, stack.bell, key, requests)
