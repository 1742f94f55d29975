"""Searches for clients by name: in the directory of the caller's own connection, and in the portal among the clients that
they may see (b.29, b.33). XPM itself is searched only until the directory has been filled once.

A record that is already a client appears once, as that client, and cannot be imported again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from config.folding import fold_name
from handlers.access.caller import Caller
from handlers.directory.classification import entity_type_of, kinds_of, suggested_kind
from handlers.directory.lookup import get_for_staff
from handlers.directory.records import read_record
from handlers.directory.structures import words_of
from handlers.directory.sync import note_use
from handlers.errors import JobError, from_xpm
from handlers.services import Services
from handlers.xero.connection import require_connection
from handlers.xero.tokens import call_xpm
from portal_db.clients import client_queries
from portal_db.clients.client_queries import ClientEntry, ClientFilter
from portal_db.directory import directories
from portal_db.directory import search as directory_search
from portal_db.states import ClientKind, EntityType, Lane
from portal_db.work import lookahead
from portal_db.xero import requester
from portal_db.xero.requester import StaffRequester
from xpm.client import Access, Fetched
from xpm.errors import XpmError
from xpm.records import XpmClient

SECONDS = 10.0
"""How long a person waits for XPM."""
MOST = 50
"""Results of each kind in one search."""


@dataclass(frozen=True)
class SearchResult:
    """A record in XPM, and what it may be imported as.

    blocked: why it cannot be imported, as a stable code. client_id: the client it is linked to, if the caller may see it.
    """

    record: XpmClient
    suggested: ClientKind
    possible: frozenset[ClientKind]
    entity_type: EntityType
    blocked: str | None
    client_id: UUID | None


@dataclass(frozen=True)
class AdvancedSearchResult:
    """Clients of the portal and records in XPM. `xpm` is `None` if it was not searched; `trouble`: why that failed."""

    clients: tuple[ClientEntry, ...]
    xpm: tuple[SearchResult, ...] | None
    trouble: JobError | None = None


def search_all(services: Services, caller: Caller, text: str, *, with_xpm: bool) -> AdvancedSearchResult:
    """Search the portal's clients and, if requested, XPM. The clients are found even if XPM does not answer."""
    with services.database.read() as tx:
        known = client_queries.page(tx, caller.viewer, ClientFilter(text), after=None, limit=MOST)
    if not with_xpm:
        return AdvancedSearchResult(tuple(known), None)
    try:
        found = search_xpm(services, caller, text)
    except JobError as trouble:
        return AdvancedSearchResult(tuple(known), (), trouble)
    linked = {item.record.uuid for item in found if item.client_id is not None}
    with services.database.read() as tx:
        more = client_queries.of_records(tx, caller.viewer, linked)
    listed = {entry.client.id for entry in known}
    clients = (*known, *(entry for entry in more if entry.client.id not in listed))
    return AdvancedSearchResult(clients, tuple(item for item in found if item.client_id is None))


def search_xpm(services: Services, caller: Caller, text: str) -> list[SearchResult]:
    """XPM's records whose name contains a text.

    Raises:
        JobError: the caller has no connection that works, or XPM cannot answer now.
    """
    with services.database.read() as tx:
        asker = requester.staff_requester(tx, caller.practice_id, caller.staff_id)
        connection = require_connection(asker)
        directory = directories.of(tx, connection.xero_login_id, connection.tenant_id)
        is_filled = directory is not None and directory.cursor is not None
        folded = fold_name(text)
        found = directory_search.find(tx, directory, folded, limit=MOST) if directory and is_filled and folded else ()
        records = [read_record(row.record) for row in found]
    if directory is not None:
        note_use(services.database, directory, asker.now)
    return _results(services, caller, records if is_filled else _call_search(services, asker, text))


def record_in_xpm(services: Services, caller: Caller, xpm_uuid: UUID) -> SearchResult:
    """One record of XPM, for the window in which it is added.

    Raises:
        JobError: the caller has no connection that works, XPM does not know the record, or XPM cannot answer now.
    """
    with services.database.read() as tx:
        asker = requester.staff_requester(tx, caller.practice_id, caller.staff_id)
    return _results(services, caller, [get_for_staff(services, asker, xpm_uuid, seconds=SECONDS)])[0]


def _call_search(services: Services, asker: StaffRequester, text: str) -> Sequence[XpmClient]:
    def search(access: Access, seconds: float) -> Fetched[list[XpmClient]]:
        return services.xpm.search(access, text, lane=Lane.INTERACTIVE, deadline_seconds=seconds)

    try:
        records = call_xpm(services, asker, search, seconds=SECONDS).value
    except XpmError as error:
        raise from_xpm(error) from error
    return [record for record in records if not record.is_deleted][:MOST]


def _results(services: Services, caller: Caller, records: Sequence[XpmClient]) -> list[SearchResult]:
    """Each record with what it may be imported as, and what prevents that."""
    uuids = [record.uuid for record in records]
    with services.database.read() as tx:
        words = words_of(tx, caller.practice_id)
        linked = lookahead.linked_records(tx, caller.practice_id, uuids)
        importing = lookahead.records_being_imported(tx, caller.practice_id, uuids)
        entries = client_queries.of_records(tx, caller.viewer, uuids)
    client_ids = {entry.link.xpm_uuid: entry.client.id for entry in entries if entry.link is not None}

    def result(record: XpmClient) -> SearchResult:
        blocked = None
        if record.uuid in linked:
            blocked = "already_linked"
        elif record.uuid in importing:
            blocked = "already_being_imported"
        elif record.is_archived:
            blocked = "xpm_client_archived"
        suggested, possible = suggested_kind(record, words), kinds_of(record, words)
        entity_type, client_id = entity_type_of(record, words), client_ids.get(record.uuid)
        return SearchResult(record, suggested, possible, entity_type, blocked, client_id)

    return [result(record) for record in records]
