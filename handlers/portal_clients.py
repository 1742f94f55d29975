"""The portal's clients as staff work with them: listed, looked at, tied to XPM, and brought up to date from there later."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from handlers import review_items
from handlers.callers import Caller
from handlers.classification import kinds_of
from handlers.connections import require_connection
from handlers.errors import from_xpm
from handlers.flow import Bell, FollowUp, Services
from handlers.follow_ups import later
from handlers.looking import read_cursor
from handlers.request_import import Accepted, conflict
from handlers.requests import ImportRequest, RequestRefused
from handlers.review_items import Item
from handlers.structures import words_of
from handlers.validate_import import already_linked
from handlers.xero_tokens import call_xpm
from portal_db import askers, audit, client_list, clients, history, imports, jobs, team
from portal_db.askers import Asker
from portal_db.client_list import Entry, Wanted
from portal_db.database import Database, Tx
from portal_db.history import By, Change
from portal_db.paging import Cursor
from portal_db.states import ActorKind, ChangeSource, Lane, ReviewState
from portal_db.tables import ClientField, FieldConflict, TeamMember
from xpm.client import Access, Fetched
from xpm.errors import XpmError
from xpm.records import XpmClient

SECONDS = 10.0
"""How long somebody who connects a client waits for XPM at most."""


@dataclass(frozen=True)
class Page:
    """So many clients, and where to go on if there are more."""

    entries: Sequence[Entry]
    next: Cursor | None


@dataclass(frozen=True)
class Details:
    """A client with its fields and their sources, what XPM has and could not be written, its team and relationships."""

    entry: Entry
    fields: dict[str, ClientField]
    conflicts: Sequence[FieldConflict]
    team: Sequence[TeamMember]
    co_owners: Collection[UUID]
    relationships: Sequence[Item]


def page(database: Database, caller: Caller, wanted: Wanted, *, cursor: str | None, limit: int) -> Page:
    """Clients that the caller may see, the newest first.

    Raises:
        RequestRefused: the cursor is not one of ours.
    """
    after = read_cursor(cursor)
    with database.read() as tx:
        found = client_list.page(tx, caller.sight, wanted, after=after, limit=limit + 1)
    more, found = len(found) > limit, found[:limit]
    return Page(found, Cursor(found[-1].client.created_at, found[-1].client.id) if more else None)


def details(database: Database, caller: Caller, client_id: UUID) -> Details:
    """A client that the caller may see.

    Raises:
        RequestRefused: there is none such for them.
    """
    with database.read() as tx:
        entry = require(tx, caller, client_id)
        return Details(
            entry,
            clients.fields(tx, client_id),
            clients.conflicts(tx, client_id),
            client_list.team_of(tx, client_id),
            team.co_owners(tx, client_id),
            review_items.of_client(tx, caller, client_id, frozenset(ReviewState)),
        )


def items(database: Database, caller: Caller, client_id: UUID, states: Collection[ReviewState]) -> list[Item]:
    """What XPM says about a client's relationships, in some states of review.

    Raises:
        RequestRefused: there is no such client for them.
    """
    with database.read() as tx:
        require(tx, caller, client_id)
        return review_items.of_client(tx, caller, client_id, states)


def bring(
    database: Database, bell: Bell, caller: Caller, client_id: UUID, key: str, *, details: bool, relationships: bool
) -> Accepted:
    """Ask for details and relationships of a client that is there already: an import of its own, without a creation.

    Args:
        key: the requester's own key for this request.

    Raises:
        RequestRefused: no such client for them, it is not connected (b.11), nothing is asked for, or the key was used.
    """
    kinds = [kind for kind, asked in (("import_details", details), ("import_relationships", relationships)) if asked]
    if not kinds:
        raise RequestRefused("bad_request", "There is nothing to bring.", "Ask for details, relationships or both.")
    with database.write() as tx:
        row = _row(tx, caller, require(tx, caller, client_id), key, details, relationships)
        if not imports.add(tx, row):
            known = imports.by_key(tx, caller.practice_id, key)
            if known is None or known.fingerprint != row["fingerprint"]:
                raise conflict()
            return Accepted(known.id, is_new=False)
        args = {"client_id": str(client_id)}
        new = [later(tx, row["id"], caller.practice_id, FollowUp(kind, args)) for kind in kinds]
        jobs.add(tx, new, rung=True)
    bell.ring(Lane.INTERACTIVE, [job.id for job in new])
    return Accepted(row["id"], is_new=True)


def connect(services: Services, caller: Caller, client_id: UUID, xpm_uuid: UUID) -> None:
    """Tie a client to an XPM record that the caller's own connection sees. No data changes (b.34).

    Raises:
        RequestRefused: no such client for them, or the record is of the other kind.
        Rejected: one of the two is tied already (b.35).
        JobError: the caller has no connection that works, or XPM does not know the record or cannot answer now.
    """
    with services.database.read() as tx:
        entry = require(tx, caller, client_id)
        asker = askers.of_staff(tx, caller.practice_id, caller.staff_id)
        words = words_of(tx, caller.practice_id)
    if entry.client.kind not in kinds_of(_ask_xpm(services, asker, xpm_uuid), words):
        raise RequestRefused(
            "wrong_kind", f"This XPM client is not an {entry.client.kind}.", "Choose another one.", field="xpm_uuid"
        )
    with services.database.write() as tx:
        connection = require_connection(askers.of_staff(tx, caller.practice_id, caller.staff_id))
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
            raise already_linked()
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
            raise not_connected()
        _note_link(tx, caller, "client.disconnected", client_id, before=link.xpm_uuid, after=None)


def _ask_xpm(services: Services, asker: Asker, xpm_uuid: UUID) -> XpmClient:
    def get(access: Access, seconds: float) -> Fetched[XpmClient]:
        return services.xpm.get(access, xpm_uuid, lane=Lane.INTERACTIVE, deadline_seconds=seconds)

    try:
        return call_xpm(services, asker, get, seconds=SECONDS).value
    except XpmError as error:
        raise from_xpm(error) from error


def _note_link(
    tx: Tx, caller: Caller, action: str, client_id: UUID, *, before: UUID | None, after: UUID | None
) -> None:
    audit.record(
        tx,
        action=action,
        subject="client",
        subject_id=client_id,
        practice_id=caller.practice_id,
        actor=ActorKind.STAFF,
        actor_id=caller.staff_id,
    )
    by = By(caller.practice_id, ChangeSource.STAFF, staff_id=caller.staff_id)
    change = Change(client_id, history.CLIENT, "xpm_link", history.text_of(before), history.text_of(after))
    history.note(tx, by, [change])


def not_connected() -> RequestRefused:
    return RequestRefused(
        "not_connected",
        "The client is not connected to an XPM record.",
        "Connect it under Integration actions > Xero Practice Manager, then import.",
    )


def require(tx: Tx, caller: Caller, client_id: UUID) -> Entry:
    """A client that the caller may see.

    Raises:
        RequestRefused: there is none such for them.
    """
    found = client_list.get(tx, caller.sight, client_id)
    if found is None:
        raise RequestRefused("unknown_client", "There is no such client.", "Look at the list of clients.")
    return found


def _row(tx: Tx, caller: Caller, entry: Entry, key: str, details: bool, relationships: bool) -> dict[str, Any]:
    if entry.link is None:
        raise not_connected()
    request = ImportRequest(
        practice_id=caller.practice_id,
        requested_by=caller.staff_id,
        request_id=key,
        xpm_uuid=entry.link.xpm_uuid,
        kind=entry.client.kind,
        bring_details=details,
        bring_relationships=relationships,
    )
    return {
        **request.model_dump(exclude={"request_id"}),
        "id": tx.new_id(),
        "idempotency_key": key,
        # Never that of a request to create a client from the same record.
        "fingerprint": f"{entry.client.id.hex}{request.fingerprint()[:32]}",
        "client_id": entry.client.id,
    }
