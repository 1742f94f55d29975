"""Puts a practice into the record and asks for its XPM clients, all of them, as one batch. Done again, it changes nothing.

The rows of the practice have fixed ids, and the batch a fixed key, so that a second run finds what the first one made.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from uuid import UUID, uuid5

from handlers.classification import suggested_kind
from handlers.connect_xpm import Person
from handlers.request_import import AcceptedBatch, accept_batch
from handlers.requests import ImportRequest
from handlers.sights import read_sight
from portal_db import connections, directories, directory_search
from portal_db.states import ClientKind, Role
from worker.cli.exits import Problem
from worker.embedded import seeding
from worker.embedded.shape import EmbeddedShape
from xpm.records import XpmClient

_OURS = UUID("6a1f0f6e-7a0f-4c0c-9a35-0d4c5f1c2b7e")
PRACTICE_ID = uuid5(_OURS, "practice")
STAFF_ID = uuid5(_OURS, "staff")
PRACTICE_NAME = "Demo Accountants"
STAFF_EMAIL = "manager@demo-accountants.example"

FILLED_SECONDS = 120.0
LOOK_SECONDS = 0.1


def seed(shape: EmbeddedShape) -> None:
    """Make sure of the practice, its manager, and the manager's connection to the simulator's tenant."""
    manager = Person(PRACTICE_ID, STAFF_ID)
    seeding.practice(shape, PRACTICE_ID, PRACTICE_NAME)
    seeding.staff(shape, manager, "Demo Manager", STAFF_EMAIL, Role.MANAGER)
    seeding.connection_by_hand(shape, manager)


def directory(shape: EmbeddedShape) -> list[XpmClient]:
    """Every client that the manager's connection sees in XPM, by id, once its directory is filled: connecting began that.

    Raises:
        ProcessFailed: one of the processes ended meanwhile.
        Problem: nothing came.
    """
    until = time.monotonic() + FILLED_SECONDS
    while time.monotonic() < until:
        shape.processes.check()
        with shape.database.read() as tx:
            connection = connections.live_of(tx, STAFF_ID)
            found = directories.of(tx, connection.xero_login_id, connection.tenant_id) if connection else None
            if found is not None and found.cursor is not None:
                return [read_sight(row.record) for row in directory_search.everybody(tx, found)]
        time.sleep(LOOK_SECONDS)
    raise Problem(f"The directory was not filled within {FILLED_SECONDS:g} s.")


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
