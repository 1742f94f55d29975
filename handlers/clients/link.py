"""Links clients to XPM records: connecting and disconnecting."""

from __future__ import annotations

from uuid import UUID

from handlers import refusals
from handlers.access.act import Actor
from handlers.access.caller import Caller
from handlers.clients.queries import require_client
from handlers.directory.classification import kinds_of
from handlers.directory.lookup import get_for_staff
from handlers.directory.structures import words_of
from handlers.services import Services
from handlers.xero.connection import require_connection
from portal_db.clients import clients, history
from portal_db.clients.history import By, Change
from portal_db.database import Database, Tx
from portal_db.states import ChangeSource
from portal_db.xero import requester

SECONDS = 10.0
"""How long a person who connects a client waits for XPM."""


def connect(services: Services, caller: Caller, client_id: UUID, xpm_uuid: UUID) -> None:
    """Link a client to an XPM record that the caller's own connection sees. The client's data does not change (b.34).

    Raises:
        RequestRefused: the client is not found or not visible to them, or the record is of the other kind.
        Rejected: one of the two is linked already (b.35).
        JobError: the caller has no connection that works, XPM does not know the record, or XPM cannot answer now.
    """
    with services.database.read() as tx:
        entry = require_client(tx, caller, client_id)
        asker = requester.staff_requester(tx, caller.practice_id, caller.staff_id)
        words = words_of(tx, caller.practice_id)
    if entry.client.kind not in kinds_of(get_for_staff(services, asker, xpm_uuid, seconds=SECONDS), words):
        raise refusals.WRONG_KIND_OF_RECORD(kind=entry.client.kind)
    with services.database.write() as tx:
        connection = require_connection(requester.staff_requester(tx, caller.practice_id, caller.staff_id))
        row = {
            "id": tx.new_id(),
            "practice_id": caller.practice_id,
            "client_id": client_id,
            "connection_id": connection.id,
            "tenant_id": connection.tenant_id,
            "xpm_uuid": xpm_uuid,
            "linked_by": caller.staff_id,
        }
        if not clients.link(tx, row):
            raise refusals.ALREADY_LINKED()
        _record_change(tx, caller, "client.connected", client_id, before=None, after=xpm_uuid)


def disconnect(database: Database, caller: Caller, client_id: UUID) -> None:
    """Remove a client's link to its XPM record. Imported data stays (b.34); the links of its review items and team members
    are removed too, which undoes a wrong link (b.36). Running jobs write nothing more (b.11).

    Raises:
        RequestRefused: the client is not found or not visible to them, or is not connected.
    """
    with database.write() as tx:
        link = require_client(tx, caller, client_id).link
        if link is None or not clients.unlink(tx, client_id):
            raise refusals.CLIENT_NOT_CONNECTED()
        _record_change(tx, caller, "client.disconnected", client_id, before=link.xpm_uuid, after=None)


def _record_change(
    tx: Tx, caller: Caller, action: str, client_id: UUID, *, before: UUID | None, after: UUID | None
) -> None:
    Actor.of(caller.staff_id).audit(tx, action, "client", client_id, caller.practice_id)
    by = By(caller.practice_id, ChangeSource.STAFF, staff_id=caller.staff_id)
    change = Change(client_id, history.CLIENT, "xpm_link", history.text_of(before), history.text_of(after))
    history.note(tx, by, [change])
