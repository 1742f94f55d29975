"""Linking a portal client to an XPM record, and taking the link off again."""

from __future__ import annotations

from uuid import UUID

from handlers import refusals
from handlers.access.act import Actor
from handlers.access.caller import Caller
from handlers.clients.queries import require
from handlers.directory.classification import kinds_of
from handlers.directory.lookup import FetchedRecord
from handlers.directory.structures import words_of
from handlers.errors import from_xpm
from handlers.services import Services
from handlers.xero.connection import require_connection
from handlers.xero.tokens import call_xpm
from portal_db.clients import clients, history
from portal_db.clients.history import By, Change
from portal_db.database import Database, Tx
from portal_db.states import ChangeSource, Lane
from portal_db.tables import Client
from portal_db.xero import requester
from portal_db.xero.requester import StaffRequester
from xpm.client import Access, Fetched
from xpm.errors import XpmError
from xpm.records import XpmClient


def require_link(tx: Tx, practice_id: UUID, client_id: UUID, seen: FetchedRecord) -> Client:
    """The client, if its live link is to this very record.

    Raises:
        Rejected: it was disconnected before the data could be written (b.11).
    """
    client = clients.get(tx, client_id, practice_id=practice_id)
    link = clients.live_link(tx, client_id)
    if client is None or link is None or link.xpm_uuid != seen.record.uuid:
        raise refusals.CLIENT_DISCONNECTED()
    return client


SECONDS = 10.0


def connect(services: Services, caller: Caller, client_id: UUID, xpm_uuid: UUID) -> None:
    """Tie a client to an XPM record that the caller's own connection sees. No data changes (b.34).

    Raises:
        RequestRefused: no such client for them, or the record is of the other kind.
        Rejected: one of the two is tied already (b.35).
        JobError: the caller has no connection that works, or XPM does not know the record or cannot answer now.
    """
    with services.database.read() as tx:
        entry = require(tx, caller, client_id)
        asker = requester.staff_requester(tx, caller.practice_id, caller.staff_id)
        words = words_of(tx, caller.practice_id)
    if entry.client.kind not in kinds_of(_ask_xpm(services, asker, xpm_uuid), words):
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
        _note_link(tx, caller, "client.connected", client_id, before=None, after=xpm_uuid)


def disconnect(database: Database, caller: Caller, client_id: UUID) -> None:
    """Cut a client from its XPM record. What was imported stays (b.34); what ties items and team members to records goes,
    which is how a wrong link is undone (b.36). What is under way writes nothing any more (b.11).

    Raises:
        RequestRefused: no such client for them, or it is not connected.
    """
    with database.write() as tx:
        link = require(tx, caller, client_id).link
        if link is None or not clients.unlink(tx, client_id):
            raise refusals.CLIENT_NOT_CONNECTED()
        _note_link(tx, caller, "client.disconnected", client_id, before=link.xpm_uuid, after=None)


def _ask_xpm(services: Services, asker: StaffRequester, xpm_uuid: UUID) -> XpmClient:
    def get(access: Access, seconds: float) -> Fetched[XpmClient]:
        return services.xpm.get(access, xpm_uuid, lane=Lane.INTERACTIVE, deadline_seconds=seconds)

    try:
        return call_xpm(services, asker, get, seconds=SECONDS).value
    except XpmError as error:
        raise from_xpm(error) from error


def _note_link(
    tx: Tx, caller: Caller, action: str, client_id: UUID, *, before: UUID | None, after: UUID | None
) -> None:
    Actor.of(caller.staff_id).audit(tx, action, "client", client_id, caller.practice_id)
    by = By(caller.practice_id, ChangeSource.STAFF, staff_id=caller.staff_id)
    change = Change(client_id, history.CLIENT, "xpm_link", history.text_of(before), history.text_of(after))
    history.note(tx, by, [change])
