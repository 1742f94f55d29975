"""Puts a practice into the record and asks for its XPM clients, all of them, as one batch. Done again, it changes nothing.

The rows of the practice have fixed ids, and the batch a fixed key, so that a second run finds what the first one made.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid5

from pydantic import SecretStr

from handlers import practices
from handlers.classification import suggested_kind
from handlers.practices import Grant
from handlers.request_import import AcceptedBatch, accept_batch
from handlers.requests import ImportRequest, RequestRefused
from portal_db import people
from portal_db.states import ClientKind, Role
from worker.demo.shape import EmbeddedShape
from xpm.client import Access
from xpm.records import XpmClient

_OURS = UUID("6a1f0f6e-7a0f-4c0c-9a35-0d4c5f1c2b7e")
PRACTICE_ID = uuid5(_OURS, "practice")
STAFF_ID = uuid5(_OURS, "staff")
PRACTICE_NAME = "Demo Accountants"
STAFF_EMAIL = "manager@demo-accountants.example"

LIST_SECONDS = 60.0


def seed(shape: EmbeddedShape) -> None:
    """Make sure of the practice, its manager, and the manager's connection to the simulator's tenant."""
    database, vault = shape.database, shape.settings.vault
    with database.read() as tx:
        has_practice = people.get_practice(tx, PRACTICE_ID) is not None
        has_staff = people.get_staff(tx, STAFF_ID, practice_id=PRACTICE_ID) is not None
    if not has_practice:
        practices.add_practice(
            database, PRACTICE_NAME, time_zone="Australia/Sydney", mfa_mandatory=True, practice_id=PRACTICE_ID
        )
    if not has_staff:
        practices.add_staff(database, PRACTICE_ID, "Demo Manager", STAFF_EMAIL, Role.MANAGER, staff_id=STAFF_ID)
    try:
        practices.connect_by_hand(
            database,
            vault,
            _grant(shape),
            practice_id=PRACTICE_ID,
            staff_id=STAFF_ID,
            tenant_id=shape.simulator.tenant_id,
            tenant_name="XPM simulator",
        )
    except RequestRefused as refusal:
        if refusal.code != "already_connected":
            raise
        practices.renew_tokens(database, vault, _grant(shape))  # the key may be another one this time


def _grant(shape: EmbeddedShape) -> Grant:
    return Grant(
        xero_user_id=str(STAFF_ID),
        access_token=SecretStr(shape.simulator.access_token),
        expires_in=int(timedelta(days=365).total_seconds()),
    )


def listed(shape: EmbeddedShape) -> list[XpmClient]:
    """Every client of the XPM practice, in XPM's order, by one call."""
    access = Access(shape.simulator.tenant_id, shape.simulator.access_token)
    with shape.xpm.list(access, detailed=True, lane="interactive", deadline_seconds=LIST_SECONDS) as listing:
        return list(listing)


def ask_for_all(shape: EmbeddedShape, records: Sequence[XpmClient]) -> AcceptedBatch:
    """Ask for every record, as what the portal would suggest. Individuals at even places (0, 2, …) of the list are
    welcomed by email."""
    key = f"demo of {shape.plan.clients} clients, seed {shape.plan.seed}"
    return accept_batch(shape.database, key, [_request(place, record, key) for place, record in enumerate(records)])


def _request(place: int, record: XpmClient, key: str) -> ImportRequest:
    kind = suggested_kind(record)
    return ImportRequest(
        practice_id=PRACTICE_ID,
        requested_by=STAFF_ID,
        request_id=f"{key}, {place}",
        xpm_uuid=record.uuid,
        kind=kind,
        send_welcome_email=kind is ClientKind.INDIVIDUAL and place % 2 == 0,
    )
