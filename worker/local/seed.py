"""What the embedded shape's made-up practices consist of, put in by the use cases of real ones. What is there stays."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import UUID

import httpx
from pydantic import SecretStr

from handlers.access import practices
from handlers.errors import RequestRefused
from handlers.integration import by_hand, connect
from handlers.integration.by_hand import Grant
from handlers.integration.connect import ConnectingStaff
from portal_db.access import people
from portal_db.states import Role
from worker.local.stack import EmbeddedShape
from xpm.client import Access
from xpm.records import XpmClient

TIME_ZONE = "Australia/Sydney"
LIST_SECONDS = 60.0


def practice(shape: EmbeddedShape, practice_id: UUID, name: str, *, mfa: bool = True) -> bool:
    """Make sure of a practice. False when it was there."""
    with shape.database.read() as tx:
        if people.get_practice(tx, practice_id) is not None:
            return False
    practices.add_practice(shape.database, name, time_zone=TIME_ZONE, mfa_mandatory=mfa, practice_id=practice_id)
    return True


def staff(shape: EmbeddedShape, person: ConnectingStaff, name: str, email: str, role: Role) -> bool:
    """Make sure of somebody who works there. False when they did."""
    with shape.database.read() as tx:
        if people.get_staff(tx, person.staff_id, practice_id=person.practice_id) is not None:
            return False
    practices.add_staff(shape.database, person.practice_id, name, email, role, staff_id=person.staff_id)
    return True


def connection_by_hand(shape: EmbeddedShape, person: ConnectingStaff) -> None:
    """Make sure of a connection to the simulator's first practice, by a token that lasts."""
    database, vault = shape.database, shape.settings.vault
    grant = Grant(
        xero_user_id=str(person.staff_id),
        access_token=SecretStr(shape.simulator.access_token),
        expires_in=int(timedelta(days=365).total_seconds()),
    )
    try:
        by_hand.connect_by_hand(
            database,
            vault,
            grant,
            practice_id=person.practice_id,
            staff_id=person.staff_id,
            tenant_id=shape.simulator.tenant_id,
            tenant_name="XPM simulator",
        )
    except RequestRefused as refusal:
        if refusal.code != "already_connected":
            raise
        by_hand.renew_tokens(database, vault, grant)  # the key may be another one this time


def consent(shape: EmbeddedShape, person: ConnectingStaff, tenant_id: str) -> None:
    """Connect somebody as they would in a browser: they allow access to one practice at the simulator, and come back.

    Done again it mends the connection, which the simulator has forgotten when it was started anew.
    """
    begun = connect.begin(shape.database, shape.settings, person)
    answer = urlencode({"answer": "allow", "practice": tenant_id, "login_hint": str(person.staff_id)})
    came = httpx.get(f"{begun}&{answer}", timeout=LIST_SECONDS, trust_env=False)
    told = {name: values[0] for name, values in parse_qs(urlsplit(came.headers["location"]).query).items()}
    connect.complete(shape.database, shape.settings, person, state=told["state"], code=told.get("code"))


def listed(shape: EmbeddedShape) -> list[XpmClient]:
    """Every client of the simulator's first practice, in XPM's order, by one call."""
    access = Access(shape.simulator.tenant_id, shape.simulator.access_token)
    with shape.xpm.list(access, detailed=True, lane="interactive", deadline_seconds=LIST_SECONDS) as listing:
        return list(listing)
