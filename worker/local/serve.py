"""A served portal from start to end: processes up, practices in, told where it is, and everything stopped when told to."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from uuid import UUID, uuid5

from rich.text import Text

from handlers.access import passwords
from handlers.directory.classification import suggested_kind
from handlers.imports.accept import accept_batch
from handlers.imports.request import ImportRequest
from handlers.integration.connect import ConnectingStaff
from portal_db.states import ClientKind, Role
from portal_db.xero import connections
from worker.cli.exits import ExitCode
from worker.cli.output import clean, console, say, say_json, say_line, short
from worker.local import seed as local_seed
from worker.local.mail_catcher import Delivery, Mailbox
from worker.local.processes import LOOPBACK
from worker.local.running import housed, started
from worker.local.stack import EmbeddedShape, Plan
from xpm.records import XpmClient

LOOK_SECONDS = 0.5


def serve_portal(plan: Plan, *, as_json: bool) -> ExitCode:
    """Serve until told to stop.

    Args:
        plan: with the folder that keeps the state.

    Raises:
        Problem: it could not be started, or one of its processes ended; the others were stopped.
    """
    with housed(plan, kept=True, what="the portal") as there, started(there) as shape:
        seed(shape)
        before = len(shape.mailbox.deliveries())
        opening(shape, as_json=as_json)
        sys.stdout.flush()
        with suppress(KeyboardInterrupt):
            _watch(shape, before, as_json=as_json)
        if not as_json:
            say()
    return ExitCode.DONE


def _watch(shape: EmbeddedShape, told: int, *, as_json: bool) -> None:
    """Tell mail as it arrives, as long as all processes run."""
    while True:
        shape.processes.check()
        arrived = shape.mailbox.deliveries()
        for delivery in arrived[told:]:
            if not as_json:
                mail(delivery, shape.mailbox)
        told = len(arrived)
        sys.stdout.flush()
        time.sleep(LOOK_SECONDS)


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
    def person(self) -> ConnectingStaff:
        return ConnectingStaff(uuid5(_OURS, self.practice), uuid5(_OURS, self.email))


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
    is_new = local_seed.practice(shape, PARTNER.person.practice_id, HARBOUR)
    local_seed.practice(shape, STAFF[-1].person.practice_id, QUIET_BAY, mfa=False)
    for member in STAFF:
        if local_seed.staff(shape, member.person, member.name, member.email, member.role):
            passwords.set_password(shape.database, member.person.staff_id, member.person.practice_id, PASSWORD)
    if is_new:
        local_seed.consent(shape, PARTNER.person, shape.simulator.tenant_id)
        _import_some(shape, local_seed.listed(shape)[:FIRST_IMPORTS])
        return
    for member in STAFF:
        with shape.database.read() as tx:
            connection = connections.live_connection_of(tx, member.person.staff_id)
        if connection is not None:
            local_seed.consent(shape, member.person, connection.tenant_id)


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


_LINK = re.compile(r"https?://[^\s<>\"]+")


@dataclass(frozen=True)
class Where:
    """The keys of `portal-sync serve --json`: addresses, folders, and who can sign in with the one password."""

    url: str
    simulator_url: str
    mail: str
    logs: str
    password: str
    staff: list[dict[str, str]]


def where(shape: EmbeddedShape) -> Where:
    """Where everything is."""
    return Where(
        url=shape.settings.public_url,
        simulator_url=f"http://{LOOPBACK}:{shape.simulator.port}",
        mail=str(shape.mailbox.folder),
        logs=str(shape.logs),
        password=PASSWORD,
        staff=[{"name": m.name, "role": m.role.value, "email": m.email, "practice": m.practice} for m in STAFF],
    )


def opening(shape: EmbeddedShape, *, as_json: bool) -> None:
    """Where everything is, once it can be used."""
    found = where(shape)
    if as_json:
        say_json(asdict(found))
        return
    say(f"The portal is at {found.url}/", style="bold")
    say_line(f"  password  {found.password}")
    for place, member in enumerate(STAFF):
        label = "" if place else "sign in"
        say_line(f"  {label:<9} {member.email:<24} {member.role.value.replace('_', ' '):<14} {member.note}")
    say_line(f"  XPM       a simulator with {shape.plan.clients:,} clients: {found.simulator_url}/")
    say_line(f"  mail      kept in {short(shape.mailbox.folder)}; what arrives is told below, with its link")
    say_line(f"  state     {short(shape.plan.folder)}, kept; remove it to begin anew")
    say("Ctrl-C stops everything.")


def mail(delivery: Delivery, box: Mailbox) -> None:
    """One email that arrived."""
    words = f"Mail to {delivery.recipient}: {delivery.subject}"
    console().print(Text(clean(words)), no_wrap=True, overflow="ellipsis")
    for link in links(delivery, box):
        say_line(f"  {link}")


def links(delivery: Delivery, box: Mailbox) -> Iterator[str]:
    """The addresses in an email's text, in its order."""
    message = message_from_bytes((box.folder / delivery.file).read_bytes(), policy=policy.default)
    assert isinstance(message, EmailMessage)  # noqa: S101  for the type checker: the policy makes these
    body = message.get_body(("plain",))
    yield from dict.fromkeys(_LINK.findall(body.get_content() if body else ""))
